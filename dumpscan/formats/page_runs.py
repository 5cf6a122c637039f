"""Pages of physical memory, one after the other in the file, as a bitmap or a list of runs names them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from dumpscan.model import Region
from dumpscan.windows import edges

MAX_RUNS = 1 << 18
"""Runs of pages that get their address; what comes after them is memory without."""

MAX_BITMAP = 64 << 20
"""Bytes of a bitmap that are read: 2 TiB of 4 KiB pages."""

Run = tuple[int, int]
"""First page frame and number of pages."""


def bitmap_runs(bitmap: bytes, pages: int) -> Iterator[Run]:
    """The runs of ones among the first ``pages`` bits; bit 0 of a byte is its first."""
    bits = np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little")[:pages]
    for first, last in zip(*edges(bits.view(np.bool_)), strict=True):
        yield int(first), int(last - first)


def run_regions(runs: Iterable[Run], offset: int, page: int, limit: int) -> Iterator[Region]:
    """Memory regions of ``runs`` from ``offset`` on; frames are clipped to addresses of 64 bits.

    ``limit`` is the offset at which pages end (that of the file, if it is cut short). No more than :data:`MAX_RUNS`.
    """
    for done, (frame, count) in enumerate(runs):
        if offset >= limit:
            return
        if done >= MAX_RUNS:
            yield Region(offset, limit - offset, kind="memory")
            return
        if frame >= 0 and (frame + count) * page <= 1 << 64:
            yield Region(offset, count * page, frame * page, "memory")
        else:
            yield Region(offset, count * page, kind="memory")
        offset += count * page
