"""Bounded reading of a minidump's tables and strings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any

from dumpscan.formats.minidump_streams import U32
from dumpscan.model import Region, Unread
from dumpscan.source import Source

MOST_ENTRIES = 1 << 20
"""Entries of one table that are looked at; a process cannot have as many mappings, threads or modules."""
MOST_TEXT = 0xFFFE
"""Bytes of one string that are decoded: the longest UNICODE_STRING."""
_CHUNK = 4096  # entries
_MOST_REMARKS = 100
_GREATEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Extent:
    """``size`` bytes at ``rva``, as the file claims them."""

    rva: int
    size: int
    label: str = ""


class MinidumpFile:
    """The bytes of a minidump; what was promised and is not there collects in ``unread``.

    Nothing here reads past the end of the file, and strings and small tables together cost no more than the file
    has bytes: records that do not overlap cannot ask for more, and records that do are hostile.
    """

    def __init__(self, source: Source) -> None:
        self.size = source.size
        self.unread: list[Unread] = []
        self.source = source
        self._credit = source.size
        self._strings: dict[int, bytes] = {}

    def read(self, rva: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``rva``; none outside the file."""
        if not 0 <= rva < self.size or size <= 0:
            return b""
        return self.source.read(rva, min(size, self.size - rva))

    def record(self, shape: Struct, rva: int) -> tuple[Any, ...] | None:
        """One record, or ``None`` if the file does not hold all of it."""
        data = self.read(rva, shape.size)
        return shape.unpack(data) if len(data) == shape.size else None

    def number(self, shape: Struct, rva: int) -> int:
        """One number; 0 where the file ends before it."""
        found = self.record(shape, rva)
        return int(found[0]) if found else 0

    def miss(self, offset: int, length: int, reason: str) -> None:
        """Note ``length`` bytes that the format promises and the file does not hold; after many, only that."""
        if len(self.unread) < _MOST_REMARKS:
            self.unread.append(Unread(min(offset, self.size), min(length, _GREATEST), reason))
        elif len(self.unread) == _MOST_REMARKS:
            self.unread.append(
                Unread(0, 0, f"more than {_MOST_REMARKS} faults in the structure; the rest is not listed")
            )

    def spend(self, cost: int) -> bool:
        """Take ``cost`` bytes from what may still be read of strings and nested tables; False when it is used up."""
        if self._credit < cost:
            if self._credit >= 0:
                self.miss(0, 0, f"records overlap: they claim more than the {self.size} bytes of the file")
            self._credit = -1
            return False
        self._credit -= cost
        return True

    def count(self, table: Extent, head: int, stride: int, claimed: int) -> int:
        """How many entries of ``stride`` bytes are there: ``claimed``, but no more than stream and file hold."""
        room = min(table.size, self.size - table.rva) - head
        held = min(claimed, max(room, 0) // stride, MOST_ENTRIES)
        if held < claimed:
            self.miss(table.rva, 0, f"{table.label} claims {claimed} entries, {held} can be read")
        return held

    def rows(self, shape: Struct, rva: int, count: int, stride: int = 0) -> Iterator[tuple[Any, ...]]:
        """``count`` records from ``rva``, ``stride`` bytes apart (by default their size), a chunk at a time."""
        stride = stride or shape.size
        for first in range(0, count, _CHUNK):
            data = self.read(rva + first * stride, min(_CHUNK, count - first) * stride)
            for at in range(0, len(data) - shape.size + 1, stride):
                yield shape.unpack_from(data, at)

    def counted(self, table: Extent, shape: Struct) -> Iterator[tuple[Any, ...]]:
        """The records of a table that begins with a 32-bit count.

        Breakpad on macOS and others align the first record to 8 bytes: a stream that is 4 bytes longer than its
        count needs has a pad after the count (met in Mozilla's ``macos-x86_64.dmp``; reading it without the pad
        gives ranges of several times the file's size).
        """
        if table.size < U32.size:
            self.miss(table.rva, 0, f"{table.label} is {table.size} bytes long, too short for its count")
            return
        claimed = self.number(U32, table.rva)
        head = 8 if table.size == 8 + claimed * shape.size else 4
        yield from self.rows(shape, table.rva + head, self.count(table, head, shape.size, claimed))

    def text(self, rva: int) -> bytes:
        """The bytes of a length-prefixed string, at most ``MOST_TEXT``; none for rva 0, the format's "absent"."""
        if rva not in self._strings:
            size = min(self.number(U32, rva), MOST_TEXT) if rva else 0
            self._strings[rva] = self.read(rva + 4, size) if size and self.spend(size) else b""
        return self._strings[rva]

    def utf16(self, rva: int) -> str:
        """A MINIDUMP_STRING; an odd last byte is dropped, what is no character is replaced."""
        data = self.text(rva)
        return data[: len(data) & ~1].decode("utf-16-le", "replace").partition("\0")[0]

    def string_claim(self, rva: int, kind: str, name: str) -> Region | None:
        """The region of a string with its length and its end, or ``None`` if there is none at ``rva``."""
        if not rva or rva + 4 > self.size:
            return None
        return Region(rva, min(4 + self.number(U32, rva) + 2, self.size - rva), kind=kind, name=name)


def merge(claims: list[Region], slack: int = 8) -> list[Region]:
    """Join claims of equal kind and name that overlap or are at most ``slack`` bytes apart (padding).

    A dump has hundreds of names, one after another; as one region they cost one window.
    """
    merged: list[Region] = []
    for claim in sorted(claims, key=lambda r: (r.kind, r.name or "", r.offset)):
        last = merged[-1] if merged else None
        if last and (last.kind, last.name) == (claim.kind, claim.name) and claim.offset <= last.end + slack:
            merged[-1] = Region(last.offset, max(last.end, claim.end) - last.offset, kind=last.kind, name=last.name)
        else:
            merged.append(claim)
    return merged
