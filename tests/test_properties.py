"""The promises of the design, as properties."""

from __future__ import annotations

from pathlib import Path

import pytest

from dumpscan.literals import engines
from dumpscan.model import DumpReport
from dumpscan.redact import filler, redact_path
from dumpscan.scan import Options, scan_path, scan_source
from tests.makers.planted import Planted, planted
from tests.makers.source import BytesSource

KEY = b"k" * 32
SEEDS = (1, 2, 3)


def options(**more: object) -> Options:
    return Options(**{"jobs": 1, "fingerprint_key": KEY, "now": 0, **more})  # type: ignore[arg-type]


def scanned(memory: Planted, **more: object) -> DumpReport:
    return scan_source(BytesSource(bytes(memory.data)), "memory", options(**more)).report


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_that_was_planted_is_found(seed: int) -> None:
    memory = planted(seed)
    report = scanned(memory)
    assert report.verdict == "findings"
    assert {finding.kind for finding in report.findings if finding.kind in memory.kinds} == memory.kinds
    kinds = [finding.kind for finding in report.findings]
    assert sorted(kinds) == sorted(memory.kinds), "one secret, one finding"
    token = next(f for f in report.findings if f.kind == "github-token")
    assert len(token.occurrences) == 3
    proven = {finding.kind for finding in report.findings if finding.confidence.label == "proven"}
    assert proven == memory.kinds - {"ed25519-private-key"}, "a seed in PKCS#8 without its public key is validated"


@pytest.mark.parametrize("seed", SEEDS)
def test_findings_do_not_depend_on_the_windows(seed: int) -> None:
    memory = planted(seed)
    whole = scanned(memory, window=1 << 30)
    assert scanned(memory, window=64 << 10) == whole
    assert scanned(memory, window=4 << 10, margin=64 << 10) == whole


def test_findings_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(planted(4).data)
    one = scan_path(str(dump), options(jobs=1, window=64 << 10)).report
    assert one.findings
    assert scan_path(str(dump), options(jobs=2, window=64 << 10)).report == one


@pytest.mark.parametrize("engine", [name for name in engines() if name != "yara"])
def test_findings_do_not_depend_on_the_engine(engine: str) -> None:
    memory = planted(5)
    assert scanned(memory, engine="yara") == scanned(memory, engine=engine)


@pytest.mark.parametrize("seed", SEEDS)
def test_redaction_changes_only_occurrences_and_leaves_nothing(seed: int, tmp_path: Path) -> None:
    memory = planted(seed)
    dump, copy = tmp_path / "dump", tmp_path / "copy"
    dump.write_bytes(memory.data)
    report = redact_path(str(dump), copy, options()).report
    before, after = bytes(memory.data), copy.read_bytes()
    assert dump.read_bytes() == before
    assert len(after) == len(before)
    allowed: set[int] = set()
    for finding in report.findings:
        for occurrence in finding.occurrences:
            allowed.update(range(occurrence.offset, occurrence.offset + occurrence.length))
    assert {i for i in range(len(before)) if before[i] != after[i]} <= allowed
    assert scan_path(str(copy), options()).report.verdict == "clean"
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        (b"hunter2", b"XXXXXXX"),
        ("tök".encode("latin-1"), b"\0\0\0"),
        ("ab1".encode("utf-16-le"), b"X\0X\0X\0"),
        (b"MIIE\nvQIB\r\n", b"XXXX\nXXXX\r\n"),
        (b"\x01\x02\xff", b"\0\0\0"),
        (b"\0\0", b"\0\0"),
    ],
)
def test_text_stays_text(secret: bytes, expected: bytes) -> None:
    assert filler(secret) == expected
