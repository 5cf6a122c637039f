"""AVML's compressed images of physical memory: LiME ranges whose bytes are a framed snappy stream.

Layout: ``src/image.rs`` of AVML: a header as LiME's with another magic and version 2, a stream (snappy's
``framing_format.txt``: a type and a length of three bytes before each chunk), and the length of the stream.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from dumpscan.errors import FormatError, RedactionError
from dumpscan.formats.cover import cover
from dumpscan.formats.lime import HEADER, image_layout
from dumpscan.formats.page_codecs import SNAPPY, snappy_chunk, snappy_frames
from dumpscan.model import Layout, Region, Span, Unread
from dumpscan.plain import Chunks, DecodeError, PlainSource
from dumpscan.source import Source

MAX_BLOCKS = 1 << 18
"""Ranges that are looked at; AVML writes at most 16 MiB in one, so that this is 4 TiB."""

_MAGIC = b"AVML\2\0\0\0"
_CHUNK_SIZE = 1 << 16  # plain bytes in a chunk, by the specification
_STORED, _PLAIN, _IDENTIFIER = 0, 1, 0xFF
_COPY = 4 << 20


@dataclass(frozen=True, slots=True)
class _Block:
    """A range: ``plain`` is where its header is in the plain bytes, ``file`` where it is in the file."""

    plain: Span
    file: Span
    address: int


class Avml:
    """AVML files of version 2; those of version 1 are LiME files."""

    name = "avml"
    title = "AVML image of physical memory, compressed"
    handling = "ranges are decompressed and scanned with their physical addresses; changed ranges are compressed again"

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` begins with the header of a range of version 2."""
        return head[:8] == _MAGIC

    def open(self, source: Source) -> PlainSource:
        """The plain ranges. Raises :class:`FormatError` where there is none."""
        return AvmlSource(source)

    def layout(self, source: Source) -> Layout:
        """The layout of the plain bytes."""
        layout = self.open(source).layout
        assert layout is not None
        return layout


class AvmlSource(PlainSource):
    """The headers and plain bytes of an AVML file; the headers of streams and chunks are left out."""

    def __init__(self, base: Source) -> None:
        super().__init__(base, AvmlSource)
        self._chunks = Chunks()
        self._blocks: list[_Block] = []
        unread: list[Unread] = []
        position = 0
        while position < base.size:
            end = self._block(position, unread) if len(self._blocks) < MAX_BLOCKS else None
            if end is None:
                unread.append(Unread(self._chunks.size, 0, f"no range that can be read at {position:#x} of the file"))
                self._chunks.add(base.size - position, position)
                break
            position = end
        if not self._blocks:
            raise FormatError("no AVML range at 0x0")
        self._end = position
        if SNAPPY.unpack is None:
            unread.append(Unread(0, 0, "not decompressed: the library for snappy is not installed"))
        self.size = self.stable = self._chunks.size
        claims = []
        for block in self._blocks:
            claims.append(Region(block.plain.start, HEADER.size, kind="header", name="AVML header"))
            start = block.plain.start + HEADER.size
            claims.append(Region(start, block.plain.end - start, block.address, "memory"))
        self.layout = image_layout("avml", self, cover(claims, self.size), unread)

    def _block(self, position: int, unread: list[Unread]) -> int | None:
        """Take in the range at ``position``; returns where it ends, or None (and nothing is taken) if it is none."""
        raw = self.base.read(position, HEADER.size)
        if raw[:8] != _MAGIC or len(raw) < HEADER.size:
            return None
        _, _, first, last, _ = HEADER.unpack(raw)
        begin, left, at = self._chunks.size, last + 1 - first, position + HEADER.size
        self._chunks.add(HEADER.size, position)
        while left > 0:
            head = self.base.read(at, 14) if at < self.base.size else b""
            size = int.from_bytes(head[1:4], "little")
            kind = head[0] if len(head) >= 4 else -1
            if kind in (_STORED, _PLAIN) and size > 4 and len(head) > 8 and at + 4 + size <= self.base.size:
                plain = size - 4 if kind == _PLAIN else _snappy_length(head[8:])
                plain = min(plain, left)
                if not 0 < plain <= _CHUNK_SIZE:
                    break
                self._chunks.add(plain, at + 8, size - 4, 0 if kind == _PLAIN else 2)
                left -= plain
            elif kind >= 0x80:
                if kind != _IDENTIFIER:
                    unread.append(Unread(self._chunks.size, 0, f"a chunk of no known meaning at {at:#x} of the file"))
            else:
                break
            at += 4 + size
        if left > 0:
            reason = f"the range of {first:#x} is damaged or cut short at {at:#x} of the file, {left} bytes are missing"
            unread.append(Unread(self._chunks.size, 0, reason))
            at = min(at, self.base.size)
            self._chunks.add(self.base.size - at, at)
            at = self.base.size
        end = min(at + 8, self.base.size)
        self._blocks.append(_Block(Span(begin, self._chunks.size), Span(position, end), first))
        return end

    def piece(self, offset: int, size: int) -> bytes:
        """See :meth:`PlainSource.piece`."""
        plain = self._chunks.read_plain(self.base, offset, size)
        if plain is None:
            index, start, end = self._chunks.at(offset)
            plain = self.decoded(index, end - start, partial(self._decode, index, end - start))
            plain = plain[offset - start : offset - start + size]
        return plain

    def _decode(self, index: int, size: int) -> bytes:
        if SNAPPY.unpack is None:
            raise DecodeError("the library for snappy is not installed")
        # with the type, length and checksum before it
        data = snappy_chunk(self.base.read(self._chunks.places[index] - 8, self._chunks.stored[index] + 8))
        if len(data) < size:
            raise DecodeError(f"snappy data gives {len(data)} bytes")
        return data

    def write(self, plain: Source, spans: Sequence[Span], path: Path) -> None:
        """See :meth:`PlainSource.write`. A range without changes is copied as it stands."""
        with path.open("wb") as out:
            at = 0
            for block in self._blocks:
                while at < len(spans) and spans[at].end <= block.plain.start:
                    at += 1
                if at < len(spans) and spans[at].start < block.plain.end:
                    _compress(plain, block, out)
                else:
                    _copy(self.base, block.file, out)
            tail = Span(self._end, self.base.size)
            start = self.size - len(tail)
            _copy(plain, Span(start, start + len(tail)), out)


def _compress(plain: Source, block: _Block, out: BinaryIO) -> None:
    _, _, first, last, _ = HEADER.unpack(plain.read(block.plain.start, HEADER.size))
    data = plain.read(block.plain.start + HEADER.size, len(block.plain) - HEADER.size)
    if len(data) != last + 1 - first:
        raise RedactionError(f"the range of {first:#x} is damaged, and cannot be written anew")
    stream = snappy_frames(data)
    out.write(plain.read(block.plain.start, HEADER.size) + stream + struct.pack("<Q", len(stream)))


def _copy(source: Source, span: Span, out: BinaryIO) -> None:
    for offset in range(span.start, span.end, _COPY):
        out.write(source.read(offset, min(_COPY, span.end - offset)))


def _snappy_length(data: bytes) -> int:
    """The plain length at the head of snappy data: seven bits a byte, the lowest first."""
    value = 0
    for shift, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value
    return 0
