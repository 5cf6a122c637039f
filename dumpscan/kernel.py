"""The compiled kernels where they could be built, and ``None`` where Python does the same work, more slowly.

Whoever has a faster way through one of them keeps the other: both give the same (tests/test_kernel.py, test_curves.py).
They are built when dumpscan is installed, if there is a C compiler; ``DUMPSCAN_KERNEL=numpy`` in the environment leaves
them out.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from types import ModuleType

native: ModuleType | None = None
"""dumpscan/_kernel.c: passes over every word of a window."""

curves: ModuleType | None = None
"""dumpscan/_curves.c: the arithmetic of elliptic curves. It needs integers of 128 bits, which some compilers lack."""

literals: ModuleType | None = None
"""dumpscan/_literals.c: the search for literals."""

if sys.byteorder == "little" and os.environ.get("DUMPSCAN_KERNEL") != "numpy":
    with contextlib.suppress(ImportError):  # built without a compiler
        native = importlib.import_module("dumpscan._kernel")
    with contextlib.suppress(ImportError):
        curves = importlib.import_module("dumpscan._curves")
    with contextlib.suppress(ImportError):
        literals = importlib.import_module("dumpscan._literals")
