"""makedumpfile's flattened format, which QEMU writes too: pieces of another dump, each with its offset.

Layout: makedumpfile ``makedumpfile.h`` (``makedumpfile_header``, ``makedumpfile_data_header``): 4096 bytes of header,
and big-endian offset and size before each piece, both -1 at the end. A later piece goes over an earlier one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from dumpscan.errors import FormatError
from dumpscan.formats.cover import cover
from dumpscan.model import Layout, Region, Span, Unread
from dumpscan.plain import Chunks, PlainSource
from dumpscan.source import Source

MAX_PIECES = 1 << 20

_HEAD = 4096
_PIECE = struct.Struct(">2q")
_END = _PIECE.pack(-1, -1)
_CHUNK = 4 << 20
_SLACK = 256 << 20
"""Bytes by which a dump with holes may be larger than four times its file."""


class Flattened:
    """``makedumpfile -F`` and QEMU's compressed ``dump-guest-memory``."""

    name = "flattened"
    title = "makedumpfile's flattened format, around any of the other formats"
    handling = "pieces are read in the order of the dump inside; the copy is flattened again"

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` is a header of type and version 1."""
        return head[:16] == b"makedumpfile".ljust(16, b"\0") and head[16:32] == struct.pack(">2q", 1, 1)

    def open(self, source: Source) -> PlainSource:
        """The dump inside. Raises :class:`FormatError` where there is none."""
        return FlattenedSource(source)

    def layout(self, source: Source) -> Layout:
        """The dump inside as raw bytes; its own format says more."""
        view = self.open(source)
        return Layout(self.name, (Region(0, view.size),), unread=view.unread)


def _pieces(source: Source, unread: list[Unread]) -> Iterator[Region]:
    """The pieces: offset and size in the dump inside, ``address`` is the offset in the file."""
    position, limit = _HEAD, 4 * source.size + _SLACK
    for _ in range(MAX_PIECES):
        raw = source.read(position, _PIECE.size) if position < source.size else b""
        if raw == _END:
            return
        offset, size = _PIECE.unpack(raw.ljust(_PIECE.size, b"\xff"))
        if len(raw) < _PIECE.size or offset < 0 or size <= 0:
            unread.append(Unread(position, 0, f"the file ends or is damaged at {position:#x}, without an end mark"))
            return
        position += _PIECE.size
        present = min(size, source.size - position)
        if offset + size > limit:
            unread.append(Unread(position, 0, f"the piece at {position:#x} claims to be at {offset:#x} of the dump"))
        elif present > 0:
            yield Region(offset, present, position, "memory")
        if present < size:
            unread.append(Unread(position, size - present, f"the piece at {position:#x} is cut short"))
            return
        position += size
    unread.append(Unread(position, 0, f"more than {MAX_PIECES} pieces"))


class FlattenedSource(PlainSource):
    """The dump inside, then the bytes of the file that are no part of it: headers, and what later pieces went over."""

    def __init__(self, base: Source) -> None:
        super().__init__(base, FlattenedSource)
        unread: list[Unread] = []
        self._pieces = list(_pieces(base, unread))
        if not self._pieces:
            raise FormatError("no piece of a dump in the flattened file")
        inner = max(piece.end for piece in self._pieces)
        self._chunks = Chunks()
        used: list[Span] = []
        for part in cover(reversed(self._pieces), inner):  # of two claims the first one counts
            if part.address is None:
                self._chunks.add(part.size, kind=1)
            else:
                self._chunks.add(part.size, part.address)
                used.append(Span(part.address, part.address + part.size))
        position = 0
        for span in sorted(used, key=lambda s: s.start):
            if span.start > position:
                self._chunks.align(position)
                self._chunks.add(span.start - position, position)
            position = span.end
        self._chunks.align(position)
        self._chunks.add(base.size - position, position)
        self.size, self.stable, self.unread = self._chunks.size, inner, tuple(unread)

    def piece(self, offset: int, size: int) -> bytes:
        """See :meth:`PlainSource.piece`."""
        return self._chunks.read_plain(self.base, offset, size) or b""

    def write(self, plain: Source, spans: Sequence[Span], path: Path) -> None:
        """The same pieces with the bytes of ``plain``, and one more piece if it is longer than this."""
        with path.open("wb") as out:
            out.write(self.base.read(0, _HEAD)[:32].ljust(_HEAD, b"\0"))
            pieces = [(piece.offset, piece.size) for piece in self._pieces]
            if plain.size > self.size:
                pieces.append((self.size, plain.size - self.size))
            for offset, size in pieces:
                out.write(_PIECE.pack(offset, size))
                for at in range(offset, offset + size, _CHUNK):
                    out.write(plain.read(at, min(_CHUNK, offset + size - at)))
            out.write(_END)
