"""VisualVM's heap library, which reads Java heap dumps for the profiler of that name; nothing of ours is in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.makers.programs import need, run

_CENSUS = Path(__file__).parent / "java" / "HeapCensus.java"
_INSTALLED = "/usr/share/visualvm/visualvm/modules/org-graalvm-visualvm-lib-jfluid-heap.jar"


def seen_by_visualvm(heap: bytes) -> list[str]:
    """Totals, GC roots, threads' stacks, classes with their instances, and strings' lengths, a line each.

    The library is in Debian's package ``visualvm``; ``DUMPSCAN_VISUALVM`` names the folder it was unpacked to.
    """
    library = Path(os.environ.get("DUMPSCAN_VISUALVM", "/") + _INSTALLED)
    if not library.is_file():
        pytest.skip("no VisualVM: apt-get download visualvm, dpkg -x it, and name the folder in DUMPSCAN_VISUALVM")
    need("java")
    folder = Path(tempfile.mkdtemp())  # it writes an index beside the dump
    try:
        (folder / "heap").write_bytes(heap)
        done = run("java", "-Xmx512m", "-cp", library, _CENSUS, folder / "heap")
    finally:
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.splitlines()
