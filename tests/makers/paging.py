"""Page tables of x86 and arm64 as a machine would write them. Shares nothing with the reader."""

from __future__ import annotations

import struct


class Machine:
    """Physical memory of ``pages`` 4 KiB pages with page tables in it; ``map`` a page, or a large one."""

    def __init__(self, pages: int, arm: bool = False) -> None:
        self.memory = bytearray(pages * 4096)
        self._free = 1
        self._arm = arm
        self.root = self.page()

    def page(self) -> int:
        """The physical address of a page that is not used yet, counted from the second one."""
        self._free += 1
        return (self._free - 1) * 4096

    def map(self, virtual: int, physical: int, size: int = 4096) -> None:
        """Map ``size`` bytes (4 KiB, 2 MiB, 1 GiB) at ``virtual``."""
        table = self.root
        for shift in (39, 30, 21, 12):
            at = table + (virtual >> shift & 511) * 8
            if size == 1 << shift:
                flags = (1 if shift > 12 else 3) | 0x700 if self._arm else 0x63 | (0x80 if shift > 12 else 0)
                self.put(at, struct.pack("<Q", physical | flags))
                return
            (entry,) = struct.unpack_from("<Q", self.memory, at)
            if not entry & 1:
                entry = self.page() | (3 if self._arm else 0x67)
                self.put(at, struct.pack("<Q", entry))
            table = entry & 0xFFFFFFFFF000

    def put(self, physical: int, data: bytes) -> None:
        """Write ``data`` at ``physical``."""
        self.memory[physical : physical + len(data)] = data

    def write(self, virtual: int, data: bytes, frames: list[int]) -> None:
        """Map the pages of ``data`` at ``virtual`` (not aligned) to ``frames``, and write it there."""
        position = 0
        for frame in frames:
            self.map(virtual - virtual % 4096, frame)
            room = 4096 - virtual % 4096
            self.put(frame + virtual % 4096, data[position : position + room])
            position, virtual = position + room, virtual + room
        assert position >= len(data)
