"""Builds ELF cores. Shares nothing with the reader: numbers are from the gABI and from Linux headers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

PT_LOAD, PT_NOTE = 1, 4
R, W, X = 4, 2, 1


@dataclass
class Segment:
    """A segment: ``data`` is laid out in order unless ``offset`` says where it lies; ``size`` may lie."""

    address: int
    data: bytes = b""
    flags: int = R | W
    physical: int = 0
    offset: int | None = None
    size: int | None = None
    type: int = PT_LOAD


@dataclass
class Core:
    """A core to be built: ``Core(bits=32, order=">", machine=20, segments=[...], notes=[...]).build()``."""

    bits: int = 64
    order: str = "<"
    machine: int = 62
    segments: list[Segment] = field(default_factory=list)
    notes: list[bytes] = field(default_factory=list)
    xnum: bool = False
    type: int = 4
    entry_padding: int = 0

    @property
    def wide(self) -> bool:
        return self.bits == 64

    def pack(self, fmt: str, *values: int) -> bytes:
        """``struct.pack`` in this core's byte order; ``L`` is an address of this core's width."""
        return struct.pack(self.order + fmt.replace("L", "Q" if self.wide else "I"), *values)

    def build(self) -> bytes:
        """ELF header, program headers, notes, segments; section header 0 at the end where PN_XNUM needs it."""
        segments = list(self.segments)
        if self.notes:
            segments.insert(0, Segment(0, b"".join(self.notes), flags=0, type=PT_NOTE))
        ehsize, phsize = (64, 56) if self.wide else (52, 32)
        phsize += self.entry_padding
        position = ehsize + phsize * len(segments)
        headers, bodies = [], []
        for segment in segments:
            offset = position if segment.offset is None else segment.offset
            if segment.offset is None:
                bodies.append(segment.data)
                position += len(segment.data)
            headers.append(self._program_header(segment, offset) + bytes(self.entry_padding))
        ident = b"\x7fELF" + bytes([2 if self.wide else 1, 1 if self.order == "<" else 2, 1]) + bytes(9)
        count, sections = (0xFFFF, position) if self.xnum else (len(segments), 0)
        shsize = 64 if self.wide else 40
        rest = (self.type, self.machine, 1, 0, ehsize, sections, 0, ehsize, phsize, count, shsize, int(self.xnum), 0)
        tail = self._section_zero(len(segments)) if self.xnum else b""
        return ident + self.pack("HHILLLIHHHHHH", *rest) + b"".join([*headers, *bodies, tail])

    def _program_header(self, s: Segment, offset: int) -> bytes:
        size = len(s.data) if s.size is None else s.size
        if self.wide:
            return self.pack("IIQQQQQQ", s.type, s.flags, offset, s.address, s.physical, size, size, 0)
        return self.pack("IIIIIIII", s.type, offset, s.address, s.physical, size, size, s.flags, 0)

    def _section_zero(self, count: int) -> bytes:
        return self.pack("IILLLLIILL", 0, 0, 0, 0, 0, 0, 0, count, 0, 0)

    # ------------------------------------------------------------ notes

    def note(self, owner: bytes, kind: int, data: bytes) -> bytes:
        """One note, padded to four bytes."""
        name = owner + b"\0"
        return self.pack("III", len(name), len(data), kind) + _padded(name) + _padded(data)

    def prstatus(self, pid: int, registers: Sequence[int], size: int = 0) -> bytes:
        """NT_PRSTATUS with ``registers`` as words."""
        body = bytes(16 + 2 * self.bits // 8) + self.pack("4i", pid, 1, 1, 1) + bytes(8 * self.bits // 8)
        body += self.pack(f"{len(registers)}L", *registers) + self.pack("i", 0)
        return self.note(b"CORE", 1, body.ljust(size, b"\0"))

    def prpsinfo(self, name: bytes, arguments: bytes) -> bytes:
        """NT_PRPSINFO with a 16-byte name and 80 bytes of arguments."""
        head = bytes(40 if self.wide else 28)
        return self.note(b"CORE", 3, head + name.ljust(16, b"\0") + arguments.ljust(80, b"\0"))

    def auxv(self, **entries: int) -> bytes:
        """NT_AUXV; ``phdr``, ``entry``, ``random``, ``execfn``, ``sysinfo_ehdr``."""
        keys = {"phdr": 3, "entry": 9, "random": 25, "execfn": 31, "sysinfo_ehdr": 33}
        pairs = [self.pack("LL", keys[key], value) for key, value in entries.items()]
        return self.note(b"CORE", 6, b"".join([*pairs, self.pack("LL", 0, 0)]))

    def files(self, *ranges: tuple[int, int, bytes]) -> bytes:
        """NT_FILE of (start, end, path)."""
        table = b"".join(self.pack("LLL", start, end, 0) for start, end, _ in ranges)
        names = b"".join(path + b"\0" for _, _, path in ranges)
        return self.note(b"CORE", 0x46494C45, self.pack("LL", len(ranges), 4096) + table + names)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
