"""Sentences that the writers for people share."""

from __future__ import annotations

from collections import Counter

from dumpscan.mask import printable
from dumpscan.model import DumpReport, Occurrence, Severity, Unread


def many(count: int, noun: str) -> str:
    """``1 finding``, ``2 findings``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def origin(dump: DumpReport) -> str:
    """What the dump is: format, architecture, size."""
    parts = (dump.format, dump.architecture or "", many(dump.size, "byte"))
    return printable(", ".join(part for part in parts if part))


def tally(dump: DumpReport) -> str:
    """``3 findings: 1 critical, 2 high``."""
    severities = Counter(finding.severity for finding in dump.findings)
    parts = [f"{severities[severity]:,} {severity.label}" for severity in sorted(Severity, reverse=True)
             if severities[severity]]  # fmt: skip
    return many(len(dump.findings), "finding") + (": " + ", ".join(parts) if parts else "")


def verdict(dump: DumpReport) -> str:
    """The verdict in a sentence; the first word is the verdict."""
    if dump.verdict == "clean":
        return f"clean: {tally(dump)}, none that counts" if dump.findings else "clean: no secrets found"
    if dump.verdict == "inconclusive":
        return f"inconclusive: not everything could be examined ({tally(dump)})"
    return f"{dump.verdict}: {tally(dump).partition(': ')[2] or tally(dump)}"


def coverage(dump: DumpReport) -> str:
    """How much was looked at."""
    seen = dump.coverage.scanned + dump.coverage.zero
    zero = f", {dump.coverage.zero:,} of them zero" if dump.coverage.zero else ""
    return f"{seen:,} of {many(dump.coverage.size, 'byte')} examined{zero}"


def gap(unread: Unread) -> str:
    """What was not read, and why."""
    extent = many(unread.length, "byte") if unread.length else "extent unknown"
    return printable(f"{extent} at {unread.offset:#x}: {unread.reason}")


def place(occurrence: Occurrence) -> str:
    """Where an occurrence lies, for people: region, module, object, thread."""
    names = [name for name in (occurrence.member, occurrence.region, occurrence.module, occurrence.object) if name]
    if len(names) == 2 and names[0] == names[1]:
        names.pop()
    if occurrence.virtual is not None:
        names.append(f"virtual {occurrence.virtual:#x}")
    if occurrence.thread is not None:
        names.append(f"thread {occurrence.thread}")
    return printable(", ".join(names))


def address(occurrence: Occurrence) -> str:
    """The address in hexadecimal; empty if there is none."""
    return "" if occurrence.address is None else f"{occurrence.address:#x}"
