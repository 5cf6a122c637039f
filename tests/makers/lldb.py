"""What LLDB sees of a core, whatever it can make of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.makers.programs import run

_MODULES = "PYTHONPATH=/usr/lib/llvm-14/lib/python3.11/dist-packages"


def seen_by_lldb(core: Path) -> str:
    """Threads, a backtrace of five frames, registers and images; without ``thread #1`` LLDB does not read the core."""
    if not shutil.which("lldb-14"):
        pytest.skip("lldb-14 not installed")
    commands = [f"target create --core {core}", "thread list", "bt 5", "register read", "image list"]
    options = [part for command in commands for part in ("-o", command)]
    done = run("env", _MODULES, "lldb-14", "-b", "--no-lldbinit", *options)
    return done.stdout.replace(str(core), "CORE")
