"""From virtual addresses to file offsets and back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from dumpscan.formats.cover import cover
from dumpscan.model import Layout, Region, Span
from dumpscan.source import Source

ADDRESS_SPACE = 1 << 64


class AddressMap:
    """The memory of a layout by address.

    Where several regions hold one address (a thread's stack is often in a dump twice), the one that comes first in
    the file is taken. In a dump of physical memory with page tables the addresses are virtual ones, those of the first
    address space that knows them. Building is O(n log n) in the number of regions, a look-up O(log n).
    """

    def __init__(self, layout: Layout) -> None:
        self._regions = layout.regions
        self._offsets = [region.offset for region in layout.regions]
        self._spaces = layout.spaces
        self._pieces = () if self._spaces else tuple(_by_address(layout.regions))
        self._starts = [piece.offset for piece in self._pieces]

    def offset_of(self, address: int) -> int | None:
        """The file offset of the byte at ``address``, or ``None`` if the dump does not hold it."""
        place = self._place(address)
        return None if place is None else place[0]

    def read(self, source: Source, address: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``address``, across regions that adjoin in address; shorter where memory ends.

        Raises :class:`dumpscan.errors.SourceError` as ``source`` does.
        """
        parts: list[bytes] = []
        while size > 0:
            place = self._place(address)
            if place is None:
                break
            part = source.read(place[0], min(size, place[1]))
            parts.append(part)
            address, size = address + len(part), size - len(part)
            if not part:
                break
        return b"".join(parts)

    def around(self, source: Source, offset: int, before: int, after: int) -> tuple[bytes, bytes]:
        """Up to ``before`` bytes that end at the file offset ``offset``, and up to ``after`` from it on: those of
        the same memory, wherever they stand in the file. Raises as :meth:`read`."""
        region = self.region_at(offset)
        if region is None:
            return b"", b""
        start, size = max(region.offset, offset - before), min(after, region.end - offset)
        near = source.read(start, offset - start), source.read(offset, size)
        if region.address is None or region.kind != "memory" or self._spaces:
            return near
        address = region.address + offset - region.offset
        far = self.read(source, address - before, before), self.read(source, address, after)
        return max(near[0], far[0], key=len), max(near[1], far[1], key=len)

    def spans(self, address: int, size: int) -> Iterator[Span]:
        """Where in the file ``size`` bytes from ``address`` lie, up to the first that the dump does not hold."""
        while size > 0:
            place = self._place(address)
            if place is None:
                return
            held = min(size, place[1])
            yield Span(place[0], place[0] + held)
            address, size = address + held, size - held

    def region_at(self, offset: int) -> Region | None:
        """The region of the layout that holds the byte at file offset ``offset``."""
        index = bisect_right(self._offsets, offset) - 1
        region = self._regions[index] if index >= 0 else None
        return region if region is not None and offset < region.end else None

    def _place(self, address: int) -> tuple[int, int] | None:
        """File offset of ``address`` and the bytes that follow it there."""
        for space in self._spaces:
            if place := space.at(address):
                return place
        index = bisect_right(self._starts, address) - 1
        piece = self._pieces[index] if index >= 0 else None
        if piece is None or piece.address is None or address >= piece.end:
            return None
        return piece.address + address - piece.offset, piece.end - address


def _by_address(regions: tuple[Region, ...]) -> Iterator[Region]:
    """Disjoint pieces of memory in the order of their addresses, offset and address having changed places."""
    turned = (
        Region(region.address, region.size, address=region.offset, kind="memory")
        for region in regions
        if region.kind == "memory" and region.address is not None
    )
    return (piece for piece in cover(turned, ADDRESS_SPACE) if piece.address is not None)
