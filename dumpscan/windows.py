"""Cutting a dump into windows: an owned span each, with margins on both sides.

Regions whose addresses follow each other are one *stretch*, wherever they lie in the file, and windows are cut from
stretches: a secret that crosses a seam of the file is whole in some window. Many small stretches share one window,
with gaps of zeros between them. This is the only reader of dump bytes in a scan.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.model import Mapped, Region, Span
from dumpscan.source import FileSource, Source

PAGE = 4096
"""Bytes in the unit that is dropped when it is all zero."""

WINDOW = 8 << 20
"""Bytes owned by one window, by default."""

MARGIN = 256 << 10
"""Bytes on either side of the owned span: the greatest ``reach`` of a matcher fits in."""

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Positions = NDArray[np.int64]

_GAP = 256
"""Zero bytes between stretches that share a window; a multiple of 64, so that alignment is kept."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``size`` bytes at ``offset`` of the file that stand at ``position`` of a stretch or window.

    ``address`` is set where the window as a whole has none, ``holds`` as in :class:`dumpscan.model.Region`.
    """

    position: int
    offset: int
    size: int
    address: int | None = None
    holds: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes to look at together. ``pieces`` are ordered and may leave gaps, which read as zeros.

    In a window with ``seams`` all bytes are owned by other windows too: only what crosses from one piece of the file
    into another is of interest.
    """

    pieces: tuple[Piece, ...]
    size: int
    owned: Span
    address: int | None = None
    phase: int = 0
    seams: bool = False

    @property
    def mapped(self) -> tuple[Mapped, ...]:
        """Which addresses stand where."""
        if self.address is not None:
            return (Mapped(0, self.address, self.size),)
        return tuple(Mapped(p.position, p.address, p.size) for p in self.pieces if p.address is not None)

    def holding(self, what: str) -> tuple[Span, ...]:
        """The positions of what pieces say they hold; those that adjoin are one."""
        spans: list[Span] = []
        for piece in self.pieces:
            if piece.holds == what:
                start = spans.pop().start if spans and spans[-1].end == piece.position else piece.position
                spans.append(Span(start, piece.position + piece.size))
        return tuple(spans)

    def offsets(self, span: Span) -> list[Span]:
        """Where ``span`` (positions) lies in the file: one span, or several where it crosses a seam."""
        pieces = self.pieces
        found: list[Span] = []
        for index in range(max(bisect_right(pieces, span.start, key=_position) - 1, 0), len(pieces)):
            piece = pieces[index]
            if piece.position >= span.end:
                break
            first = max(span.start, piece.position)
            last = min(span.end, piece.position + piece.size)
            if first < last:
                shift = piece.offset - piece.position
                if found and found[-1].end == first + shift:
                    found[-1] = Span(found[-1].start, last + shift)
                else:
                    found.append(Span(first + shift, last + shift))
        return found

    def moved(self, starts: Positions, width: int) -> tuple[Positions, Flags]:
        """The file offsets of positions, and for which of them ``width`` bytes lie in one piece."""
        table = np.array([(piece.position, piece.size, piece.offset) for piece in self.pieces], np.int64)
        first, size, offset = table[np.maximum(np.searchsorted(table[:, 0], starts, "right") - 1, 0)].T
        within = starts - first
        return offset + within, (within >= 0) & (within + width <= size)

    def crosses(self, start: int, end: int) -> bool:
        """Whether the bytes from ``start`` to ``end`` (positions) lie in several pieces."""
        return self._index(start) != self._index(max(end - 1, start))

    def _index(self, position: int) -> int:
        return bisect_right(self.pieces, position, key=lambda piece: piece.position) - 1


def _position(piece: Piece) -> int:
    return piece.position


@dataclass(slots=True)
class Stretch:
    """Bytes that belong together, in this order."""

    pieces: list[Piece]
    size: int
    address: int | None


def _stretches(regions: Iterable[Region]) -> Iterator[Stretch]:
    """Regions joined where their addresses (or, without addresses, their offsets) follow each other."""
    sized = [region for region in regions if region.size]
    mapped = sorted((r for r in sized if r.address is not None), key=lambda r: (r.address, r.offset))
    others = [region for region in sized if region.address is None]
    for group, place in ((mapped, _address), (others, _offset)):
        current: Stretch | None = None
        follows = -1
        for region in group:
            start = place(region)
            if current is None or start != follows:
                if current:
                    yield current
                current = Stretch([], 0, region.address)
            _append(current, region)
            current.size += region.size
            follows = start + region.size
        if current:
            yield current


def _append(stretch: Stretch, region: Region) -> None:
    """Add ``region`` to the end of ``stretch``, as one piece with the last where it follows that in the file too."""
    last = stretch.pieces[-1] if stretch.pieces else None
    if last and last.offset + last.size == region.offset and last.holds == region.holds:
        stretch.pieces[-1] = replace(last, size=last.size + region.size)
    else:
        stretch.pieces.append(Piece(stretch.size, region.offset, region.size, holds=region.holds))


def _address(region: Region) -> int:
    return region.address or 0


def _offset(region: Region) -> int:
    return region.offset


def plan(regions: Sequence[Region], window: int = WINDOW, margin: int = MARGIN) -> Iterator[Window]:
    """Windows that own each byte of ``regions`` exactly once."""
    return cut(_stretches(regions), window, margin)


def cut(stretches: Iterable[Stretch], window: int = WINDOW, margin: int = MARGIN) -> Iterator[Window]:
    """Windows that own each byte of ``stretches`` once; small stretches share a window."""
    gathered: list[Stretch] = []
    total = 0
    for stretch in stretches:
        if stretch.size > min(margin, window):
            yield from _cut(stretch, window, margin)
            continue
        if gathered and total + stretch.size + 2 * _GAP > window:
            yield _gather(gathered)
            gathered, total = [], 0
        gathered.append(stretch)
        total += stretch.size + _GAP + 64
    if gathered:
        yield _gather(gathered)


def _cut(stretch: Stretch, window: int, margin: int) -> Iterator[Window]:
    starts = [piece.position for piece in stretch.pieces]
    base = stretch.address if stretch.address is not None else stretch.pieces[0].offset
    for start in range(0, stretch.size, window):
        end = min(start + window, stretch.size)
        low, high = max(0, start - margin), min(stretch.size, end + margin)
        pieces = []
        for piece in stretch.pieces[bisect_right(starts, low) - 1 :]:
            if piece.position >= high:
                break
            first, last = max(low, piece.position), min(high, piece.position + piece.size)
            offset = piece.offset + first - piece.position
            pieces.append(Piece(first - low, offset, last - first, holds=piece.holds))
        address = None if stretch.address is None else stretch.address + low
        yield Window(tuple(pieces), high - low, Span(start - low, end - low), address, (base + low) % 64)


def _gather(stretches: Sequence[Stretch]) -> Window:
    """One window of several small stretches, each at a position that keeps its alignment modulo 64."""
    pieces: list[Piece] = []
    position = 0
    for stretch in stretches:
        base = stretch.address if stretch.address is not None else stretch.pieces[0].offset
        position += (base - position) % 64
        for piece in stretch.pieces:
            address = None if stretch.address is None else stretch.address + piece.position
            pieces.append(Piece(position + piece.position, piece.offset, piece.size, address, piece.holds))
        position = (position + stretch.size + _GAP + 63) // 64 * 64
    end = pieces[-1].position + pieces[-1].size
    if len(stretches) > 1:
        return Window(tuple(pieces), end, Span(0, end))
    first = pieces[0].position
    moved = tuple(replace(piece, position=piece.position - first, address=None) for piece in pieces)
    return Window(moved, end - first, Span(0, end - first), stretches[0].address, first % 64)


_STEP = 1 << 20
"""Bytes read at a time: the pages among them are looked at while they are in the processor's cache."""

_LEAST_MAPPED = 256 << 10
"""Bytes of a piece from which to map it costs less than to copy the pages of zeros among them."""


class Reader:
    """Reads windows into one buffer that is used again and again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = np.zeros(0, np.uint8)
        self._filled = np.zeros(0, np.bool_)
        self._file = source if isinstance(source, FileSource) else None

    def read(self, window: Window) -> tuple[memoryview, tuple[Span, ...], int]:
        """The bytes of ``window``, its stretches of pages that are not all zero, and the zero bytes it owns.

        The bytes are valid until the next call. Raises :class:`dumpscan.errors.SourceError`.
        """
        padded = -(-window.size // PAGE) * PAGE
        if len(self._buffer) < padded:
            self._buffer, self._filled = np.zeros(padded, np.uint8), np.zeros(padded // PAGE, np.bool_)
        block, live = self._buffer[:padded], self._filled[: padded // PAGE]
        tested = position = 0
        for piece in window.pieces:
            block[position : piece.position] = 0
            start, position = piece.position, piece.position + piece.size
            first, end = -(-start // PAGE), position // PAGE
            if self._file and (end - first) * PAGE >= _LEAST_MAPPED:
                tested = self._read(piece, start, first * PAGE, tested)
                tested = flag_pages(block, live, tested, first)
                offset, start = piece.offset + first * PAGE - start, first * PAGE
                if self._copy_mapped(self._file, offset, first, end):
                    start, tested = end * PAGE, end
            tested = self._read(piece, start, position, tested)
        block[position:] = 0
        flag_pages(block, live, tested, len(live))
        return memoryview(block.data)[: window.size], page_runs(live, window.size), _zero_bytes(~live, window)

    def _read(self, piece: Piece, start: int, end: int, tested: int) -> int:
        """Read what stands from position ``start`` to ``end``; returns how many pages have been tested now."""
        view = memoryview(self._buffer.data)
        for position in range(start, end, _STEP):
            following = min(position + _STEP, end)
            self._filled[position // PAGE : -(-following // PAGE)] = True  # should this not end well
            self._source.readinto(piece.offset + position - piece.position, view[position:following])
            if following - tested * PAGE >= _STEP:
                tested = flag_pages(self._buffer, self._filled, tested, following // PAGE)
        return tested

    def _copy_mapped(self, file: FileSource, offset: int, first: int, end: int) -> bool:
        """Copy those pages from ``first`` to ``end``, which stand from ``offset`` on, that are not all zero; whether it
        could be done. Pages of zeros, which dumps are full of, are looked at where the system keeps them, and those in
        holes of the file not at all: to read them, the system would have to make them."""
        if kernel.native is None:
            return False
        done = first
        for span in file.stored(offset, offset + (end - first) * PAGE):
            start = max(done, first + (span.start - offset) // PAGE)
            stop = min(first - (offset - span.end) // PAGE, end)
            if start >= stop:
                continue
            self._clear(done, start)
            mapped = file.map(offset + (start - first) * PAGE, (stop - start) * PAGE)
            if mapped is None:
                return False
            content, ahead = mapped
            with content, memoryview(content) as view, view[ahead : ahead + (stop - start) * PAGE] as pages:
                try:
                    kernel.native.copy_live(pages, self._buffer[start * PAGE : stop * PAGE], self._filled[start:stop])
                except OSError:  # reading it tells what is wrong
                    self._filled[start:stop] = True
                    return False
            done = stop
        self._clear(done, end)
        return True

    def _clear(self, first: int, end: int) -> None:
        """Make the pages from ``first`` to ``end`` zeros."""
        if self._filled[first:end].any():
            self._buffer[first * PAGE : end * PAGE] = 0
            self._filled[first:end] = False


def flag_pages(block: Bytes, live: Flags, first: int, end: int) -> int:
    """Flag the pages from ``first`` to ``end`` that are not all zero; returns ``end``."""
    pages = block[first * PAGE : end * PAGE]
    if kernel.native is not None:
        kernel.native.live_pages(pages, live[first:end])
    else:
        live[first:end] = pages.view(np.uint64).reshape(-1, PAGE // 8).any(axis=1)
    return end


def page_runs(flags: Flags, size: int) -> tuple[Span, ...]:
    """The stretches of true pages, as positions."""
    starts, ends = edges(flags)
    return tuple(
        Span(first * PAGE, min(end * PAGE, size)) for first, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )


def edges(flags: Flags) -> tuple[Positions, Positions]:
    """The indices where runs of set flags begin, and the ones (exclusive) where they end."""
    turns = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    rising = flags[turns]
    starts, ends = turns[rising], turns[~rising]
    if len(flags) and flags[0]:
        starts = np.concatenate([np.zeros(1, starts.dtype), starts])
    if len(flags) and flags[-1]:
        ends = np.concatenate([ends, np.full(1, len(flags), ends.dtype)])
    return starts, ends


def _zero_bytes(dead: Flags, window: Window) -> int:
    """Owned bytes in all-zero pages; the gaps of a gathered window are not the dump's and do not count."""
    total = 0
    for run in page_runs(dead, window.size):
        start, end = max(run.start, window.owned.start), min(run.end, window.owned.end)
        if start < end:
            total += sum(len(span) for span in window.offsets(Span(start, end)))
    return total
