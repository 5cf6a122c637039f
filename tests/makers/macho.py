"""Builds Mach-O cores. Shares nothing with the reader: numbers are from Apple's ``mach-o/loader.h``."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

X86_64, ARM64, PPC, I386 = 0x01000007, 0x0100000C, 18, 7


@dataclass
class Segment:
    """A segment: ``data`` is laid out in order; ``offset`` and ``size`` may lie."""

    address: int
    data: bytes = b""
    protection: int = 3
    offset: int | None = None
    size: int | None = None


@dataclass
class Core:
    """A core to be built: ``Core(bits=32, order=">", cpu=PPC, segments=[...], threads=[...]).build()``."""

    bits: int = 64
    order: str = "<"
    cpu: int = X86_64
    segments: list[Segment] = field(default_factory=list)
    threads: list[bytes] = field(default_factory=list)
    notes: list[tuple[str, bytes]] = field(default_factory=list)
    count: int | None = None

    def thread(self, flavor: int, registers: list[int], width: int) -> None:
        """Add a thread with one register set."""
        body = b"".join(struct.pack(self.order + ("Q" if width == 8 else "I"), r) for r in registers)
        self.threads.append(struct.pack(self.order + "II", flavor, len(body) // 4) + body)

    def build(self) -> bytes:
        """Header, segment commands, threads, notes, then the bodies."""
        wide = self.bits == 64
        header = 32 if wide else 28
        segment_size = 72 if wide else 56
        commands = segment_size * len(self.segments) + sum(8 + len(t) for t in self.threads) + 40 * len(self.notes)
        position = header + commands
        table, bodies = b"", b""
        for segment in self.segments:
            offset = position + len(bodies) if segment.offset is None else segment.offset
            size = len(segment.data) if segment.size is None else segment.size
            kind, shape = (0x19, "II16s4Q4I") if wide else (1, "II16s8I")
            prot = segment.protection
            table += struct.pack(
                self.order + shape, kind, segment_size, b"", segment.address, size, offset, size, 7, prot, 0, 0
            )
            bodies += segment.data
        for thread in self.threads:
            table += struct.pack(self.order + "II", 4, 8 + len(thread)) + thread
        for owner, data in self.notes:
            place = position + len(bodies)
            table += struct.pack(self.order + "II16sQQ", 0x31, 40, owner.encode(), place, len(data))
            bodies += data
        number = len(self.segments) + len(self.threads) + len(self.notes)
        magic = 0xFEEDFACF if wide else 0xFEEDFACE
        count = number if self.count is None else self.count
        start = struct.pack(self.order + "7I", magic, self.cpu, 3, 4, count, len(table), 0) + (
            b"\0" * 4 if wide else b""
        )
        return start + table + bodies
