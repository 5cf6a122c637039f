"""From physical addresses to file offsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from dumpscan.errors import SourceError
from dumpscan.formats.cover import cover
from dumpscan.formats.memory_map import ADDRESS_SPACE
from dumpscan.mappings import Numbers
from dumpscan.model import Region
from dumpscan.source import Source

PAGE = 4096
_BLOCK = 4 << 20
_ONE = np.uint64(1)


class PhysicalMemory:
    """The memory regions of a dump by their (physical) addresses; 24 bytes a region."""

    def __init__(self, source: Source, regions: Iterable[Region]) -> None:
        self._source = source
        turned = (
            Region(region.address, region.size, region.offset, "memory")
            for region in regions
            if region.kind == "memory" and region.address is not None
        )
        pieces = [p for p in cover(turned, ADDRESS_SPACE) if p.address is not None]
        self.starts: Numbers = np.array([p.offset for p in pieces], np.uint64)
        self.sizes: Numbers = np.array([p.size for p in pieces], np.uint64)
        self.offsets: Numbers = np.array([p.address for p in pieces], np.uint64)

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes from ``address``; empty if not all of them are in one piece of the dump."""
        index = int(np.searchsorted(self.starts, np.uint64(address), "right")) - 1 if address < ADDRESS_SPACE else -1
        if index < 0:
            return b""
        inside = address - int(self.starts[index])
        if inside + size > int(self.sizes[index]):
            return b""
        try:
            return self._source.read(int(self.offsets[index]) + inside, size)
        except SourceError:
            return b""

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """All memory in whole pages at whole addresses: where a block begins, and its bytes (4 MiB at most)."""
        for start, size, offset in zip(self.starts.tolist(), self.sizes.tolist(), self.offsets.tolist(), strict=True):
            first = -start % PAGE
            for at in range(first, size - PAGE + 1, _BLOCK):
                length = min(_BLOCK, size - at) // PAGE * PAGE
                try:
                    yield start + at, self._source.read(offset + at, length)
                except SourceError:
                    return

    def pages(self, addresses: Numbers, page: int = PAGE) -> tuple[NDArray[np.bool_], Numbers]:
        """Which of the pages at ``addresses`` are whole in one piece of the dump, and their file offsets."""
        if not len(self.starts):
            return np.zeros(len(addresses), np.bool_), np.zeros(len(addresses), np.uint64)
        index = np.searchsorted(self.starts, addresses, "right").astype(np.int64) - 1
        place = np.maximum(index, 0)
        inside = addresses - self.starts[place]
        size = self.sizes[place]
        there = (index >= 0) & (inside < size) & (size - np.minimum(inside, size) >= page)
        return there, self.offsets[place] + inside

    def pieces(self, address: int, size: int) -> tuple[Numbers, Numbers, Numbers]:
        """The parts of ``size`` bytes from ``address`` that are in the dump: distances from it, offsets, sizes."""
        end = min(address + size, ADDRESS_SPACE) - 1
        first = max(int(np.searchsorted(self.starts, np.uint64(address), "right")) - 1, 0)
        last = int(np.searchsorted(self.starts, np.uint64(end), "right"))
        starts, sizes, offsets = self.starts[first:last], self.sizes[first:last], self.offsets[first:last]
        low = np.maximum(starts, np.uint64(address))
        high = np.minimum(starts + (sizes - _ONE), np.uint64(end))
        there = (low <= high) & (starts + (sizes - _ONE) >= np.uint64(address))
        low, high, starts, offsets = low[there], high[there], starts[there], offsets[there]
        return low - np.uint64(address), (offsets + (low - starts)).astype(np.uint64), high - low + _ONE
