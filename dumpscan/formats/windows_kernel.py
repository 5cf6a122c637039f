"""Windows kernel dumps (``MEMORY.DMP``): the header, and physical memory as runs, bitmaps or ranges.

Layouts: ``DUMP_HEADER64`` and ``DUMP_HEADER32`` of the Windows SDK, as Volatility and Bin2Dmp have them too; the bitmap
and range headers as in kdmp-parser, the older bitmap (``SUMMARY_DUMP32``, ``SUMMARY_DUMP64``) as in the ``Dump.h`` of
Microsoft Research's Singularity. Bytes that Windows leaves alone in headers read ``PAGE``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from dumpscan.errors import FormatError
from dumpscan.formats.cover import cover, renamed
from dumpscan.formats.page_runs import MAX_BITMAP, MAX_RUNS, Run, bitmap_runs, run_regions
from dumpscan.formats.page_tables import ARM64_WINDOWS, PAE_WINDOWS, X64_WINDOWS, X86_WINDOWS
from dumpscan.formats.physical import PhysicalMemory
from dumpscan.formats.vmcore import Root, walk_all
from dumpscan.formats.windows_modules import loaded_modules
from dumpscan.formats.windows_triage import triage_regions
from dumpscan.formats.windows_users import started_with
from dumpscan.mappings import AddressSpace
from dumpscan.model import Layout, Region, Unread
from dumpscan.source import Source

PAGE = 4096
FULL, SUMMARY, TRIAGE, BITMAP, LIVE, KERNEL_ACTIVE, KERNEL_USER, COMPLETE = 1, 2, 4, 5, 6, 8, 9, 10
"""DumpType; 8 to 10 are written by ``.dump /k``, ``/ka`` and ``/f``."""

_MACHINES = {0x8664: "x86_64", 0x14C: "i386", 0xAA64: "aarch64", 0x1C0: "arm", 0x1C4: "arm", 0x200: "ia64"}
_TITLES = {
    FULL: "full",
    SUMMARY: "kernel",
    TRIAGE: "triage",
    BITMAP: "bitmap",
    LIVE: "live",
    KERNEL_ACTIVE: "kernel and active memory",
    KERNEL_USER: "kernel and user memory",
    COMPLETE: "complete",
}


@dataclass(frozen=True, slots=True)
class Fields:
    """Where things lie in a header of one width; sizes in bytes."""

    wide: bool
    size: int
    table: int
    modules: int
    machine: int
    runs: int
    context: tuple[int, int]
    exception: tuple[int, int]
    type: int
    comment: int
    contents: int


WIDE = Fields(True, 0x2000, 0x10, 0x20, 0x30, 0x88, (0x348, 3000), (0xF00, 0x98), 0xF98, 0xFB0, 0x1038)
NARROW = Fields(False, 0x1000, 0x10, 0x18, 0x20, 0x64, (0x320, 1200), (0x7D0, 0x50), 0xF88, 0x820, 0xF8C)
_PAE_ENABLED = 0x5C
_COMMENT_SIZE = 128


class WindowsKernel:
    """``PAGEDU64`` and ``PAGEDUMP`` files."""

    name = "windows-kernel"
    title = "Windows kernel dump (full, bitmap, live, triage)"
    handling = (
        "memory is scanned with its physical addresses and, through the page tables, its virtual ones; "
        "occurrences are overwritten in place"
    )

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` begins with one of the two signatures."""
        return head[:8] in (b"PAGEDU64", b"PAGEDUMP")

    def layout(self, source: Source) -> Layout:
        """Header, memory, and what is mapped. Raises :class:`FormatError` where that contradicts itself."""
        fields = WIDE if source.read(0, 8) == b"PAGEDU64" else NARROW
        head = source.read(0, fields.size)
        if len(head) < fields.size:
            raise FormatError(f"dump ends at {len(head):#x}, in its header")
        (kind,) = struct.unpack_from("<I", head, fields.type)
        (machine,) = struct.unpack_from("<I", head, fields.machine)
        unread: list[Unread] = []
        claims = [*_header_regions(fields), *_memory(source, head, fields, kind, machine, unread)]
        regions = cover(claims, source.size)
        spaces = () if kind == TRIAGE else _spaces(source, regions, head, fields, machine, unread)
        modules = _number(head, fields.modules, fields.wide)
        places = started_with(source, spaces, fields.wide)
        return Layout(
            self.name,
            tuple(renamed(regions, places)) if places else regions,
            architecture=_MACHINES.get(machine, f"machine {machine:#x}"),
            pointer_size=8 if fields.wide else 4,
            unread=tuple(unread),
            spaces=spaces,
            modules=loaded_modules(source, spaces, modules, fields.wide),
        )


def _number(data: bytes, offset: int, wide: bool) -> int:
    return int.from_bytes(data[offset : offset + (8 if wide else 4)], "little")


def _header_regions(fields: Fields) -> Iterator[Region]:
    """Parts of the header; the first to claim a byte has it."""
    yield Region(*fields.context, kind="registers", name="context")
    yield Region(*fields.exception, kind="stream", name="exception")
    yield Region(fields.comment, _COMMENT_SIZE, kind="text", name="comment")
    yield Region(0, fields.size, kind="header", name="header")


def _memory(
    source: Source, head: bytes, fields: Fields, kind: int, machine: int, unread: list[Unread]
) -> Iterator[Region]:
    if kind == TRIAGE:
        (contents,) = struct.unpack_from("<I", head, fields.contents)
        yield from triage_regions(source, fields.size, fields.wide, _MACHINES.get(machine, ""), contents, unread)
        return
    if kind == FULL:
        start, runs = fields.size, iter(_header_runs(head, fields))
    elif kind in (SUMMARY, BITMAP, LIVE):
        start, runs = (_old_bitmap(source, fields) if kind == SUMMARY else None) or _bitmap(source, fields.size)
        yield Region(fields.size, start - fields.size, kind="header", name="bitmap")
    elif kind in (KERNEL_ACTIVE, KERNEL_USER, COMPLETE):
        start, runs = _ranges(source, fields.size, kind)
        yield Region(fields.size, start - fields.size, kind="header", name="ranges")
    else:
        unread.append(Unread(fields.size, 0, f"dump type {kind:#x} is not known: memory has no addresses"))
        return
    listed = list(islice(runs, MAX_RUNS + 1))
    end = start + sum(count for _, count in listed) * PAGE
    if end > source.size:
        short = end - max(source.size, start)
        reason = f"{_TITLES[kind]} dump ends at {source.size:#x}, its memory is {short} bytes short"
        unread.append(Unread(source.size, short, reason))
    # pages of runs too many to be listed go on to the end of the file
    yield from run_regions(listed, start, PAGE, min(end, source.size) if len(listed) <= MAX_RUNS else source.size)


def _header_runs(head: bytes, fields: Fields) -> list[Run]:
    """The runs of the header: their number, the pages in all of them, then (first page, pages) of each."""
    shape = struct.Struct("<2Q" if fields.wide else "<2I")
    start = fields.runs + shape.size
    (count,) = struct.unpack_from("<I", head, fields.runs)
    room = (fields.context[0] - start) // shape.size
    if not 0 < count <= room:
        raise FormatError(f"{count} runs of memory in a header with room for {room}")
    return [shape.unpack_from(head, start + i * shape.size) for i in range(count)]


def _bitmap(source: Source, at: int) -> tuple[int, Iterator[Run]]:
    """Where the pages of a bitmap dump begin, and which they are."""
    head = source.read(at, 0x38)
    if len(head) < 0x38 or head[:4] not in (b"SDMP", b"FDMP") or head[4:8] != b"DUMP":
        raise FormatError(f"no bitmap header at {at:#x}")
    first, _present, pages = struct.unpack_from("<3Q", head, 0x20)
    room = first - at - 0x38
    if room < 0 or first > source.size or pages > 8 * room:
        raise FormatError(f"a bitmap of {pages} pages does not fit before the first page at {first:#x}")
    bitmap = source.read(at + 0x38, min((pages + 7) // 8, MAX_BITMAP))
    return first, bitmap_runs(bitmap, pages)


def _old_bitmap(source: Source, fields: Fields) -> tuple[int, Iterator[Run]] | None:
    """As :func:`_bitmap` in the layout of Windows before 8, all of 32 bits; ``None`` if it is the later one.

    That leaves the words of the older one as they were, ``PAGE`` or zero.
    """
    at = fields.size
    head = source.read(at, 0x28)
    if len(head) < 0x28 or head[:8] not in (b"SDMPDUMP", b"FDMPDUMP") or head[12:16] == b"PAGE":
        return None
    first, pages, present, again = struct.unpack_from("<4I", head, 12)
    bits = at + (0x28 if fields.wide else 0x20)
    if pages != again or present > pages or not bits + (pages + 7) // 8 <= first <= source.size:
        return None
    bitmap = source.read(bits, min((pages + 7) // 8, MAX_BITMAP))
    return first, bitmap_runs(bitmap, pages)


def _ranges(source: Source, at: int, kind: int) -> tuple[int, Iterator[Run]]:
    """Where the pages of a dump with ranges begin, and which they are: 8 and 9 end with page 0, 10 with its total."""
    head = source.read(at, 0x30)
    if len(head) < 0x30 or head[4:12] != b"RDMPDUMP":
        raise FormatError(f"no range header at {at:#x}")
    (first,) = struct.unpack_from("<Q", head, 0x18)
    if not at + 0x30 <= first <= source.size:
        raise FormatError(f"the first page at {first:#x} is not in the dump")
    (total,) = struct.unpack_from("<Q", head, 0x28)
    table = source.read(at + 0x30, min(first - at - 0x30, 16 * (MAX_RUNS + 1)) // 16 * 16)
    return first, _listed_ranges(table, total if kind == COMPLETE else None)


def _listed_ranges(table: bytes, total: int | None) -> Iterator[Run]:
    done = 0
    for frame, count in struct.iter_unpack("<2Q", table):
        if (frame == 0 and total is None) or (total is not None and done >= total):
            return
        done += count
        yield frame, count


def _spaces(
    source: Source, regions: tuple[Region, ...], head: bytes, fields: Fields, machine: int, unread: list[Unread]
) -> tuple[AddressSpace, ...]:
    """The address space of the process that was current: its own part, and the kernel's."""
    table = _number(head, fields.table, fields.wide)
    if machine == 0x8664:
        root = Root(table & 0x000FFFFFFFFFF000, X64_WINDOWS, "current process")
    elif machine == 0xAA64:
        root = Root(table & 0x0000FFFFFFFFF000, ARM64_WINDOWS, "current process")
    elif machine == 0x14C and head[_PAE_ENABLED] == 1:
        root = Root(table & 0xFFFFFFE0, PAE_WINDOWS, "current process")
    elif machine == 0x14C:
        root = Root(table & 0xFFFFF000, X86_WINDOWS, "current process")
    else:
        return ()
    return walk_all(PhysicalMemory(source, regions), [root], unread)
