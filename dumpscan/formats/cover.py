"""Regions that cover a file: sorted, without overlap, without gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import heappop, heappush

from dumpscan.model import Region, Span


def cover(regions: Iterable[Region], size: int, gap_kind: str = "raw") -> tuple[Region, ...]:
    """Make ``regions`` a partition of the bytes ``0 .. size``.

    Regions may come in any order, overlap, and lie about where they end. Bytes outside the file are cut off. Where
    several regions claim a byte, ``memory`` wins over all other kinds, and of equals the one that came first. What
    is left of a region that lost its middle is two regions, each with its own address. Bytes that nobody claims
    become regions of ``gap_kind``. Time is O(n log n) in the number of regions, and does not depend on ``size``.
    """
    inside = (_cut(r, max(r.offset, 0), min(r.end, size)) for r in regions)
    result: list[Region] = []
    position = 0
    for piece in _pieces([r for r in inside if r.size > 0]):
        if piece.offset > position:
            result.append(Region(position, piece.offset - position, kind=gap_kind))
        result.append(piece)
        position = piece.end
    if position < size:
        result.append(Region(position, size - position, kind=gap_kind))
    return tuple(result)


def renamed(regions: Iterable[Region], places: Iterable[tuple[Span, str]]) -> Iterator[Region]:
    """``regions`` (a partition), with the memory at ``places`` of the file cut out and given names of its own."""
    waiting = deque(sorted(places, key=lambda place: place[0].start))
    for region in regions:
        position = region.offset
        while waiting and waiting[0][0].start < region.end:
            span, name = waiting[0]
            start, end = max(span.start, position), min(span.end, region.end)
            if start < end and region.kind == "memory":
                if position < start:
                    yield _cut(region, position, start)
                yield replace(_cut(region, start, end), name=name)
                position = end
            if span.end > region.end:
                break
            waiting.popleft()
        if position < region.end:
            yield _cut(region, position, region.end)


def _pieces(claims: list[Region]) -> Iterator[Region]:
    """Yield non-overlapping parts of ``claims`` by offset; gaps remain."""
    claims = sorted(claims, key=lambda region: region.kind != "memory")  # the index is the rank now
    arrivals = sorted(range(len(claims)), key=lambda rank: claims[rank].offset, reverse=True)
    begun: list[int] = []  # heap of the ranks that begin at or before ``position``
    position = 0
    while arrivals or begun:
        if not begun:
            position = claims[arrivals[-1]].offset
        while arrivals and claims[arrivals[-1]].offset <= position:
            heappush(begun, arrivals.pop())
        best = begun[0]
        end = claims[best].end
        if end <= position:
            heappop(begun)
            continue
        while arrivals and claims[arrivals[-1]].offset < end:  # until a better one begins
            if arrivals[-1] < best:
                end = claims[arrivals[-1]].offset
                break
            heappush(begun, arrivals.pop())
        yield _cut(claims[best], position, end)
        position = end


def _cut(region: Region, start: int, end: int) -> Region:
    """The part of ``region`` from file offset ``start`` to ``end``; its size is 0 or less if there is none."""
    if start == region.offset and end == region.end:
        return region
    address = None if region.address is None else region.address + start - region.offset
    return replace(region, offset=start, size=end - start, address=address)
