"""The report for a person at a terminal."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TextIO

from dumpscan.mask import printable
from dumpscan.model import Confidence, DumpReport, Finding, Occurrence, Report, Severity
from dumpscan.report import wording

SHOWN = 8
"""Occurrences of a finding, and gaps of a dump, that are listed; the rest is counted."""

ALIKE = 20
"""Findings of one title, severity and confidence that are shown, of the thousands that a server's tokens may be."""

_WIDTH = 100
_INDENT = 12
_CELL = 24
_COLOURS = {
    Severity.CRITICAL: "1;31",
    Severity.HIGH: "31",
    Severity.MEDIUM: "33",
    Severity.LOW: "36",
    Severity.INFO: "2",
}
_VERDICT_COLOURS = {"clean": "32", "findings": "1;31", "inconclusive": "1;33"}
_HEADINGS = ("OFFSET", "LENGTH", "PART", "ENCODING", "ADDRESS", "WHERE")


def write(report: Report, out: TextIO) -> None:
    """Write ``report`` to ``out``: in colour and as wide as the terminal if it is one, else plain, 100 columns."""
    page = _Page(out)
    for number, dump in enumerate(report.dumps):
        if number:
            page.line()
        _dump(dump, page)


class _Page:
    """Lines of a width, with or without colour."""

    def __init__(self, out: TextIO) -> None:
        terminal = out.isatty()
        self._out = out
        self._colour = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.width = max(60, shutil.get_terminal_size((_WIDTH, 24)).columns) if terminal else _WIDTH
        self._encoding = getattr(out, "encoding", None) or "utf-8"

    def line(self, text: str = "") -> None:
        """Write a line; what the stream cannot encode is escaped."""
        self._out.write(text.rstrip().encode(self._encoding, "backslashreplace").decode(self._encoding) + "\n")

    def wrapped(self, text: str, first: str, rest: str) -> None:
        """Write ``text`` in as many lines as it takes."""
        for line in textwrap.wrap(
            text, self.width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
        ):
            self.line(line)

    def paint(self, text: str, colour: str) -> str:
        """``text`` in a colour, if there are colours."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _dump(dump: DumpReport, page: _Page) -> None:
    page.line(page.paint(printable(dump.path), "1"))
    page.line(f"  {wording.origin(dump)}")
    if dump.sha256:
        page.line(f"  sha256 {dump.sha256}")
    alike: Counter[tuple[Severity, Confidence, str]] = Counter()
    for finding in dump.findings:
        kind = (finding.severity, finding.confidence, finding.title)
        alike[kind] += 1
        if alike[kind] <= ALIKE:
            page.line()
            _finding(finding, page)
    if max(alike.values(), default=0) > ALIKE:
        page.line()
        _rest({kind: count - ALIKE for kind, count in alike.items() if count > ALIKE}, page)
    page.line()
    _ending(dump, page)


def _rest(left_out: Mapping[tuple[Severity, Confidence, str], int], page: _Page) -> None:
    """How many more there are of each kind."""
    for (severity, confidence, title), count in left_out.items():
        _heading(severity, confidence, f"+{count:,} more  {printable(title)}", page)
    page.line(" " * _INDENT + "(JSON, SARIF and HTML list all)")


def _heading(severity: Severity, confidence: Confidence, text: str, page: _Page) -> None:
    label = page.paint(severity.name.ljust(_INDENT - 2), _COLOURS[severity])
    end = f"  [{confidence.label}]"
    page.line(f"  {label}{_cut(text, page.width - _INDENT - len(end))}{end}")


def _finding(finding: Finding, page: _Page) -> None:
    _heading(finding.severity, finding.confidence, f"{finding.id}  {printable(finding.title)}", page)
    indent = " " * _INDENT
    for text in (finding.evidence, finding.preview):
        if text:
            page.wrapped(printable(text), indent, indent)
    for line in _table(finding.occurrences[:SHOWN]):
        page.line(_cut(indent + line, page.width))
    if (more := len(finding.occurrences) - SHOWN) > 0:
        page.line(f"{indent}+{more:,} more")


def _table(occurrences: tuple[Occurrence, ...]) -> Iterator[str]:
    """The occurrences in aligned columns; a column without content is left out."""
    rows = [_row(occurrence) for occurrence in occurrences]
    used = [column for column in range(len(_HEADINGS)) if any(row[column] for row in rows)]
    for row in [_HEADINGS, *rows] if rows else []:
        cells = []
        for column in used:
            width = max(len(_HEADINGS[column]), *(len(other[column]) for other in rows))
            cells.append(row[column].rjust(width) if column in (0, 1, 4) else row[column].ljust(width))
        yield "  ".join(cells).rstrip()


def _row(occurrence: Occurrence) -> tuple[str, ...]:
    return (
        f"{occurrence.offset:#x}",
        str(occurrence.length),
        _cut(printable(occurrence.component), _CELL),
        _cut(printable(occurrence.encoding), _CELL),
        wording.address(occurrence),
        wording.place(occurrence),
    )


def _cut(text: str, room: int) -> str:
    """``text`` in at most ``room`` columns, but never fewer than eight."""
    room = max(room, 8)
    return text if len(text) <= room else text[: room - 1] + "…"


def _ending(dump: DumpReport, page: _Page) -> None:
    page.line(f"  {wording.coverage(dump)}")
    for unread in dump.coverage.unread[:SHOWN]:
        page.wrapped(wording.gap(unread), "  not read: ", " " * _INDENT)
    if (more := len(dump.coverage.unread) - SHOWN) > 0:
        page.line(f"  not read: +{more:,} more")
    for limit in dump.coverage.limits[:SHOWN]:
        page.wrapped(printable(limit), "  limit: ", " " * _INDENT)
    if (more := len(dump.coverage.limits) - SHOWN) > 0:
        page.line(f"  limit: +{more:,} more")
    word, colon, rest = wording.verdict(dump).partition(":")
    page.line(f"  {page.paint(word.upper(), _VERDICT_COLOURS.get(dump.verdict, '1'))}{colon}{rest}")
