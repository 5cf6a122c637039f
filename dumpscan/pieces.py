"""A dump from its first byte to its last, in pieces that fit the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

from dumpscan.source import FileSource, Source

_CHUNK = 512 << 10
"""Bytes that are read at a time, and then used while they are in the processor's cache."""

_PIECE = 16 << 20
"""Bytes that are mapped at a time."""


def pieces(source: Source, mapped: bool = False) -> Iterator[memoryview]:
    """All bytes of ``source``, a piece at a time, valid till the next and not to be written to.

    Unless ``mapped`` (see :meth:`dumpscan.source.FileSource.map`), sources of one size have pieces of the same sizes.
    """
    buffer = memoryview(bytearray(min(_CHUNK, source.size)))
    for offset in range(0, source.size, _PIECE):
        size = min(_PIECE, source.size - offset)
        found = source.map(offset, size) if mapped and isinstance(source, FileSource) else None
        if found:
            with found[0] as content, memoryview(content) as view, view[found[1] :] as some:
                yield some
            continue
        for start in range(offset, offset + size, _CHUNK):
            some = buffer[: min(_CHUNK, offset + size - start)]
            source.readinto(start, some)
            yield some
