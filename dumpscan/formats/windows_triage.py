"""Triage dumps ("small memory dumps"): blocks of virtual memory, a context, a stack, and what drivers added.

``TRIAGE_DUMP64`` and ``TRIAGE_DUMP32`` as in the ``Dump.h`` of Microsoft Research's Singularity; the blobs at the end
are undocumented (``DumpBlob``, then a header with a GUID and sizes for each), and are left to be read raw.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dumpscan.errors import FormatError
from dumpscan.model import Region, Unread
from dumpscan.source import Source

MAX_BLOCKS = 1 << 17
"""Blocks that are looked at; real dumps have below two thousand."""

_BLOCK = struct.Struct("<Q2I")
_SIZE = {True: 0x80, False: 0x68}
_CONTEXT = {"x86_64": 1232, "i386": 716, "aarch64": 912, "arm": 416}
_MAX_UNREAD = 16

_BASIC, _DATA_PAGE, _DEBUGGER_DATA, _BLOCKS = 0xFF, 0x200, 0x400, 0x800  # of MiniDumpFields


def triage_regions(
    source: Source, at: int, wide: bool, architecture: str, contents: int, unread: list[Unread]
) -> Iterator[Region]:
    """The parts of the triage header at ``at``. Raises :class:`FormatError` where the file ends before them.

    ``contents`` is MiniDumpFields: Windows 2000 and XP leave fields alone that came later, and say so there.
    """
    head = source.read(at, _SIZE[wide])
    if len(head) < _SIZE[wide]:
        raise FormatError(f"dump ends at {source.size:#x}, in its triage header")
    size, valid, context = struct.unpack_from("<3I", head, 4)
    stack, stack_size = struct.unpack_from("<2I", head, 0x28)
    strings, strings_size = struct.unpack_from("<2I", head, 0x38)
    if wide:
        (top,) = struct.unpack_from("<Q", head, 0x48)
        page_address, page, page_size = struct.unpack_from("<Q2I", head, 0x60)
        debugger, debugger_size, blocks, count = struct.unpack_from("<4I", head, 0x70)
    else:
        top, page_address, page, page_size = struct.unpack_from("<4I", head, 0x48)
        debugger, debugger_size, blocks, count = struct.unpack_from("<4I", head, 0x58)
    if contents & _BASIC == _BASIC:
        page = page if contents & _DATA_PAGE else 0
        debugger = debugger if contents & _DEBUGGER_DATA else 0
        blocks, count = (blocks, count) if contents & _BLOCKS else (0, 0)
    if source.read(valid, 4) != b"TRGD":
        reason = "the triage dump is not marked as complete" if source.size >= size else "the triage dump is cut short"
        unread.append(Unread(source.size, max(size - source.size, 0), reason))
    yield from _blocks(source, blocks, count, unread)
    for offset, length, address, name in (
        (stack, stack_size, top, "stack"),
        (page, page_size, page_address, "data page"),
    ):
        if offset and length:
            yield Region(offset, length, address, "memory", name)
    registers = _CONTEXT.get(architecture, 0)
    yield Region(context, registers if context else 0, kind="registers", name="context")
    yield Region(strings, strings_size if strings else 0, kind="names", name="driver names")
    yield Region(debugger, debugger_size if debugger else 0, kind="stream", name="debugger data")
    yield Region(blocks, min(count, MAX_BLOCKS) * _BLOCK.size if blocks else 0, kind="header", name="data blocks")
    yield Region(at, _SIZE[wide], kind="header", name="triage header")


def _blocks(source: Source, offset: int, count: int, unread: list[Unread]) -> Iterator[Region]:
    """The blocks of virtual memory that are in the file."""
    table = source.read(offset, min(count, MAX_BLOCKS) * _BLOCK.size) if offset < source.size else b""
    present = len(table) // _BLOCK.size
    if present < count:
        unread.append(Unread(offset, 0, f"{count} data blocks, {present} are read"))
    bad = 0
    for address, place, size in _BLOCK.iter_unpack(table[: present * _BLOCK.size]):
        if place + size > source.size:
            bad += 1
            if bad <= _MAX_UNREAD:
                short = place + size - max(source.size, place)
                unread.append(
                    Unread(max(place, source.size), short, f"data block of {address:#x} is {short} bytes short")
                )
        yield Region(place, size, address, "memory")
    if bad > _MAX_UNREAD:
        unread.append(Unread(source.size, 0, f"{bad - _MAX_UNREAD} more data blocks lie past the end"))
