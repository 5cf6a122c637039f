"""Decompression: what the wrappers of dumps look like, and how to read each to its end in bounded memory.

Sources of the format facts: RFC 1952 (gzip), RFC 8878 (zstd), the xz file format 1.2.0, LZ4 frame format 1.6.3,
APPNOTE.TXT 6.3.10 (zip).
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

import lz4.frame
import zstandard

from dumpscan.as_file import SourceFile
from dumpscan.errors import SourceError
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


class Zstd:
    """zstandard with the interface of bz2.

    Its decompressor cannot bound its output, so the input is cut: a piece holds at most 256 blocks of 128 KiB.
    """

    _PIECE = 1024

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor(max_window_size=MEMORY).decompressobj()
        self._pending = b""
        self._at = 0

    @property
    def eof(self) -> bool:
        return self._zstd.eof

    @property
    def needs_input(self) -> bool:
        return self._at >= len(self._pending)

    @property
    def unused_data(self) -> bytes:
        return self._zstd.unused_data + self._pending[self._at :]

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._pending, self._at = self._pending[self._at :] + data, 0
        out: list[bytes] = []
        size = 0
        while size < max_length and not self.needs_input and not self._zstd.eof:
            piece = self._pending[self._at : self._at + self._PIECE]
            self._at += len(piece)
            out.append(self._zstd.decompress(piece))
            size += len(out[-1])
        return b"".join(out)


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: Inflate(31),
    "zstd": Zstd,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY),
    "lz4": lambda: cast(Decoder, lz4.frame.LZ4FrameDecompressor()),
    "bzip2": bz2.BZ2Decompressor,
}

CORRUPT = (zlib.error, lzma.LZMAError, zstandard.ZstdError, RuntimeError, OSError, EOFError, ValueError, MemoryError)
"""What decoders raise on damaged input; lz4 raises RuntimeError, bz2 OSError."""


class _Input:
    """The compressed bytes, in order, counted."""

    def __init__(self, source: Source, progress: Callable[[int], None], start: int = 0) -> None:
        self._source, self._progress = source, progress
        self.at = start

    def next(self) -> bytes:
        data = self._source.read(self.at, CHUNK)
        self.at += len(data)
        if data:
            self._progress(len(data))
        return data


def _member(decoder: Decoder, data: bytes, stream: _Input) -> Iterator[bytes]:
    """Decompress one member (frame, stream); its first bytes are ``data``."""
    while True:
        try:
            out = decoder.decompress(data, CHUNK)
        except CORRUPT as error:
            raise Damage(f"is damaged before byte {stream.at} ({error})") from None
        if out:
            yield out
        if decoder.eof:
            return
        data = b""
        if decoder.needs_input and not (data := stream.next()):
            raise Damage(f"is cut short: it ends at byte {stream.at}, inside its compressed data")


def decode_stream(name: str, source: Source, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Decompress every member up to the end of the file. Zeros between and after members are padding.

    Raises :class:`Damage` after the last byte that could be decompressed.
    """
    stream = _Input(source, progress)
    data = stream.next()
    while data:
        decoder = _DECODERS[name]()
        yield from _member(decoder, data, stream)
        data = (decoder.unused_data or b"").lstrip(b"\0")
        while not data and (more := stream.next()):
            data = more.lstrip(b"\0")
        data += stream.next() if 0 < len(data) < 16 else b""
        if data and not _MAGIC[name](data) and not (name in ("zstd", "lz4") and _skippable(data)):
            begin = stream.at - len(data)
            raise Damage(f"is followed by {source.size - begin} bytes that are not part of it, at {begin}")


# ---------------------------------------------------------------- zip


_LONGEST_READ = 1 << 20


def _as_file(source: Source, progress: Callable[[int], None]) -> BinaryIO:
    """A source as a file for :mod:`zipfile`."""

    def too_long(size: int) -> SourceError:
        return SourceError(f"zip directory of {size} bytes: only a zip with a single dump in it is supported")

    return cast(BinaryIO, SourceFile(source, _LONGEST_READ, too_long, progress))


_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, struct.error, KeyError, IndexError, *CORRUPT)


def decode_zip(source: Source, progress: Callable[[int], None], names: list[str]) -> Iterator[bytes]:
    """Decompress the only member of a zip, and append its name to ``names``."""
    try:
        archive = zipfile.ZipFile(_as_file(source, progress))
    except _ZIP_ERRORS:
        yield from _decode_zip_head(source, progress, names)
        return
    with archive:
        info = _only_member(archive.infolist())
        names.append(info.filename)
        try:
            with archive.open(info) as member:
                while data := member.read(CHUNK):
                    yield data
        except NotImplementedError:
            raise SourceError(f"zip member is compressed by method {info.compress_type}, not supported") from None
        except _ZIP_ERRORS as error:
            raise Damage(f"is damaged ({error})") from None
        if info.header_offset:
            raise Damage(f"has {info.header_offset} bytes before its member")
        _check_zip_end(source)


def holds_one_file(source: Source) -> bool:
    """Whether a zip is a wrapper around one file; also if it is too damaged to tell."""
    try:
        with zipfile.ZipFile(_as_file(source, lambda _: None)) as archive:
            return len(archive.infolist()) == sum(not info.is_dir() for info in archive.infolist()) == 1
    except SourceError:  # a directory of more than a megabyte
        return False
    except _ZIP_ERRORS:
        return True


def _only_member(members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    files = [info for info in members if not info.is_dir()]
    if len(files) != 1:
        raise SourceError(f"zip with {len(files)} files in it: unpack it and give the dump itself")
    if files[0].flag_bits & 1:
        raise SourceError("zip is encrypted: unpack it and give the dump itself")
    return files[0]


def _check_zip_end(source: Source) -> None:
    """Complain of bytes after the end record: nobody looks at them."""
    start = max(0, source.size - 22 - 0xFFFF)
    tail = source.read(start, source.size - start)
    at = tail.rfind(b"PK\5\6")
    extra = len(tail) - (at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little"))
    if extra > 0:
        raise Damage(f"is followed by {extra} bytes that are not part of it")


def _decode_zip_head(source: Source, progress: Callable[[int], None], names: list[str]) -> Iterator[bytes]:
    """Decompress the first member of a zip that has lost its directory, which stands at the end."""
    head = source.read(0, 30)
    if len(head) < 30 or head[:4] != b"PK\3\4":
        raise Damage("is cut short: it has no member")
    flags, method = struct.unpack_from("<HH", head, 6)
    size, name_size, extra_size = struct.unpack_from("<I4xHH", head, 18)
    if flags & 1:
        raise SourceError("zip is encrypted: unpack it and give the dump itself")
    names.append(source.read(30, name_size).decode("utf-8", "replace"))
    stream = _Input(source, progress, 30 + name_size + extra_size)
    if method == zipfile.ZIP_DEFLATED:
        yield from _member(Inflate(-15), b"", stream)
    elif method == zipfile.ZIP_STORED:
        left = size if 0 < size < 0xFFFFFFFF and not flags & 8 else source.size
        while left > 0 and (data := stream.next()):
            yield data[:left]
            left -= len(data)
    raise Damage(f"is cut short: its directory is missing at the end, byte {source.size}")
