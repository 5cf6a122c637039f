"""Mach-O cores of macOS and iOS processes, 32 and 64 bit, either byte order.

The container is that of Apple's ``mach-o/loader.h``; register layouts are those of ``mach/<machine>/thread_status.h``.
A core has no sections, and no names for its segments: what a segment is follows from the threads' stack pointers and
from the note ``all image infos``, which newer systems write (its layout is that of LLDB's ``ObjectFileMachO``).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dumpscan.errors import FormatError
from dumpscan.formats.cover import cover
from dumpscan.model import Layout, Module, Region, Thread, Unread
from dumpscan.source import Source

MAX_COMMANDS = 1 << 18
"""Load commands that are looked at; a large process has some ten thousand."""

MAX_COMMAND_BYTES = 64 << 20
"""Bytes of load commands that are read."""

MAX_IMAGES = 1 << 14
"""Entries of ``all image infos`` that are looked at."""

_MAGICS = {
    b"\xce\xfa\xed\xfe": ("<", False),
    b"\xcf\xfa\xed\xfe": ("<", True),
    b"\xfe\xed\xfa\xce": (">", False),
    b"\xfe\xed\xfa\xcf": (">", True),
}
_MH_CORE = 4
_LC_SEGMENT, _LC_THREAD, _LC_SEGMENT_64, _LC_NOTE = 1, 4, 0x19, 0x31
_MAX_UNREAD = 64
_PATH_MAX = 1024

_I386, _X86_64, _ARM, _ARM64, _PPC, _PPC64 = 7, 0x1000007, 12, 0x100000C, 18, 0x1000012
_CPUS = {
    _I386: "i386",
    _X86_64: "x86_64",
    _ARM: "arm",
    _ARM64: "aarch64",
    0x200000C: "arm64_32",
    _PPC: "ppc",
    _PPC64: "ppc64",
}
# by CPU and flavour: bytes a register has, and which register is the stack pointer
_STACK_POINTERS = {
    (_I386, 1): (4, 7),
    (_X86_64, 4): (8, 7),
    (_ARM, 1): (4, 13),
    (_ARM64, 6): (8, 31),
    (0x200000C, 6): (8, 31),
    (_PPC, 1): (4, 3),
    (_PPC64, 5): (8, 3),
}
_UNIFIED_X86 = 7  # x86_THREAD_STATE: a flavour and a count once more, then the registers


@dataclass(frozen=True, slots=True)
class _Header:
    order: str
    wide: bool
    cpu: int
    count: int
    commands: int  # bytes
    size: int


@dataclass(frozen=True, slots=True)
class _Command:
    """A load command: ``offset`` in the file, ``data`` with its 8 leading bytes."""

    type: int
    offset: int
    data: bytes


@dataclass(slots=True)
class _Parts:
    """What the load commands say."""

    segments: list[Region]
    registers: list[Region]
    notes: list[Region]
    threads: list[Thread]
    unread: list[Unread]


class MachoCore:
    """Mach-O files of type MH_CORE."""

    name = "macho-core"
    title = "Mach-O core dump"
    handling = "memory, registers and notes are scanned with their addresses; occurrences are overwritten in place"

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` is a Mach-O header of file type MH_CORE."""
        kind = _MAGICS.get(head[:4])
        return kind is not None and len(head) >= 16 and struct.unpack_from(kind[0] + "I", head, 12)[0] == _MH_CORE

    def layout(self, source: Source) -> Layout:
        """The regions of a core. Raises :class:`FormatError` where no load command can be read."""
        header = self._header(source)
        parts = _Parts([], [], [], [], [])
        for command in _commands(source, header, parts.unread):
            _take(command, header, parts)
        parts.unread += _missing(source.size, (*parts.segments, *parts.notes))
        memory = _named(parts)
        claims = [
            *memory,
            *parts.registers,
            Region(0, header.size + header.commands, kind="header", name="Mach-O header and load commands"),
            *parts.notes,
        ]
        return Layout(
            self.name,
            cover(claims, source.size),
            architecture=_CPUS.get(header.cpu, f"mach-cpu-{header.cpu:#x}"),
            byte_order="little" if header.order == "<" else "big",
            pointer_size=8 if header.wide else 4,
            modules=tuple(_modules(source, header, parts.notes, memory)),
            threads=tuple(parts.threads),
            unread=_limited(parts.unread),
        )

    def _header(self, source: Source) -> _Header:
        head = source.read(0, 32)
        if not self.sniff(head):
            raise FormatError("no Mach-O header of a core at 0x0")
        order, wide = _MAGICS[head[:4]]
        size = 32 if wide else 28
        if len(head) < size:
            raise FormatError(f"core ends at {len(head):#x}, in its Mach-O header")
        cpu, _, _, count, commands = struct.unpack_from(order + "5I", head, 4)
        return _Header(order, wide, cpu, count, commands, size)


# ---------------------------------------------------------------- load commands


def _commands(source: Source, header: _Header, unread: list[Unread]) -> Iterator[_Command]:
    """Yield the load commands that are in the file. Raises :class:`FormatError` if there are none."""
    table = source.read(header.size, min(header.commands, MAX_COMMAND_BYTES))
    if len(table) < header.commands:
        short = header.commands - len(table)
        unread.append(Unread(header.size + len(table), short, f"{short} bytes of load commands are not read"))
    if len(table) < 8 or not header.count:
        raise FormatError(f"core of {source.size:#x} bytes holds none of {header.count} load commands")
    position = done = 0
    while done < min(header.count, MAX_COMMANDS) and position + 8 <= len(table):
        kind, size = struct.unpack_from(header.order + "2I", table, position)
        if size < 8:
            break
        yield _Command(kind, header.size + position, table[position : position + size])
        position += size
        done += 1
    if done < header.count:
        place = header.size + min(position, len(table))
        unread.append(Unread(place, 0, f"{header.count} load commands, {done} are read"))


def _take(command: _Command, header: _Header, parts: _Parts) -> None:
    if command.type in (_LC_SEGMENT, _LC_SEGMENT_64):
        region = _segment(command, header.order)
    elif command.type == _LC_THREAD:
        parts.registers.append(_registers(command, header, parts.threads))
        return
    elif command.type == _LC_NOTE:
        region = _note(command, header.order)
    else:
        return
    if region is None:
        parts.unread.append(Unread(command.offset, 0, f"load command at {command.offset:#x} is too short"))
    elif region.size:
        (parts.notes if command.type == _LC_NOTE else parts.segments).append(region)


def _segment(command: _Command, order: str) -> Region | None:
    shape = struct.Struct(order + ("16s4Q2i" if command.type == _LC_SEGMENT_64 else "16s4I2i"))
    if len(command.data) < 8 + shape.size:
        return None
    name, address, extent, offset, size, _, protection = shape.unpack_from(command.data, 8)
    perms = "".join(flag if protection & bit else "-" for flag, bit in (("r", 1), ("w", 2), ("x", 4)))
    # bytes past vmsize would be claimed for addresses that are not the segment's
    return Region(offset, min(size, extent), address, "memory", _text(name) or None, perms)


def _note(command: _Command, order: str) -> Region | None:
    if len(command.data) < 40:
        return None
    owner, offset, size = struct.unpack_from(order + "16s2Q", command.data, 8)
    return Region(offset, size, kind="notes", name=_text(owner) or None)


def _registers(command: _Command, header: _Header, threads: list[Thread]) -> Region:
    """The registers of a thread; cores number threads only by their order, from 0."""
    thread = Thread(len(threads), _stack_pointer(command.data, header))
    threads.append(thread)
    size = len(command.data)
    return Region(command.offset, size, kind="registers", name="LC_THREAD", thread=thread.id)


def _stack_pointer(data: bytes, header: _Header) -> int:
    position = 8
    while position + 8 <= len(data):
        flavor, count = struct.unpack_from(header.order + "2I", data, position)
        position += 8
        if flavor == _UNIFIED_X86 and header.cpu in (_I386, _X86_64):
            continue  # the inner flavour and count come next
        width, index = _STACK_POINTERS.get((header.cpu, flavor), (0, 0))
        end = position + (index + 1) * width
        if width and (index + 1) * width <= 4 * count and end <= len(data):
            return int.from_bytes(data[end - width : end], "little" if header.order == "<" else "big")
        position += 4 * count
    return 0


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


def _missing(size: int, regions: Sequence[Region]) -> Iterator[Unread]:
    for region in regions:
        short = min(region.end - size, region.size)
        if short > 0:
            reason = f"core ends at {size:#x}, segment or note at {region.offset:#x} is {short} bytes short"
            yield Unread(max(region.offset, size), short, reason)


def _limited(unread: list[Unread]) -> tuple[Unread, ...]:
    """The first entries, and one that sums up the rest."""
    rest = unread[_MAX_UNREAD:]
    if not rest:
        return tuple(unread)
    start = min(item.offset for item in rest)
    return (*unread[:_MAX_UNREAD], Unread(start, 0, f"{len(rest)} more structures that could not be read in full"))


# ---------------------------------------------------------------- what memory is called


def _named(parts: _Parts) -> list[Region]:
    """The segments; one that holds a stack pointer is a stack, and its thread's if it holds only that one."""
    pointers = sorted((t.stack_pointer, t.id) for t in parts.threads if t.stack_pointer)
    values = [pointer for pointer, _ in pointers]
    named = []
    for segment in parts.segments:
        start = segment.address or 0
        first, last = bisect_right(values, start - 1), bisect_right(values, start + segment.size - 1)
        if first < last:
            owner = pointers[first][1] if last - first == 1 else None
            segment = replace(segment, name="stack", thread=owner)
        named.append(segment)
    return named


def _modules(source: Source, header: _Header, notes: Sequence[Region], memory: Sequence[Region]) -> Iterator[Module]:
    """The images that the note ``all image infos`` lists; each ends where its last segment in the core ends."""
    note = next((n for n in notes if n.name == "all image infos"), None)
    raw = source.read(note.offset, 20) if note else b""
    if len(raw) < 20:
        return
    _, count, table, table_size = struct.unpack(header.order + "IIQI", raw)
    entry = struct.Struct(header.order + "Q16xQQII")
    count = min(count, MAX_IMAGES, table_size // entry.size)
    entries = source.read(table, count * entry.size)
    ordered = sorted(memory, key=lambda region: region.address or 0)
    starts = [region.address or 0 for region in ordered]
    for path, load, addresses, segments, _ in entry.iter_unpack(entries[: len(entries) // entry.size * entry.size]):
        last = max([load, *_segment_addresses(source, header.order, addresses, segments)])
        at = bisect_right(starts, last) - 1
        end = starts[at] + ordered[at].size if at >= 0 else 0
        name = _text(source.read(path, _PATH_MAX))
        if name and load < end and last < end:
            yield Module(name, load, end)


def _segment_addresses(source: Source, order: str, offset: int, count: int) -> list[int]:
    """Where the segments of an image lie; ``__LINKEDIT`` is shared by all images of the shared cache, and left out."""
    entry = struct.Struct(order + "16sQ8x")
    raw = source.read(offset, min(count, 64) * entry.size)
    rows = entry.iter_unpack(raw[: len(raw) // entry.size * entry.size])
    return [address for name, address in rows if _text(name) != "__LINKEDIT"]
