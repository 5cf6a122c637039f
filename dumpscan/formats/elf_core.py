"""ELF cores: of processes (Linux, BSD; gcore, createdump) and of machines (vmcore, QEMU).

The container is that of the System V gABI, chapters 4 and 5; how cores use it is said in Linux ``fs/binfmt_elf.c``
and in core(5). Only ``p_filesz`` bytes of a segment are in the file: what lies between that and ``p_memsz`` was left
out on purpose (unmodified file pages), and is not promised by the file.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dumpscan.errors import FormatError
from dumpscan.formats.cover import cover
from dumpscan.formats.elf_notes import Machine, Notes, NoteSegment, read_notes
from dumpscan.formats.initial_stack import settings
from dumpscan.formats.physical import PhysicalMemory
from dumpscan.mappings import AddressSpace, address_space
from dumpscan.model import Layout, Module, Region, Unread
from dumpscan.source import Source

MAX_SEGMENTS = 1 << 20
"""Program headers that are looked at: sixteen times the usual vm.max_map_count."""

_ET_CORE, _PT_LOAD, _PT_NOTE, _PN_XNUM = 4, 1, 4, 0xFFFF
_AT_PHDR, _AT_ENTRY, _AT_RANDOM, _AT_EXECFN, _AT_SYSINFO_EHDR = 3, 9, 25, 31, 33
_MAX_UNREAD = 64
_NO_PHYSICAL = (0, (1 << 32) - 1, (1 << 64) - 1)  # Linux writes -1 where it does not know
_HOLE = 4 << 20  # between the segments of one library, where pages are large
_BREAK_GAP = 1 << 30  # arch_randomize_brk() moves the heap up by no more (arm64; x86 takes 32 MiB)

_MACHINES = {
    2: "sparc",
    3: "i386",
    4: "m68k",
    8: "mips",
    15: "hppa",
    18: "sparc",
    20: "ppc",
    21: "ppc64",
    22: "s390",
    40: "arm",
    41: "alpha",
    42: "sh",
    43: "sparc64",
    50: "ia64",
    62: "x86_64",
    92: "openrisc",
    94: "xtensa",
    183: "aarch64",
    189: "microblaze",
    195: "arc",
    243: "riscv",
    252: "csky",
    258: "loongarch",
    0x9026: "alpha",
}
_WIDE = {8: "mips64", 22: "s390x", 243: "riscv64", 258: "loongarch64"}
_NARROW = {183: "aarch64_ilp32", 243: "riscv32", 258: "loongarch32"}


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header; ``size`` and ``extent`` are p_filesz and p_memsz in bytes."""

    type: int
    flags: int
    offset: int
    virtual: int
    physical: int
    size: int
    extent: int
    align: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the ELF header says; ``sections`` is e_shoff."""

    machine: Machine
    table: int
    sections: int
    size: int
    entry_size: int
    count: int


class ElfCore:
    """ELF files of type ET_CORE, of any class, byte order and machine."""

    name = "elf-core"
    title = "ELF core dump"
    handling = "memory, registers and notes are scanned with their addresses; occurrences are overwritten in place"

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` is an ELF header with e_type ET_CORE."""
        if len(head) < 18 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
            return False
        return int.from_bytes(head[16:18], "little" if head[5] == 1 else "big") == _ET_CORE

    def layout(self, source: Source) -> Layout:
        """The regions of a core. Raises :class:`FormatError` where no program header can be read."""
        unread: list[Unread] = []
        header = read_header(source)
        segments = list(read_segments(source, header, unread))
        notes = read_notes(source, header.machine, _note_segments(source.size, segments, unread))
        loads = [s for s in segments if s.type == _PT_LOAD]
        unread += _missing(source.size, loads, "segment")
        unread += notes.unread
        files = sorted(notes.files, key=lambda module: (module.start, module.end))
        physical = notes.kernel and any(s.physical not in _NO_PHYSICAL for s in loads)
        memory = list(_memory(loads, _Names(files, notes, loads), physical))
        table = header.entry_size * header.count
        claims = [
            *_settings(source, memory, header.machine, notes),
            *memory,
            Region(0, header.size, kind="header", name="ELF header"),
            Region(header.table, table, kind="header", name="program headers"),
            *notes.regions,
            *(Region(s.offset, s.size, kind="notes") for s in segments if s.type == _PT_NOTE),
        ]
        machine = header.machine
        regions = cover(claims, source.size)
        spaces = _spaces(source, regions, loads, notes, _architecture(machine), unread) if physical else ()
        return Layout(
            self.name,
            regions,
            architecture=_architecture(machine),
            byte_order="little" if machine.order == "<" else "big",
            pointer_size=machine.word,
            modules=_modules(files),
            threads=tuple(notes.threads),
            unread=_limited(unread),
            spaces=spaces,
        )


def read_header(source: Source) -> Header:
    """The ELF header. Raises :class:`FormatError` if it is not that of a core."""
    head = source.read(0, 64)
    if not ElfCore().sniff(head):
        raise FormatError("no ELF header of a core at 0x0")
    order, wide = "<" if head[5] == 1 else ">", head[4] == 2
    shape = struct.Struct(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"))
    if len(head) < 16 + shape.size:
        raise FormatError(f"core ends at {len(head):#x}, in its ELF header")
    fields = shape.unpack_from(head, 16)
    number, table, sections, entry_size, count = (fields[i] for i in (1, 4, 5, 8, 9))
    least = 56 if wide else 32
    if entry_size < least:
        raise FormatError(f"program headers of {entry_size} bytes, at least {least} are needed")
    return Header(Machine(order, wide, number), table, sections, 16 + shape.size, entry_size, count)


# ---------------------------------------------------------------- program headers


def read_segments(source: Source, header: Header, unread: list[Unread]) -> Iterator[Segment]:
    """Yield the program headers that are in the file, in their order."""
    count = _segment_count(source, header, unread) if header.count == _PN_XNUM else header.count
    present = max(source.size - header.table, 0) // header.entry_size
    if not min(count, present):
        raise FormatError(f"core of {source.size:#x} bytes holds none of {count} program headers at {header.table:#x}")
    if count > present:
        missing = header.table + count * header.entry_size - source.size
        reason = f"core ends at {source.size:#x}, its {count} program headers are {missing} bytes short"
        unread.append(Unread(source.size, missing, reason))
        count = present
    if count > MAX_SEGMENTS:
        unread.append(Unread(0, 0, f"{count} program headers; the first {MAX_SEGMENTS} are read"))
        count = MAX_SEGMENTS
    wide, size = header.machine.wide, header.entry_size
    pad = f"{size - (56 if wide else 32)}x"
    shape = struct.Struct(header.machine.order + ("IIQQQQQQ" if wide else "IIIIIIII") + pad)
    batch = max((1 << 20) // size, 1)
    for first in range(0, count, batch):
        raw = source.read(header.table + first * size, min(batch, count - first) * size)
        for row in shape.iter_unpack(raw):
            if wide:
                yield Segment(*row)
            else:
                kind, offset, virtual, physical, filled, extent, flags, align = row
                yield Segment(kind, flags, offset, virtual, physical, filled, extent, align)


def _segment_count(source: Source, header: Header, unread: list[Unread]) -> int:
    """The count behind PN_XNUM: sh_info of section header 0, which Linux writes at the very end of a core.

    A truncated core has lost it. Then the data of the first segment, which follows the table at once, tells where
    the table ends.
    """
    wide, order = header.machine.wide, header.machine.order
    raw = source.read(header.sections + (44 if wide else 28), 4) if header.sections else b""
    count = struct.unpack(order + "I", raw)[0] if len(raw) == 4 else 0
    if count:
        return int(count)
    start = header.table + (8 if wide else 4)
    raw = source.read(start, 8 if wide else 4)
    first = int.from_bytes(raw, "little" if order == "<" else "big")
    guess = (first - header.table) // header.entry_size
    plausible = _PN_XNUM <= guess <= source.size // header.entry_size
    count = guess if plausible else _PN_XNUM
    reason = f"number of program headers lost with section header 0 at {header.sections:#x}; {count} are read"
    unread.append(Unread(0, 0, reason))
    return count


def _missing(size: int, segments: Sequence[Segment], what: str) -> Iterator[Unread]:
    for segment in segments:
        short = segment.offset + segment.size - size
        if segment.size and short > 0:
            short = min(short, segment.size)
            reason = f"core ends at {size:#x}, {what} at {segment.offset:#x} is {short} bytes short"
            yield Unread(max(segment.offset, size), short, reason)


def _note_segments(size: int, segments: Sequence[Segment], unread: list[Unread]) -> Iterator[NoteSegment]:
    """The PT_NOTE segments as far as they are in the file."""
    chosen = [s for s in segments if s.type == _PT_NOTE]
    unread += _missing(size, chosen, "note segment")
    for segment in chosen:
        end = min(segment.offset + segment.size, size)
        if segment.offset < end:
            yield NoteSegment(segment.offset, end, segment.align)


def _limited(unread: list[Unread]) -> tuple[Unread, ...]:
    """The first entries, and one that sums up the rest: a lying core may have a million."""
    rest = unread[_MAX_UNREAD:]
    if not rest:
        return tuple(unread)
    start = min(item.offset for item in rest)
    return (*unread[:_MAX_UNREAD], Unread(start, 0, f"{len(rest)} more structures that could not be read in full"))


# ---------------------------------------------------------------- memory, and what it is called


def _memory(loads: Sequence[Segment], names: _Names, physical: bool) -> Iterator[Region]:
    for segment in loads:
        if segment.size:
            address = segment.physical if physical else segment.virtual or segment.physical
            name, thread = names.of(address, segment)
            perms = _perms(segment)
            yield Region(segment.offset, segment.size, address, "memory", name, perms, thread)


def _settings(source: Source, memory: Sequence[Region], machine: Machine, notes: Notes) -> Iterator[Region]:
    """Arguments and environment on the stack of a Linux process."""
    random, path = notes.auxv.get(_AT_RANDOM, 0), notes.auxv.get(_AT_EXECFN, 0)
    if not random or notes.kernel or notes.auxv_note is None:
        return
    raw = source.read(notes.auxv_note.offset, min(notes.auxv_note.size, 4 * machine.word))
    for stack in memory:
        if stack.address is not None and stack.address <= random < stack.address + stack.size:
            yield from settings(source, stack, raw, random, path, machine.word, machine.order)
            return


def _spaces(
    source: Source,
    regions: Sequence[Region],
    loads: Sequence[Segment],
    notes: Notes,
    architecture: str,
    unread: list[Unread],
) -> tuple[AddressSpace, ...]:
    """The virtual memory of a machine: from its page tables, else the addresses that the segments give."""
    from dumpscan.formats.vmcore import MAX_ROOTS, MAX_VMCOREINFO, linux_spaces  # here, for processes have none

    memory = PhysicalMemory(source, regions)
    note = notes.vmcoreinfo
    info = source.read(note.offset, min(note.size, MAX_VMCOREINFO)) if note else b""
    states = [source.read(state.offset, min(state.size, 512)) for state in notes.processors[:MAX_ROOTS]]
    spaces = linux_spaces(memory, architecture, info, states, unread)
    direct = [s for s in loads if s.virtual and s.offset < source.size and s.virtual != s.physical]
    if spaces or not direct:
        return spaces
    rows = [(s.virtual, s.offset, min(s.size, source.size - s.offset)) for s in direct if s.size]
    columns = np.array(rows, np.uint64).reshape(-1, 3)
    return (address_space([(columns[:, 0], columns[:, 1], columns[:, 2])], "kernel"),) if rows else ()


def _perms(segment: Segment) -> str:
    flags = segment.flags
    return ("r" if flags & 4 else "-") + ("w" if flags & 2 else "-") + ("x" if flags & 1 else "-")


class _Names:
    """What stands at an address: a mapped file, ``stack``, ``heap``, ``[vdso]``, or nothing that is known."""

    def __init__(self, files: list[Module], notes: Notes, loads: Sequence[Segment]) -> None:
        self._files = files
        self._starts = [module.start for module in files]
        self._kernel = notes.kernel
        # of threads with one stack pointer, the first
        owners = {t.stack_pointer: t.id for t in reversed(notes.threads) if t.stack_pointer}
        self._pointers = sorted({*owners, *notes.stack_hints})
        self._owners = owners
        self._vdso = notes.auxv.get(_AT_SYSINFO_EHDR, 0)
        self._heap = None if self._kernel else self._find_heap(notes, loads)

    def of(self, address: int, segment: Segment) -> tuple[str | None, int | None]:
        """The name of ``segment``, and the thread whose stack it is if it is that of one thread."""
        if self._kernel:
            return None, None
        path = self._file_at(address)
        if path is not None:
            return path, None
        end = address + max(segment.extent, segment.size)
        if address <= self._vdso < end and self._vdso:
            return "[vdso]", None
        first, last = bisect_right(self._pointers, address - 1), bisect_right(self._pointers, end - 1)
        if first < last:
            return "stack", self._owner(self._pointers[first : min(last, first + 8)])
        return ("heap" if address == self._heap else None), None

    def _owner(self, pointers: list[int]) -> int | None:
        threads = {self._owners[p] for p in pointers if p in self._owners}
        return threads.pop() if len(threads) == 1 else None

    def _file_at(self, address: int) -> str | None:
        place = bisect_right(self._starts, address) - 1
        if place < 0 or address >= self._files[place].end:
            return None
        return self._files[place].name

    def _find_heap(self, notes: Notes, loads: Sequence[Segment]) -> int | None:
        """The address of the anonymous rw- segment that follows the mappings of the executable.

        One that touches them is the .bss (and the heap too, where addresses are not randomised: not told apart, and
        not named). Another file, or the end of the range in which the kernel places the break, ends the search.
        """
        known = (self._file_at(notes.auxv.get(key, 0)) for key in (_AT_ENTRY, _AT_PHDR))
        executable = next((path for path in known if path), None)
        if executable is None:
            return None
        end = max(m.end for m in _modules(self._files) if m.name == executable and self._is_main(m, notes))
        for segment in sorted(loads, key=lambda s: s.virtual):
            start = segment.virtual
            if start <= end:
                continue
            if start > end + _BREAK_GAP or self._file_at(start) is not None:
                break
            if segment.flags & 7 == 6:
                return start
        return None

    def _is_main(self, module: Module, notes: Notes) -> bool:
        return any(module.start <= notes.auxv.get(key, 0) < module.end for key in (_AT_ENTRY, _AT_PHDR))


def _modules(files: Sequence[Module]) -> tuple[Module, ...]:
    """``files`` (by start) with successive ranges of one file made one."""
    merged: list[Module] = []
    for entry in files:
        last = merged[-1] if merged else None
        if last and last.name == entry.name and entry.start - last.end <= _HOLE:
            merged[-1] = replace(last, end=max(last.end, entry.end))
        else:
            merged.append(entry)
    return tuple(merged)


def _architecture(machine: Machine) -> str:
    special = (_WIDE if machine.wide else _NARROW).get(machine.number)
    return special or _MACHINES.get(machine.number) or f"elf-machine-{machine.number}"
