"""The compressions of single pages; those that need a library that is optional may be missing."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import zstandard

from dumpscan.plain import DecodeError


@dataclass(frozen=True, slots=True)
class PageCodec:
    """``unpack(data, size)`` returns at most ``size`` bytes or raises :class:`DecodeError`; None: not installed."""

    name: str
    unpack: Callable[[bytes, int], bytes] | None
    pack: Callable[[bytes], bytes] | None


def _module(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None


def _unzlib(data: bytes, size: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, size)
    except zlib.error:
        raise DecodeError("zlib data is damaged") from None


def _unzstd(data: bytes, size: int) -> bytes:
    try:
        known = zstandard.get_frame_parameters(data).content_size
        if known > size and known not in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
            raise DecodeError("zstd data is larger than a page")
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(data, max_output_size=size)
    except zstandard.ZstdError:
        raise DecodeError("zstd data is damaged") from None


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(data)


def _snappy_codec() -> PageCodec:
    library = _module("cramjam")
    if library is None:
        return PageCodec("snappy", None, None)
    snappy = library.snappy

    def unpack(data: bytes, size: int) -> bytes:
        try:
            if snappy.decompress_raw_len(data) > size:
                raise DecodeError("snappy data is larger than a page")
            return bytes(snappy.decompress_raw(data))
        except DecodeError:
            raise
        except Exception:  # the library's own error, whose text may quote the data
            raise DecodeError("snappy data is damaged") from None

    return PageCodec("snappy", unpack, lambda data: bytes(snappy.compress_raw(data)))


def _lzo_codec() -> PageCodec:
    library = _module("lzallright")
    if library is None:
        return PageCodec("lzo", None, None)
    decompress, compressor = library.LZOCompressor.decompress, library.LZOCompressor

    def unpack(data: bytes, size: int) -> bytes:
        try:
            return bytes(decompress(data, output_size_hint=size))
        except Exception:  # as above
            raise DecodeError("lzo data is damaged") from None

    return PageCodec("lzo", unpack, lambda data: bytes(compressor().compress(data)))


ZLIB = PageCodec("zlib", _unzlib, lambda data: zlib.compress(data, 6))
ZSTD = PageCodec("zstd", _unzstd, _zstd)
SNAPPY = _snappy_codec()
LZO = _lzo_codec()

COMPRESSED = 0x27
"""The flags of a page descriptor that name a compression; without any of them the page is stored as it is."""

BY_FLAG = {1: ZLIB, 2: LZO, 4: SNAPPY, 0x20: ZSTD}


def snappy_chunk(chunk: bytes) -> bytes:
    """The plain bytes of one chunk of a framed stream, its checksum verified. Only where :data:`SNAPPY` can unpack."""
    try:
        return bytes(import_module("cramjam").snappy.decompress(_IDENTIFIER + chunk))
    except Exception:  # as above
        raise DecodeError("snappy data is damaged") from None


_IDENTIFIER = b"\xff\6\0\0sNaPpY"


def snappy_frames(data: bytes) -> bytes:
    """``data`` as a framed snappy stream. Only where :data:`SNAPPY` can pack."""
    return bytes(import_module("cramjam").snappy.compress(data))
