"""The memory of a Windows process from its thread block to its environment. Shares nothing with the reader."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass
class Started:
    """A process with ``variables``, started by ``command``; its heap holds the environment among ``around``.

    ``bits`` 32 or 64; ``stated`` is EnvironmentSize (-1: what it is). ``relative`` parameters hold offsets instead of
    pointers, as they do till the loader has been there.
    """

    variables: list[str]
    command: str = ""
    image: str = "C:\\app\\leak.exe"
    bits: int = 64
    teb: int = 0x2E_0000
    heap: int = 0x5A_0010
    around: bytes = b""
    stated: int = -1
    old: bool = False
    relative: bool = False

    @property
    def peb(self) -> int:
        return self.teb - 0x1_0000

    @property
    def block(self) -> bytes:
        """The environment: strings, and an empty one at the end."""
        return ("\0".join(["=C:=C:\\app", *self.variables]) + "\0\0").encode("utf-16-le")

    def ranges(self) -> list[tuple[int, bytes]]:
        """Thread block, process block and heap, as (address, bytes)."""
        wide = self.bits == 64
        pointer = "<Q" if wide else "<I"
        teb = bytearray(0x1000)
        struct.pack_into(pointer, teb, 0x30 if wide else 0x18, self.teb)
        struct.pack_into(pointer, teb, 0x60 if wide else 0x30, self.peb)
        peb = bytearray(0x480)
        struct.pack_into(pointer, peb, 0x20 if wide else 0x10, self.heap)
        return [(self.teb, bytes(teb)), (self.peb, bytes(peb)), (self.heap, self._parameters(wide, pointer))]

    def place_of_block(self) -> int:
        """The address of the environment."""
        return self.heap + self._head(self.bits == 64) + len(self._strings()) + len(self.around)

    def _head(self, wide: bool) -> int:
        return (0x3F0 if wide else 0x290) if self.old else (0x440 if wide else 0x2C0)

    def _strings(self) -> bytes:
        data = (self.image + "\0" + self.command + "\0").encode("utf-16-le")
        return data + bytes(len(data) % 8)

    def _parameters(self, wide: bool, pointer: str) -> bytes:
        size = self._head(wide)
        head = bytearray(size)
        strings = self._strings()
        struct.pack_into("<III", head, 0, size + len(strings), size + len(strings), 0 if self.relative else 1)
        first = size if self.relative else self.heap + size
        places = (0x60, 0x70, 0x80, 8) if wide else (0x38, 0x40, 0x48, 4)
        for at, text, start in (
            (places[0], self.image, first),
            (places[1], self.command, first + 2 * len(self.image) + 2),
        ):
            struct.pack_into("<HH", head, at, 2 * len(text), 2 * len(text) + 2)
            struct.pack_into(pointer, head, at + places[3], start)
        struct.pack_into(pointer, head, places[2], self.place_of_block())
        if not self.old:
            stated = len(self.block) if self.stated < 0 else self.stated
            struct.pack_into(pointer, head, 0x3F0 if wide else 0x290, stated)
        return bytes(head) + strings + self.around + self.block + self.around
