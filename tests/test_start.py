"""What a scan does not need is not imported: half of its start was that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

import dumpscan
from dumpscan import kernel
from dumpscan.containers.opening import ENTRIES as KINDS
from dumpscan.formats.registry import ENTRIES
from tests.makers.elf import Core, Segment
from tests.makers.lib_keys import expand_aes

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
    "numpy.random",
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


if kernel.literals is not None and kernel.literals.vectors() == 64:  # elsewhere it looks for the signatures' literals
    OTHERS.add("hyperscan")

ACCEPTED = ("--ignore", "rsa-private-key", "--ignore", "aes-key")


def key_and_schedule() -> bytes:
    """Limbs of an RSA key between plain words, and the schedule of an AES key."""
    numbers = rsa.generate_private_key(65537, 1024).private_numbers()
    limbs = (numbers.p, numbers.q, numbers.public_numbers.n)
    parts = [number.to_bytes(number.bit_length() // 8, "little") for number in limbs]
    return bytes(64).join([b"", *parts, expand_aes(os.urandom(16)), b""])


def test_a_small_core_is_scanned_by_what_it_takes(tmp_path: Path) -> None:
    memory = bytes(range(256)) * 16 + key_and_schedule()
    (tmp_path / "core").write_bytes(Core(segments=[Segment(0x400000, memory)]).build())
    modules = imported(tmp_path, "scan", "-f", "json", "-o", "report", *ACCEPTED, "core")
    report = json.loads((tmp_path / "report").read_text())["dumps"][0]
    assert report["format"] == "elf-core"
    assert {finding["kind"] for finding in report["findings"]} == {"rsa-private-key", "aes-key"}
    assert {"dumpscan.formats.elf_core", "dumpscan.report.as_json"} <= modules
    others = {entry.module for entry in ENTRIES if entry.starts or entry.holds} - {"dumpscan.formats.elf_core"}
    others |= {kind.module for kind in KINDS if kind.starts or kind.holds}
    assert sorted(modules & (others | OTHERS)) == []
