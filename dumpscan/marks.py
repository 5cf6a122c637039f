"""The mark of a redacted dump: a note, stream or record in it that says which bytes dumpscan overwrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dumpscan import __version__
from dumpscan.errors import FormatError, UsageError
from dumpscan.formats import elf_mark, hprof_mark, minidump_mark
from dumpscan.formats.base import Edit, Marker
from dumpscan.formats.elf_core import ElfCore
from dumpscan.formats.hprof import Hprof
from dumpscan.formats.kdump import KdumpSource
from dumpscan.formats.minidump import Minidump
from dumpscan.formats.registry import plain_view, recognise
from dumpscan.model import Span
from dumpscan.source import Source

MARKERS: dict[str, Marker] = {
    ElfCore.name: elf_mark.mark,
    Minidump.name: minidump_mark.mark,
    Hprof.name: hprof_mark.mark,
}
"""By format; a kdump is not here, since what was erased is always told in its eraseinfo."""

MAX_LINES = 1 << 16
"""Ranges that are told; what is more is one line."""


def mark_text(spans: Sequence[Span]) -> bytes:
    """Who overwrote what: a line for each range, offset and length in bytes; never what stood there."""
    lines = [f"dumpscan {__version__} redacted this file", f"ranges {len(spans)}"]
    lines += [f"range {span.start:#x} {len(span):#x}" for span in spans[:MAX_LINES]]
    if len(spans) > MAX_LINES:
        lines.append(f"and {len(spans) - MAX_LINES} more")
    return "".join(line + "\n" for line in lines).encode()


def check_markable(source: Source) -> None:
    """Raise :class:`UsageError` if a copy of the dump ``source`` cannot carry a mark."""
    view = plain_view(source)
    if isinstance(view, KdumpSource) and view.header.eraseinfo_field:
        return
    if view is not source:
        raise UsageError(f"--mark: a file of format {recognise(source).name} cannot carry a mark")
    edits(source, ())


def edits(source: Source, spans: Sequence[Span]) -> list[Edit]:
    """What is to be written in the dump ``source`` so that it tells of ``spans``. Raises :class:`UsageError`."""
    name = recognise(source).name
    if name not in MARKERS:
        raise UsageError(f"--mark: a file of format {name} cannot carry a mark")
    try:
        return MARKERS[name](source, mark_text(spans))
    except FormatError as error:
        raise UsageError(f"--mark: this {name} cannot carry a mark: {error}") from None


def apply(made: Sequence[Edit], path: Path) -> None:
    """Write the edits to the file at ``path``."""
    with path.open("r+b") as out:
        for edit in made:
            out.seek(edit.offset)
            out.write(edit.data)
