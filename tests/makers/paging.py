"""Page tables of x86 and arm64 as a machine would write them. Shares nothing with the reader."""

from __future__ import annotations

import struct

KINDS: dict[str, tuple[tuple[int, ...], int, int, str]] = {
    "x64": ((39, 30, 21, 12), 8, 512, "x86"),
    "pae": ((30, 21, 12), 8, 4, "x86"),
    "x86": ((22, 12), 4, 1024, "x86"),
    "arm": ((39, 30, 21, 12), 8, 512, "arm"),
    "arm-16k-47": ((36, 25, 14), 8, 2048, "arm"),
    "arm-16k-48": ((47, 36, 25, 14), 8, 2, "arm"),
    "arm-64k-42": ((29, 16), 8, 8192, "arm"),
    "arm-64k-48": ((42, 29, 16), 8, 64, "arm"),
    "arm-64k-52": ((42, 29, 16), 8, 1024, "arm"),
}
"""Address bits below the index of each level, bytes of an entry, entries of the root, make."""


class Machine:
    """Physical memory of ``pages`` pages with page tables in it; ``map`` a page, or a large one."""

    def __init__(self, pages: int, arm: bool = False, kind: str = "") -> None:
        self._shifts, self._entry, self._root_entries, make = KINDS[kind or ("arm" if arm else "x64")]
        self._arm = make == "arm"
        self._pae = kind == "pae"
        self.size = 1 << self._shifts[-1]
        self.memory = bytearray(pages * self.size)
        self._free = 1
        self.root = self.page()

    def page(self) -> int:
        """The physical address of a page that is not used yet, counted from the second one."""
        self._free += 1
        return (self._free - 1) * self.size

    def map(self, virtual: int, physical: int, size: int = 0) -> None:
        """Map a page at ``virtual``, or ``size`` bytes (2 MiB, 1 GiB, …) at once."""
        table, code = self.root, "<Q" if self._entry == 8 else "<I"
        last = self._shifts[-1]
        for shift in self._shifts:
            entries = self._root_entries if shift == self._shifts[0] else self.size // self._entry
            at = table + (virtual >> shift) % entries * self._entry
            if (size or self.size) == 1 << shift:
                flags = (1 if shift > last else 3) | 0x700 if self._arm else 0x63 | (0x80 if shift > last else 0)
                high = physical >> 48 << 12 if self.size == 1 << 16 else 0
                self.put(at, struct.pack(code, physical & ((1 << 48) - 1) | high | flags))
                return
            (entry,) = struct.unpack_from(code, self.memory, at)
            if not entry & 1:
                entry = self.page() | (3 if self._arm else 1 if self._pae and shift == 30 else 0x67)
                self.put(at, struct.pack(code, entry))
            table = entry & 0xFFFFFFFFF000

    def put(self, physical: int, data: bytes) -> None:
        """Write ``data`` at ``physical``."""
        self.memory[physical : physical + len(data)] = data

    def write(self, virtual: int, data: bytes, frames: list[int]) -> None:
        """Map the pages of ``data`` at ``virtual`` (not aligned) to ``frames``, and write it there."""
        position = 0
        for frame in frames:
            self.map(virtual - virtual % self.size, frame)
            room = self.size - virtual % self.size
            self.put(frame + virtual % self.size, data[position : position + room])
            position, virtual = position + room, virtual + room
        assert position >= len(data)
