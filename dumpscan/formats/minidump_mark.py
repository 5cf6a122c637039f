"""A user stream in a minidump that says what was redacted; the directory moves to the end of the file."""

from __future__ import annotations

import struct

from dumpscan.errors import FormatError
from dumpscan.formats import minidump_streams as md
from dumpscan.formats.base import Edit
from dumpscan.formats.minidump import Minidump
from dumpscan.source import Source

_COUNT = 8
"""Where the header has the number of streams; the place of the directory follows."""


def mark(source: Source, text: bytes) -> list[Edit]:
    """See :data:`dumpscan.formats.base.Marker`."""
    unread = Minidump().layout(source).unread
    if unread:
        raise FormatError(f"it is damaged or cut short ({unread[0].reason}), and must not grow")
    header = md.Header(*md.HEADER.unpack(source.read(0, md.HEADER.size)))
    place = source.size + -source.size % 8
    table = place + len(text) + -len(text) % 8
    if table + (header.streams + 1) * md.ENTRY.size >= 1 << 32:
        raise FormatError("its directory cannot lie above 4 GiB")
    entries = source.read(header.directory_rva, header.streams * md.ENTRY.size)
    entries += md.ENTRY.pack(md.DUMPSCAN_MARK, len(text), place)
    tail = bytes(place - source.size) + text.ljust(table - place, b"\0") + entries
    return [Edit(_COUNT, struct.pack("<II", header.streams + 1, table)), Edit(source.size, tail)]
