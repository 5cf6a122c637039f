"""How the members of a zip are packed, and how each is unpacked in bounded memory.

Sources of the format facts: APPNOTE.TXT 6.3.10, sections 4.3.7, 4.4.5 and 5.8 (LZMA). The standard library would give
all that 4 KiB of bzip2 or LZMA unpack to at once, and make a dictionary as large as LZMA states.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec

from dumpscan.decoders import MEMORY, Damage, Decoder, Inflate, Input, Pieces, Zstd, unpack
from dumpscan.source import Source

LOCAL_HEADER = struct.Struct("<4s2xHHHHIIIHH")
STORED, DEFLATE, DEFLATE64, BZIP2, LZMA, ZSTD, XZ = 0, 8, 9, 12, 14, 93, 95
_NAMES = {1: "Shrink", 6: "Implode", 10: "IBM TERSE", 96: "JPEG", 97: "WavPack", 98: "PPMd", DEFLATE64: "Deflate64"}
_ENCRYPTED, _ENDS_ITSELF, _NAME_IS_UTF8 = 1, 2, 0x800
MAGIC = b"PK\3\4"
_UNKNOWN = 1 << 64
_LONG, _SHORT = bytearray(512), bytearray(1)


class Inflate64(Pieces):
    """inflate64, which makes up to 29,000 bytes of one.

    Version 1.0.4 never lets go of what it was given, so it is given the same two buffers again and again: one for most
    of the data, and one for the last bytes one by one, since it does not tell how many it left behind the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._inflater = import_module("inflate64").Inflater()

    @property
    def eof(self) -> bool:
        return bool(self._inflater.eof)

    def length(self, left: int) -> int:
        """See :meth:`Pieces.length`."""
        return len(_LONG if left > len(_LONG) else _SHORT)

    def piece(self, data: bytes) -> bytes:
        """See :meth:`Pieces.piece`."""
        buffer = _LONG if len(data) == len(_LONG) else _SHORT
        buffer[:] = data
        return bytes(self._inflater.inflate(buffer))


class Lzma:
    """LZMA behind its header of nine bytes.

    It says itself where it ends, or does so with the member's plain bytes and, a few bytes later, its packed ones.
    """

    needs_input = True
    unused_data = b""

    def __init__(self, size: int, packed: int, flags: int) -> None:
        self._head, self._left, self._packed = b"", _UNKNOWN if flags & _ENDS_ITSELF else size, packed
        self._inner: lzma.LZMADecompressor | None = None

    @property
    def eof(self) -> bool:
        if self._inner is None:
            return False
        return self._inner.eof or (self._left <= 0 and self._packed <= 0)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._packed -= len(data)
        if self._inner is None:
            self._head += data
            if len(self._head) < 9:
                return b""
            self._inner, data = _raw_lzma(self._head[:9]), self._head[9:]
        out = self._inner.decompress(data, max_length)
        self.needs_input = self._inner.needs_input
        if self._inner.eof:
            self.unused_data = self._inner.unused_data
        self._left -= len(out)
        return out


def _raw_lzma(head: bytes) -> lzma.LZMADecompressor:
    length, mixed, dictionary = struct.unpack("<2xHBI", head)
    if length != 5 or mixed >= 9 * 5 * 5:
        raise ValueError("a header that LZMA does not have")
    if dictionary > MEMORY:
        raise ValueError(f"a dictionary of {dictionary} bytes")
    rest, lc = divmod(mixed, 9)
    pb, lp = divmod(rest, 5)
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), "lc": lc, "lp": lp, "pb": pb}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


_DECODERS: dict[int, Callable[[], Decoder]] = {
    DEFLATE: lambda: Inflate(-15),
    DEFLATE64: Inflate64,
    BZIP2: bz2.BZ2Decompressor,
    ZSTD: Zstd,
    XZ: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY),
}
METHODS = {STORED, LZMA, *_DECODERS}
"""The methods that are read."""


def problem(method: int, flags: int) -> str:
    """Why a member is not read; empty if it is."""
    if flags & _ENCRYPTED:
        return "is encrypted"
    if method not in METHODS:
        return f"is compressed by {_NAMES.get(method, f'method {method}')}, which is not read"
    if method == DEFLATE64 and find_spec("inflate64") is None:
        return "is compressed by Deflate64, and inflate64 is missing: pip install 'crash-dumpscan[deflate64]'"
    return ""


def member_bytes(
    source: Source, info: zipfile.ZipInfo, progress: Callable[[int], None] = lambda _size: None
) -> Iterator[bytes]:
    """The plain bytes of a member that :func:`problem` finds nothing in. Raises :class:`Damage`."""
    start = _start(source, info)
    stream = Input(source, progress, start, start + info.compress_size)
    size = checksum = 0
    for data in unpacked(stream, info.compress_type, info.flag_bits, (info.file_size, info.compress_size)):
        size, checksum = size + len(data), zlib.crc32(data, checksum)
        yield data
    if stream.next():
        raise Damage("is damaged: it goes on where its compressed data ends")
    if size != info.file_size or checksum != info.CRC:
        raise Damage("is damaged: it does not match its checksum or its size")


def _start(source: Source, info: zipfile.ZipInfo) -> int:
    """Where the packed bytes begin."""
    at = info.header_offset
    head = source.read(at, LOCAL_HEADER.size) if 0 <= at <= source.size - LOCAL_HEADER.size else b""
    if head[:4] != MAGIC:
        raise Damage(f"is damaged: it does not begin at byte {at}, as the directory says")
    _, flags, method, *_, name_size, extra_size = LOCAL_HEADER.unpack(head)
    at += LOCAL_HEADER.size
    name = source.read(at, min(name_size, source.size - at)).decode(_encoding(flags), "replace")
    if (name, method) != (info.orig_filename, info.compress_type) or flags & _ENCRYPTED:
        raise Damage("is damaged: what stands before it and the directory contradict one another")
    at += name_size + extra_size
    if at + info.compress_size > source.size:
        raise Damage(f"is cut short: the file ends at byte {source.size}, inside it")
    return int(at)


def _encoding(flags: int) -> str:
    return "utf-8" if flags & _NAME_IS_UTF8 else "cp437"


def unpacked(stream: Input, method: int, flags: int, sizes: tuple[int, int] = (_UNKNOWN, _UNKNOWN)) -> Iterator[bytes]:
    """What a stream of one of :data:`METHODS` gives; ``sizes`` of it plain and packed. Raises :class:`Damage`."""
    if method == STORED:
        while data := stream.next():
            yield data
        return
    decoder = Lzma(*sizes, flags) if method == LZMA else _DECODERS[method]()
    yield from unpack(decoder, b"", stream)
    if decoder.unused_data:
        raise Damage("is damaged: it goes on where its compressed data ends")
