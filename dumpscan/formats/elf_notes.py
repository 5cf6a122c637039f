"""The notes of an ELF core: threads, registers, the command line, mapped files, the auxiliary vector.

Layouts are those of Linux ``include/uapi/linux/elfcore.h`` and ``elf.h`` and of the ``sys/procfs.h``,
``sys/exec_elf.h`` and ``machine/reg.h`` of FreeBSD, NetBSD and OpenBSD. Only threads' notes carry registers; which
thread they belong to is said by the order (Linux, FreeBSD: those after a PRSTATUS) or by the owner (``@lwp``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from dumpscan.model import Module, Region, Thread, Unread
from dumpscan.source import Source

I386, M68K, MIPS, PPC, PPC64, S390, ARM, X86_64, AARCH64, RISCV, LOONGARCH = 3, 4, 8, 20, 21, 22, 40, 62, 183, 243, 258
"""Values of ``e_machine``."""

MAX_NOTES = 1 << 20
MAX_DESCRIPTION = 64 << 20
"""Bytes of one note that are parsed; a larger one is still a region."""

_PIECE = 1 << 16
_NAME = 64  # bytes of an owner that are looked at; "NetBSD-CORE@4294967295" has 22

_PRSTATUS, _FPREGSET, _PRPSINFO, _TASKSTRUCT, _AUXV = 1, 2, 3, 4, 6
_FILE, _SIGINFO, _THRMISC, _FREEBSD_AUXV = 0x46494C45, 0x53494749, 7, 16
_GDB_TDESC = 0xFF000000
_LINUX_NAMES = {
    _PRSTATUS: "NT_PRSTATUS",
    _FPREGSET: "NT_FPREGSET",
    _PRPSINFO: "NT_PRPSINFO",
    _TASKSTRUCT: "NT_TASKSTRUCT",
    _AUXV: "NT_AUXV",
    _FILE: "NT_FILE",
    _SIGINFO: "NT_SIGINFO",
    0x46E62B7F: "NT_PRXFPREG",
    0x100: "NT_PPC_VMX",
    0x102: "NT_PPC_VSX",
    0x200: "NT_386_TLS",
    0x202: "NT_X86_XSTATE",
    0x300: "NT_S390_HIGH_GPRS",
    0x400: "NT_ARM_VFP",
    0x401: "NT_ARM_TLS",
    0x404: "NT_ARM_SYSTEM_CALL",
    0x405: "NT_ARM_SVE",
    0x406: "NT_ARM_PAC_MASK",
    0x407: "NT_ARM_PACA_KEYS",
    0x408: "NT_ARM_PACG_KEYS",
}

_LINUX_STACK = {
    X86_64: 19,
    I386: 15,
    AARCH64: 31,
    ARM: 13,
    PPC: 1,
    PPC64: 1,
    S390: 17,  # after the two words of the PSW
    RISCV: 2,
    LOONGARCH: 3,
}
"""Which word of the registers of a Linux PRSTATUS is the stack pointer. MIPS differs by ABI."""

_FREEBSD_STACK = {(X86_64, True): 160, (I386, False): 64, (AARCH64, True): 248}
"""Byte offset of the stack pointer in ``struct reg`` of FreeBSD."""

_NETBSD_STACK = {X86_64: (33, 24 * 8), AARCH64: (32, 31 * 8)}
"""Note type (``PT_GETREGS`` of the machine) and byte offset of the stack pointer in ``struct reg`` of NetBSD."""


@dataclass(frozen=True, slots=True)
class Machine:
    """How to read the numbers of a core: ``order`` is ``<`` or ``>``, ``wide`` the 64-bit class."""

    order: str
    wide: bool
    number: int

    @property
    def word(self) -> int:
        """Bytes of a ``long`` in notes."""
        return 8 if self.wide else 4


@dataclass(frozen=True, slots=True)
class NoteSegment:
    """A PT_NOTE segment, clipped to the file."""

    offset: int
    end: int
    align: int


@dataclass(frozen=True, slots=True)
class Note:
    """One note; ``offset`` and ``size`` are those of its description in the file."""

    owner: str
    type: int
    offset: int
    size: int


@dataclass(slots=True)
class Notes:
    """What the notes of a core say.

    ``files`` are the mapped ranges of NT_FILE as they stand, ``stack_hints`` addresses that the auxiliary vector
    places on the initial stack; ``auxv_note`` is that vector as Linux has it. ``kernel`` is set in dumps of a machine
    rather than of a process; ``vmcoreinfo`` and ``processors`` are notes of such a dump.
    """

    regions: list[Region] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    files: list[Module] = field(default_factory=list)
    auxv: dict[int, int] = field(default_factory=dict)
    auxv_note: Note | None = None
    stack_hints: list[int] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    kernel: bool = False
    vmcoreinfo: Note | None = None
    processors: list[Note] = field(default_factory=list)


def read_notes(source: Source, machine: Machine, segments: Iterable[NoteSegment]) -> Notes:
    """Read every note once. Work is bounded by the bytes of the segments, however often they are listed."""
    notes = Notes()
    take = _Interpreter(source, machine, notes)
    left, position = MAX_NOTES, 0
    for segment in sorted(segments, key=lambda s: (s.offset, -s.end)):
        if segment.end <= position:
            continue  # a segment listed twice
        if segment.offset < position:
            notes.unread.append(Unread(segment.offset, 0, f"notes at {segment.offset:#x} overlap others, not parsed"))
            continue
        position = segment.end
        for note in walk(source, machine, segment, notes.unread):
            if not left:
                notes.unread.append(Unread(note.offset, 0, f"more than {MAX_NOTES} notes; the others are not parsed"))
                return notes
            left -= 1
            take(note)
    return notes


def walk(source: Source, machine: Machine, segment: NoteSegment, unread: list[Unread]) -> Iterator[Note]:
    """Yield the notes of ``segment``; where it is damaged, say so in ``unread`` and stop."""
    align = 8 if segment.align == 8 else 4
    position, end = segment.offset, segment.end
    piece, base = b"", position
    while position + 12 <= end:
        if position + 12 + _NAME > base + len(piece) and base + len(piece) < end:
            base, piece = position, source.read(position, min(_PIECE, end - position))
        name_size, size, kind = struct.unpack_from(machine.order + "3I", piece, position - base)
        start = _aligned(position + 12 + name_size, segment.offset, align)
        if name_size == size == kind == 0:
            if any(source.read(position, min(end - position, _PIECE))):
                unread.append(Unread(position, 0, f"no note at {position:#x}, {end - position} bytes before the end"))
            return
        name = piece[position + 12 - base : position + 12 - base + min(name_size, _NAME)]
        missing = start + size - end
        if start < end:
            yield Note(_owner(name), kind, start, min(size, end - start))
        if missing > 0:
            unread.append(Unread(position, 0, f"notes end at {end:#x}, note at {position:#x} is {missing} bytes short"))
            return
        position = _aligned(start + size, segment.offset, align)


def _aligned(position: int, base: int, align: int) -> int:
    return base + (position - base + align - 1) // align * align


def _owner(name: bytes) -> str:
    return name.partition(b"\0")[0].decode("ascii", "backslashreplace")


def text(raw: bytes) -> str:
    """A name up to its NUL; what is not UTF-8 is escaped."""
    return raw.partition(b"\0")[0].decode("utf-8", "backslashreplace")


class _Interpreter:
    """Sorts notes into ``notes``; called with each note in file order."""

    def __init__(self, source: Source, machine: Machine, notes: Notes) -> None:
        self._source = source
        self._machine = machine
        self._notes = notes
        self._thread: int | None = None  # whose notes these are
        self._lwps: set[int] = set()

    def __call__(self, note: Note) -> None:
        owner, _, lwp = note.owner.partition("@")
        if owner in ("CORE", "LINUX"):
            self._linux(note)
        elif owner == "FreeBSD":
            self._freebsd(note)
        elif owner in ("NetBSD-CORE", "OpenBSD"):
            self._lwp_note(note, lwp)
        elif owner in ("QEMU", "VBCPU") or (owner == "GDB" and note.type != _GDB_TDESC):
            self._notes.kernel |= owner != "GDB"
            if owner == "QEMU":
                self._notes.processors.append(note)
            self._region(note, "registers", self._thread)
        else:
            self._notes.kernel |= owner in ("VMCOREINFO", "VBCORE")
            if owner == "VMCOREINFO":
                self._notes.vmcoreinfo = note
            self._region(note, "notes")

    # ------------------------------------------------------------ owners

    def _linux(self, note: Note) -> None:
        name = _LINUX_NAMES.get(note.type)
        core = note.owner == "CORE"
        if core and note.type == _PRSTATUS:
            self._begin_thread(*self._linux_status(note))
            self._region(note, "registers", self._thread, name)
        elif core and note.type == _PRPSINFO:
            # 124, 128 or 136 bytes by the width of uid_t and long: pr_psargs[80] is always the end of it
            self._command_line(note, note.size - 80, 80)
        elif core and note.type in (_AUXV, _FILE, _TASKSTRUCT, _SIGINFO):
            if note.type == _AUXV:
                self._notes.auxv_note = self._notes.auxv_note or note
                self._auxv(note, 0, (15, 24, 25, 31))  # AT_PLATFORM, BASE_PLATFORM, RANDOM, EXECFN
            elif note.type == _FILE:
                self._files(note)
            self._region(note, "notes", self._thread if note.type in (_TASKSTRUCT, _SIGINFO) else None, name)
        else:
            self._region(note, "notes" if self._thread is None else "registers", self._thread, name)

    def _freebsd(self, note: Note) -> None:
        wide = self._machine.wide
        if note.type == _PRSTATUS:
            pid, registers = (40, 48) if wide else (24, 28)
            stack = _FREEBSD_STACK.get((self._machine.number, wide))
            raw = self._read(note)
            self._begin_thread(
                self._number(raw, pid, 4) or 0,
                (self._number(raw, registers + stack, self._machine.word) or 0) if stack is not None else 0,
            )
        if note.type == _PRPSINFO:
            self._command_line(note, (16 if wide else 8) + 17, 81)
            return
        if note.type == _THRMISC and self._notes.threads:
            named = replace(self._notes.threads[-1], name=text(self._read(note)[:20]) or None)
            self._notes.threads[-1] = named
        if note.type == _FREEBSD_AUXV:
            self._auxv(note, 4, (15, 16))  # after the size of an entry; AT_EXECPATH, AT_CANARY
        # 8 .. 16 describe the process (NT_PROCSTAT_*); 7 the thread, but no register of it
        process = 8 <= note.type <= 16
        thread = None if process else self._thread
        self._region(note, "notes" if process or note.type == _THRMISC else "registers", thread)

    def _lwp_note(self, note: Note, lwp: str) -> None:
        """NetBSD and OpenBSD: the owner of a thread's note ends in ``@`` and the thread's number."""
        if not (lwp.isascii() and lwp.isdigit()):
            if (note.owner, note.type) in (("NetBSD-CORE", 2), ("OpenBSD", 11)):
                self._auxv(note, 0, (2014,))  # AT_SUN_EXECNAME
            self._region(note, "notes")
            return
        thread = int(lwp)
        if thread not in self._lwps:
            self._lwps.add(thread)
            self._begin_thread(thread, 0)
        kind, stack = _NETBSD_STACK.get(self._machine.number, (-1, 0))
        if note.owner.startswith("NetBSD") and note.type == kind and self._notes.threads[-1].id == thread:
            pointer = self._number(self._read(note), stack, self._machine.word) or 0
            self._notes.threads[-1] = Thread(thread, pointer)
        # NetBSD: machine-dependent types begin at 32; OpenBSD: registers are 20 and up
        registers = note.type >= (32 if note.owner.startswith("NetBSD") else 20)
        self._region(note, "registers" if registers else "notes", thread)

    # ------------------------------------------------------------ contents

    def _linux_status(self, note: Note) -> tuple[int, int]:
        """Thread id and stack pointer of ``struct elf_prstatus``; 0 where they are not known."""
        machine, raw = self._machine, self._read(note)
        pid = 22 if machine.number == M68K else 32 if machine.wide else 24  # m68k aligns longs to two bytes
        thread = self._number(raw, pid, 4) or 0
        width, index = machine.word, _LINUX_STACK.get(machine.number)
        if machine.number == MIPS:
            # n32 has 440 bytes, o32 has 256 and saves six words of arguments first; e_flags is 0 in cores
            wide = machine.wide or note.size > 400
            width, index = (8, 29) if wide else (4, 35)
        elif machine.number == X86_64:
            width = 8  # in x32 too
        if index is None:
            return thread, 0
        return thread, self._number(raw, (112 if machine.wide else 72) + index * width, width) or 0

    def _command_line(self, note: Note, start: int, size: int) -> None:
        if 0 <= start < note.size:
            size = min(size, note.size - start)
            self._notes.regions.append(
                Region(note.offset + start, size, kind="command-line", name="NT_PRPSINFO"),
            )
        self._region(note, "notes", name="NT_PRPSINFO")

    def _auxv(self, note: Note, start: int, on_stack: tuple[int, ...]) -> None:
        raw = self._read(note, 1 << 16)[start:]
        pair = struct.Struct(self._machine.order + ("2Q" if self._machine.wide else "2I"))
        for key, value in pair.iter_unpack(raw[: len(raw) // pair.size * pair.size]):
            if not key:
                break
            self._notes.auxv.setdefault(key, value)
            if key in on_stack and value:
                self._notes.stack_hints.append(value)

    def _files(self, note: Note) -> None:
        """NT_FILE: count, page size, count * (start, end, offset in pages), then the names, each with a NUL."""
        raw, word = self._read(note, MAX_DESCRIPTION), self._machine.word
        if not (self._number(raw, 0, word) and self._number(raw, word, word)):
            word = 8  # Linux on MIPS writes 64-bit words into the cores of its 32-bit ABIs
        claimed = self._number(raw, 0, word) if raw else 0
        fits = max(len(raw) - 2 * word, 0) // (3 * word)
        if claimed is None or claimed > fits or len(raw) < note.size:
            reason = f"NT_FILE at {note.offset:#x} claims {claimed or 0} ranges in {note.size} bytes"
            self._notes.unread.append(Unread(note.offset, 0, reason))
        count = min(claimed or 0, fits)
        table = struct.Struct(self._machine.order + ("3Q" if word == 8 else "3I"))
        names_at = 2 * word + count * table.size
        names = raw[names_at:].split(b"\0", count)
        for (start, end, _), name in zip(table.iter_unpack(raw[2 * word : names_at]), names, strict=False):
            if start < end and name:
                self._notes.files.append(Module(text(name), start, end))

    # ------------------------------------------------------------ small things

    def _begin_thread(self, thread: int, stack_pointer: int) -> None:
        self._thread = thread
        self._notes.threads.append(Thread(thread, stack_pointer))

    def _region(self, note: Note, kind: str, thread: int | None = None, name: str | None = None) -> None:
        name = name or f"{note.owner} note {note.type:#x}"
        if note.size:
            self._notes.regions.append(Region(note.offset, note.size, kind=kind, name=name, thread=thread))

    def _read(self, note: Note, limit: int = 4096) -> bytes:
        return self._source.read(note.offset, min(note.size, limit))

    def _number(self, raw: bytes, offset: int, size: int) -> int | None:
        if offset + size > len(raw):
            return None
        return int.from_bytes(raw[offset : offset + size], "little" if self._machine.order == "<" else "big")
