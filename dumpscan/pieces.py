"""A dump from its first byte to its last, in pieces that fit the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dumpscan.model import Span
from dumpscan.source import FileSource, Source

_PIECE = 16 << 20
"""Bytes that are mapped at a time."""

_CHUNK = 512 << 10
"""Bytes that are read at a time, and then used while they are in the processor's cache."""


def pieces(source: Source, first: int = 0, end: int | None = None, *, mapped: bool = False) -> Iterator[memoryview]:
    """The bytes of ``source`` from ``first`` to ``end``, a piece at a time, valid till the next; not to be written to.

    Unless ``mapped`` (see :meth:`dumpscan.source.FileSource.map`), equal ranges have pieces of the same sizes. Holes of
    a file are not read.
    """
    end = source.size if end is None else end
    buffer, zeros = (memoryview(bytearray(min(_CHUNK, end - first))) for _ in range(2))
    file = source if isinstance(source, FileSource) else None
    stored = file.stored(first, end) if file else iter([Span(first, end)])
    ahead = next(stored, Span(end, end))
    offset = first
    while offset < end:
        size = min(_CHUNK, end - offset)
        while ahead.end <= offset and ahead.start < end:
            ahead = next(stored, Span(end, end))
        if ahead.start >= offset + size:
            yield zeros[:size]
        elif mapped and file and (found := file.map(offset, most := max(size, min(_PIECE, ahead.end - offset)))):
            with found[0] as content, memoryview(content) as view, view[found[1] :] as some:
                yield some
            size = most
        else:
            some = buffer[:size]
            source.readinto(offset, some)
            yield some
        offset += size


def first_difference(one: Source, other: Source, spans: Sequence[Span], size: int) -> int | None:
    """About where the first ``size`` bytes differ outside ``spans``, which are in order; None if they do not."""
    offset = first = 0
    for ours, theirs in zip(pieces(one, 0, size), pieces(other, 0, size), strict=True):
        while first < len(spans) and spans[first].end <= offset:
            first += 1
        for part in _outside(spans, first, offset, len(ours)):
            if not np.array_equal(np.frombuffer(ours, np.uint8)[part], np.frombuffer(theirs, np.uint8)[part]):
                return offset
        offset += len(ours)
    return None


def _outside(spans: Sequence[Span], first: int, offset: int, size: int) -> Iterator[slice]:
    """The parts of ``size`` bytes from ``offset`` on that are in none of ``spans``, of which ``first`` may be one."""
    at = 0
    while first < len(spans) and spans[first].start < offset + size:
        yield slice(at, max(spans[first].start - offset, 0))
        at = min(spans[first].end - offset, size)
        first += 1
    yield slice(at, size)
