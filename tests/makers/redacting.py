"""The promises of a redaction, checked on a dump with planted secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dumpscan.model import DumpReport, Occurrence
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from tests.makers.planted import Planted

KEY = b"k" * 32


def options() -> Options:
    """Options that make reports equal."""
    return Options(jobs=1, fingerprint_key=KEY, now=0)


def found(report: DumpReport) -> list[Occurrence]:
    """All occurrences of a report."""
    return [occurrence for finding in report.findings for occurrence in finding.occurrences]


def assert_found(report: DumpReport, memory: Planted, locate: Callable[[int], int]) -> None:
    """Each private thing of ``memory`` is reported where ``locate`` (memory position to offset) says it lies."""
    assert memory.kinds <= {finding.kind for finding in report.findings}
    covered = [(o.offset, o.offset + o.length) for o in found(report)]
    for position, secret in memory.places:
        if secret.startswith(b"0\x82\x01\x22"):
            continue  # the public key
        value = secret.strip(b"\0")
        start = locate(position + secret.index(value))
        inside = start + len(value) // 2
        assert any(low <= inside < high for low, high in covered), f"{value[:4]!r} at {start:#x} is not reported"


def redacted(dump: Path, verdict: str | None = "findings", *, same_length: bool = True) -> tuple[DumpReport, Path]:
    """Redact ``dump``; only occurrences differ, and a scan of the copy finds nothing. The report is of the dump.

    ``verdict`` None: findings, or inconclusive for a limit.
    """
    copy = dump.with_name(dump.name + ".copy")
    report = redact_path(str(dump), copy, options(), accept_incomplete=verdict != "findings").report
    assert report.verdict == verdict or verdict is None
    again = scan_path(str(copy), options()).report
    assert not again.findings
    assert again.verdict == ("clean" if report.verdict == "findings" else report.verdict)
    assert again.format == report.format
    if same_length:
        before, after = dump.read_bytes(), copy.read_bytes()
        allowed = bytearray(len(before))
        for place in found(report):
            allowed[place.offset : place.offset + place.length] = b"\1" * place.length
        assert len(after) == len(before)
        assert all(a == b or may for a, b, may in zip(before, after, allowed, strict=True))
    return report, copy
