"""Where neighbours in a virtual address space are not neighbours in the file.

The pages of a large object lie wherever the machine had room. A scan of the file sees each page, and no secret that
runs from one into the next; so the surroundings of such seams are looked at once more, in the order of the addresses.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dumpscan.mappings import AddressSpace, Numbers
from dumpscan.model import Region
from dumpscan.windows import Piece, Stretch, Window

REACH = 32 << 10
"""Bytes on either side of a seam: twice what the largest secret of several pages (an OpenSSH prekey) takes."""


def seam_stretches(spaces: Sequence[AddressSpace], budget: int) -> Iterator[Stretch]:
    """The surroundings of every seam, each in the order of its addresses; a seam of several spaces once.

    About ``budget`` bytes at most; :func:`left_out` says how many seams that leaves out.
    """
    for space, seams in _chosen(spaces, budget)[0]:
        yield from _stretches(space, seams)


def told(window: Window, regions: Sequence[Region]) -> Window:
    """``window`` with what its bytes hold, where one of ``regions`` (by offset) says so."""
    if not regions:
        return window
    starts = [region.offset for region in regions]
    pieces: list[Piece] = []
    for piece in window.pieces:
        end, at = piece.offset + piece.size, piece.offset
        for region in regions[max(bisect_right(starts, at) - 1, 0) : bisect_left(starts, end)]:
            for stop, holds in ((region.offset, None), (region.end, region.holds)):
                stop = min(stop, end)
                if at < stop:
                    pieces.append(replace(_part(piece, at, stop), holds=holds))
                    at = stop
        if at < end:
            pieces.append(_part(piece, at, end))
    return replace(window, pieces=tuple(pieces))


def _part(piece: Piece, start: int, end: int) -> Piece:
    return replace(piece, position=piece.position + start - piece.offset, offset=start, size=end - start)


def left_out(spaces: Sequence[AddressSpace], budget: int) -> int:
    """The seams that do not fit into ``budget``."""
    return _chosen(spaces, budget)[1]


def _chosen(spaces: Sequence[AddressSpace], budget: int) -> tuple[list[tuple[AddressSpace, Numbers]], int]:
    """For each space the mappings (by index) that end at a seam not met before, and the number of those dropped."""
    known = np.zeros(0, np.complex128)  # (end, start) in the file; both are far below 2^53
    chosen: list[tuple[AddressSpace, Numbers]] = []
    dropped = 0
    for space in spaces:
        seams = np.flatnonzero(space.addresses[:-1] + space.sizes[:-1] == space.addresses[1:])
        ends = space.offsets[seams] + space.sizes[seams]
        pairs = ends.astype(np.float64) + 1j * space.offsets[seams + 1].astype(np.float64)
        unique, first = np.unique(pairs, return_index=True)
        fresh = np.sort(first[~np.isin(unique, known)])
        known = np.union1d(known, unique)
        seams = seams[fresh]
        cost = np.cumsum(np.minimum(space.sizes[seams], REACH) + np.minimum(space.sizes[seams + 1], REACH))
        fits = int(np.searchsorted(cost, max(budget, 0), "right"))
        dropped += len(seams) - fits
        budget -= int(cost[fits - 1]) if fits else 0
        if fits:
            chosen.append((space, seams[:fits].astype(np.uint64)))
    return chosen, dropped


def _stretches(space: AddressSpace, seams: Numbers) -> Iterator[Stretch]:
    """Stretches around ``seams``; those that would touch are one."""
    low = high = 0
    for index in (int(seam) for seam in seams):
        start, end = _contiguous(space, index, int(space.addresses[index + 1]))
        if low < high < start:
            yield _stretch(space, low, high)
        if high < start or low == high:
            low = start
        high = end
    if low < high:
        yield _stretch(space, low, high)


def _contiguous(space: AddressSpace, index: int, at: int) -> tuple[int, int]:
    """What is mapped without a gap within :data:`REACH` of ``at``, where mapping ``index`` ends."""
    first, last = index, index + 1
    while first and int(space.addresses[first]) > at - REACH and _adjoin(space, first - 1):
        first -= 1
    while last + 1 < len(space) and _end(space, last) < at + REACH and _adjoin(space, last):
        last += 1
    return max(int(space.addresses[first]), at - REACH), min(_end(space, last), at + REACH)


def _adjoin(space: AddressSpace, index: int) -> bool:
    return _end(space, index) == int(space.addresses[index + 1])


def _end(space: AddressSpace, index: int) -> int:
    return int(space.addresses[index]) + int(space.sizes[index])


def _stretch(space: AddressSpace, low: int, high: int) -> Stretch:
    pieces: list[Piece] = []
    address = low
    while address < high:
        place = space.at(address)
        assert place is not None
        size = min(place[1], high - address)
        pieces.append(Piece(address - low, place[0], size))
        address += size
    return Stretch(pieces, high - low, low)
