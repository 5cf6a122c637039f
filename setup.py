"""The one thing that setup.cfg cannot say: compiled kernels, without which Python does the same work more slowly."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            f"dumpscan.{name}",
            [f"dumpscan/{name}.c"],
            depends=[f"dumpscan/{part}" for part in parts],
            extra_compile_args=["-O3"],
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            py_limited_api=True,
            optional=True,
        )
        for name, parts in (
            ("_kernel", ()),
            ("_curves", ("_curves_ifma.h",)),
            ("_literals", ("_literals_vectors.h",)),
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
