"""The compiled kernel where it could be built, and ``None`` where NumPy does the same work, more slowly.

Whoever has a faster way through :data:`native` keeps the other: both give the same (tests/test_kernel.py). It is built
when dumpscan is installed, if there is a C compiler; ``DUMPSCAN_KERNEL=numpy`` in the environment leaves it out.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from types import ModuleType

native: ModuleType | None = None

if sys.byteorder == "little" and os.environ.get("DUMPSCAN_KERNEL") != "numpy":
    with contextlib.suppress(ImportError):  # built without a compiler
        native = importlib.import_module("dumpscan._kernel")
