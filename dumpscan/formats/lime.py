"""LiME images of physical memory, and AVML's without compression: ranges, each with a header.

Layout: LiME ``doc/README.md`` (``lime_mem_range_header``): magic, version, first and last address, eight zero bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dumpscan.errors import FormatError
from dumpscan.formats.cover import cover
from dumpscan.formats.physical import PhysicalMemory
from dumpscan.formats.vmcore import linux_spaces
from dumpscan.model import Layout, Region, Unread
from dumpscan.source import Source

MAX_RANGES = 1 << 16
"""Ranges that are looked at; a machine has some dozens."""

HEADER = struct.Struct("<4sI2Q8s")
_MAGIC = b"EMiL"


class Lime:
    """LiME files of version 1."""

    name = "lime"
    title = "LiME or uncompressed AVML image of physical memory"
    handling = "ranges are scanned with their physical addresses; occurrences are overwritten in place"

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` begins with the header of a range."""
        return head[:8] == _MAGIC + b"\1\0\0\0" and len(head) >= HEADER.size

    def layout(self, source: Source) -> Layout:
        """The ranges. Raises :class:`FormatError` where the first header is not one."""
        unread: list[Unread] = []
        regions = list(_ranges(source, unread))
        if not regions:
            raise FormatError("no LiME range at 0x0")
        return image_layout(self.name, source, cover(regions, source.size), unread)


def image_layout(name: str, source: Source, regions: tuple[Region, ...], unread: list[Unread]) -> Layout:
    """The layout of an image that says nothing of its machine: a Linux on x86-64 tells by itself."""
    spaces = linux_spaces(PhysicalMemory(source, regions), "x86_64", b"", (), unread)
    return Layout(name, regions, architecture="x86_64" if spaces else None, unread=tuple(unread), spaces=spaces)


def _ranges(source: Source, unread: list[Unread]) -> Iterator[Region]:
    position = 0
    for _ in range(MAX_RANGES):
        if position >= source.size:
            return
        raw = source.read(position, HEADER.size)
        magic, version, first, last, _reserved = HEADER.unpack(raw.ljust(HEADER.size, b"\0"))
        if magic != _MAGIC or version != 1 or last < first or len(raw) < HEADER.size:
            if position:
                unread.append(Unread(position, 0, f"no header of a range at {position:#x}: the rest has no addresses"))
            return
        yield Region(position, HEADER.size, kind="header", name="LiME header")
        position += HEADER.size
        size = last + 1 - first
        if position + size > source.size:
            short = position + size - source.size
            reason = f"image ends at {source.size:#x}, range at {first:#x} is {short} bytes short"
            unread.append(Unread(source.size, short, reason))
        yield Region(position, size, first, "memory")
        position += size
    unread.append(Unread(position, 0, f"more than {MAX_RANGES} ranges: the rest has no addresses"))
