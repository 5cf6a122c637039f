"""The one thing that setup.cfg cannot say: a compiled kernel, without which NumPy does the same work more slowly."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "dumpscan._kernel",
            ["dumpscan/_kernel.c"],
            extra_compile_args=["-O3"],
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
