"""Decompression: what the wrappers of dumps look like, and how to read each to its end in bounded memory.

Sources of the format facts: RFC 1952 (gzip), RFC 8878 (zstd), the xz file format 1.2.0, LZ4 frame format 1.6.3.
A zip is read by :mod:`dumpscan.zip_file`.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol, cast

import lz4.frame
import zstandard

from dumpscan.source import Source

WRAPPERS = ("gzip", "zstd", "xz", "lz4", "bzip2", "zip")
"""The names of the wrappers."""

CHUNK = 256 << 10
"""Bytes read, and bytes decompressed, at once."""

MEMORY = 1 << 29
"""What a decompressor may take: xz -9 wants 65 MiB, zstd --long=27 128 MiB."""


class Damage(Exception):  # noqa: N818
    """The compressed stream ends or goes wrong; the text says how."""


# ---------------------------------------------------------------- recognition


def _is_bzip2(head: bytes) -> bool:
    return head[:3] == b"BZh" and head[3:4].isdigit() and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90")


_MAGIC: dict[str, Callable[[bytes], bool]] = {
    "gzip": lambda head: head.startswith(b"\x1f\x8b\x08"),
    "zstd": lambda head: head.startswith(b"\x28\xb5\x2f\xfd"),
    "xz": lambda head: head.startswith(b"\xfd7zXZ\0"),
    "lz4": lambda head: head.startswith(b"\x04\x22\x4d\x18"),
    "bzip2": _is_bzip2,
    "zip": lambda head: head.startswith((b"PK\3\4", b"PK\5\6")),
}


def _skippable(head: bytes) -> bool:
    """A frame of user data, which zstd and LZ4 share: pzstd begins its files with one."""
    return len(head) >= 8 and head[0] & 0xF0 == 0x50 and head[1:4] == b"\x2a\x4d\x18"


def recognise(source: Source) -> str:
    """Name the wrapper of ``source``; ``""`` if there is none."""
    head = source.read(0, 16)
    offset = 0
    for _ in range(16):
        if not _skippable(head):
            break
        offset += 8 + int.from_bytes(head[4:8], "little")
        head = source.read(offset, 16)
    names = ("zstd", "lz4") if offset else WRAPPERS
    return next((name for name in names if _MAGIC[name](head)), "")


# ---------------------------------------------------------------- stream decoders


class Decoder(Protocol):
    """What the decompressors of bz2, lzma and lz4 have in common; the others are adapted to it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Inflate:
    """zlib with the interface of bz2."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail and not self._more

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    _more = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._more = len(out) == max_length  # zlib may hold output back although it has taken all input
        return out


class Pieces:
    """A decompressor that cannot bound its output, with the interface of bz2: it gets its input in small pieces.

    Derived classes say how long a piece is when so many bytes are there, and unpack one.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._at = 0

    @property
    def eof(self) -> bool:
        raise NotImplementedError

    @property
    def needs_input(self) -> bool:
        return self._at >= len(self._pending)

    @property
    def unused_data(self) -> bytes:
        return self._pending[self._at :]

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._pending, self._at = self._pending[self._at :] + data, 0
        out: list[bytes] = []
        size = 0
        while size < max_length and not self.needs_input and not self.eof:
            length = self.length(len(self._pending) - self._at)
            piece = self._pending[self._at : self._at + length]
            self._at += len(piece)
            out.append(self.piece(piece))
            size += len(out[-1])
        return b"".join(out)

    def length(self, left: int) -> int:
        """How long the next piece is."""
        raise NotImplementedError

    def piece(self, data: bytes) -> bytes:
        """Unpack a piece."""
        raise NotImplementedError


class Zstd(Pieces):
    """zstandard; a piece holds at most 256 blocks of 128 KiB."""

    def __init__(self) -> None:
        super().__init__()
        self._zstd = zstandard.ZstdDecompressor(max_window_size=MEMORY).decompressobj()

    @property
    def eof(self) -> bool:
        return self._zstd.eof

    @property
    def unused_data(self) -> bytes:
        return self._zstd.unused_data + super().unused_data

    def length(self, left: int) -> int:
        """See :meth:`Pieces.length`."""
        return 1024

    def piece(self, data: bytes) -> bytes:
        """See :meth:`Pieces.piece`."""
        return self._zstd.decompress(data)


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: Inflate(31),
    "zstd": Zstd,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY),
    "lz4": lambda: cast(Decoder, lz4.frame.LZ4FrameDecompressor()),
    "bzip2": bz2.BZ2Decompressor,
}

CORRUPT = (zlib.error, lzma.LZMAError, zstandard.ZstdError, RuntimeError, OSError, EOFError, ValueError, MemoryError)
"""What decoders raise on damaged input; lz4 raises RuntimeError, bz2 OSError."""


class Input:
    """The compressed bytes from ``start`` to ``stop``, in order, counted."""

    def __init__(
        self, source: Source, progress: Callable[[int], None], start: int = 0, stop: int | None = None
    ) -> None:
        self._source, self._progress = source, progress
        self.at, self._stop = start, source.size if stop is None else stop

    def next(self) -> bytes:
        data = self._source.read(self.at, max(0, min(CHUNK, self._stop - self.at)))
        self.at += len(data)
        if data:
            self._progress(len(data))
        return data


def unpack(decoder: Decoder, data: bytes, stream: Input) -> Iterator[bytes]:
    """Decompress one member (frame, stream); its first bytes are ``data``. Raises :class:`Damage`."""
    while not decoder.eof:
        if not data and decoder.needs_input and not (data := stream.next()):
            raise Damage(f"is cut short: it ends at byte {stream.at}, inside its compressed data")
        try:
            out = decoder.decompress(data, CHUNK)
        except CORRUPT as error:
            raise Damage(f"is damaged before byte {stream.at} ({error})") from None
        if out:
            yield out
        data = b""


def decode_stream(name: str, source: Source, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Decompress every member up to the end of the file. Zeros between and after members are padding.

    Raises :class:`Damage` after the last byte that could be decompressed.
    """
    stream = Input(source, progress)
    data = stream.next()
    while data:
        decoder = _DECODERS[name]()
        yield from unpack(decoder, data, stream)
        data = (decoder.unused_data or b"").lstrip(b"\0")
        while not data and (more := stream.next()):
            data = more.lstrip(b"\0")
        data += stream.next() if 0 < len(data) < 16 else b""
        if data and not _MAGIC[name](data) and not (name in ("zstd", "lz4") and _skippable(data)):
            begin = stream.at - len(data)
            raise Damage(f"is followed by {source.size - begin} bytes that are not part of it, at {begin}")
