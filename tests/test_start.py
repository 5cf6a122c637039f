"""What a scan does not need is not imported: half of its start was that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dumpscan
from dumpscan.containers.opening import ENTRIES as KINDS
from dumpscan.formats.registry import ENTRIES
from tests.makers.elf import Core, Segment

PROGRAM = """
import atexit, json, sys
from dumpscan import __main__
atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
__main__.main()
"""

OTHERS = {
    "configparser",
    "cryptography.hazmat.primitives.serialization.ssh",
    "dumpscan.foreign_rules",
    "dumpscan.formats.hprof_objects",
    "dumpscan.formats.page_tables",
    "dumpscan.formats.snapshot_objects",
    "dumpscan.known_keys",
    "dumpscan.matchers.user_rules",
    "dumpscan.redact",
    "dumpscan.report.as_html",
    "dumpscan.report.as_jsonl",
    "dumpscan.report.as_sarif",
    "dumpscan.report.as_text",
    "dumpscan.signature_check",
    "html",
    "numpy.ma",
    "multiprocessing",
    "pefile",
    "tomllib",
    "tqdm",
}


def imported(folder: Path, *arguments: str) -> set[str]:
    """The modules of a process that ran the program with these arguments in an empty folder."""
    path = os.pathsep.join(filter(None, (str(Path(dumpscan.__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,  # what was registered for the end of the process is done, and its exit code is the program's
    )
    return set(json.loads(done.stdout))


def test_a_small_core_is_scanned_by_what_it_takes(tmp_path: Path) -> None:
    (tmp_path / "core").write_bytes(Core(segments=[Segment(0x400000, bytes(range(256)) * 16)]).build())
    modules = imported(tmp_path, "scan", "-f", "json", "-o", "report", "core")
    assert json.loads((tmp_path / "report").read_text())["dumps"][0]["format"] == "elf-core"
    assert {"dumpscan.formats.elf_core", "dumpscan.report.as_json"} <= modules
    others = {entry.module for entry in ENTRIES if entry.starts or entry.holds} - {"dumpscan.formats.elf_core"}
    others |= {kind.module for kind in KINDS if kind.starts or kind.holds}
    assert sorted(modules & (others | OTHERS)) == []
