"""Virtual address spaces of a dump of physical memory: where in the file each virtual page lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]

_ALIASES = 64  # mappings that begin before an offset and are asked whether they reach it


@dataclass(frozen=True, slots=True, eq=False)
class AddressSpace:
    """``sizes[i]`` bytes at the virtual ``addresses[i]`` lie at ``offsets[i]`` of the file.

    By address, disjoint, and as long as they can be: two that adjoin in address do not adjoin in the file. 24 bytes
    a mapping. ``name`` says whose space it is.
    """

    addresses: Numbers = field(repr=False)
    offsets: Numbers = field(repr=False)
    sizes: Numbers = field(repr=False)
    name: str = ""
    _by_offset: list[Numbers] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.addresses)

    def at(self, address: int) -> tuple[int, int] | None:
        """File offset of ``address``, and how many bytes follow it there; ``None`` where nothing is mapped."""
        if not 0 <= address < 1 << 64:
            return None
        index = int(np.searchsorted(self.addresses, np.uint64(address), "right")) - 1
        if index < 0:
            return None
        inside = address - int(self.addresses[index])
        size = int(self.sizes[index])
        return (int(self.offsets[index]) + inside, size - inside) if inside < size else None

    def address_of(self, offset: int) -> int | None:
        """A virtual address of the byte at file ``offset``; of several, that of the mapping that begins last."""
        if not self._by_offset:
            order = np.argsort(self.offsets, kind="stable").astype(np.uint64)
            self._by_offset.extend((order, self.offsets[order]))
        order, starts = self._by_offset
        last = int(np.searchsorted(starts, np.uint64(offset), "right"))
        for place in range(last - 1, max(last - _ALIASES, 0) - 1, -1):
            index = int(order[place])
            inside = offset - int(self.offsets[index])
            if inside < int(self.sizes[index]):
                return int(self.addresses[index]) + inside
        return None


def address_space(parts: Iterable[tuple[Numbers, Numbers, Numbers]], name: str = "") -> AddressSpace:
    """The space of the mappings in ``parts``: in any order; of two at one address the first counts."""
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] or [np.zeros(0, np.uint64)] * 3
    addresses, offsets, sizes = (column.astype(np.uint64) for column in columns)
    order = np.argsort(addresses, kind="stable")
    addresses, offsets, sizes = addresses[order], offsets[order], sizes[order]
    if len(addresses):
        ends = np.maximum.accumulate(addresses + (sizes - np.uint64(1)))
        keep = np.concatenate(([True], addresses[1:] > ends[:-1]))
        addresses, offsets, sizes = addresses[keep], offsets[keep], sizes[keep]
    return AddressSpace(*merged(addresses, offsets, sizes), name)


def merged(addresses: Numbers, offsets: Numbers, sizes: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Mappings (by address, disjoint) with those made one that adjoin both in address and in the file."""
    if len(addresses) < 2:
        return addresses, offsets, sizes
    joined = (addresses[:-1] + sizes[:-1] == addresses[1:]) & (offsets[:-1] + sizes[:-1] == offsets[1:])
    first = np.flatnonzero(np.concatenate(([True], ~joined)))
    return addresses[first], offsets[first], np.add.reduceat(sizes, first)
