"""A note in an ELF core that says what was redacted.

The program headers are copied to the end of the file, with one more PT_NOTE, since nothing may move. The type of the
note is one that no system uses: BFD reads known types whatever owner they have, so a note of type 1 would be a thread.
"""

from __future__ import annotations

import struct

from dumpscan.errors import FormatError
from dumpscan.formats.base import Edit
from dumpscan.formats.elf_core import read_header, read_segments
from dumpscan.model import Unread
from dumpscan.source import Source

OWNER, NOTE_TYPE = b"dumpscan\0", 0x6D75_6473
"""Owner and type of the note."""

_PN_XNUM, _PT_NOTE = 0xFFFF, 4


def mark(source: Source, text: bytes) -> list[Edit]:
    """See :data:`dumpscan.formats.base.Marker`."""
    header = read_header(source)
    if header.count + 1 >= _PN_XNUM:
        raise FormatError(f"its header counts no more than {_PN_XNUM - 1} program headers")
    unread: list[Unread] = []
    segments = list(read_segments(source, header, unread))
    if unread or any(s.offset + s.size > source.size for s in segments if s.size):
        raise FormatError("it is cut short, and what is appended would be taken for memory")
    order, wide = header.machine.order, header.machine.wide
    note = struct.pack(order + "III", len(OWNER), len(text), NOTE_TYPE) + _padded(OWNER) + _padded(text)
    place = source.size + -source.size % 8
    table = place + len(note) + -len(note) % 8
    if not wide and table >= 1 << 32:
        raise FormatError("it has no room for a note below 4 GiB")
    if wide:
        entry = struct.pack(order + "IIQQQQQQ", _PT_NOTE, 0, place, 0, 0, len(note), 0, 4)
    else:
        entry = struct.pack(order + "IIIIIIII", _PT_NOTE, place, 0, 0, len(note), 0, 0, 4)
    entries = source.read(header.table, header.count * header.entry_size) + entry.ljust(header.entry_size, b"\0")
    tail = bytes(place - source.size) + note.ljust(table - place, b"\0") + entries
    start, count = (32, 56) if wide else (28, 44)
    return [
        Edit(start, struct.pack(order + ("Q" if wide else "I"), table)),
        Edit(count, struct.pack(order + "H", header.count + 1)),
        Edit(source.size, tail),
    ]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
