"""The methods by which the blocks of a 7z archive are packed, over liblzma, zlib, bzip2 and Zstandard.

Source of the facts: ``Methods.txt`` and ``7zFormat.txt`` of the LZMA SDK.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import zstandard

from dumpscan.decoders import CHUNK, CORRUPT, MEMORY, Damage, Decoder, Inflate, Zstd


@dataclass(frozen=True, slots=True)
class Coder:
    """One step of a block: the id of its method, and the properties of that."""

    method: bytes
    properties: bytes = b""


COPY, LZMA, LZMA2 = b"\0", b"\3\1\1", b"\x21"
BCJ, BCJ2 = b"\3\3\1\3", b"\3\3\1\x1b"
DEFLATE, BZIP2, ZSTD = b"\4\1\x08", b"\4\2\2", b"\4\xf7\x11\1"
DELTA = b"\3"
_BRANCHES = {
    b"\4": lzma.FILTER_X86, BCJ: lzma.FILTER_X86,
    b"\5": lzma.FILTER_POWERPC, b"\3\3\2\5": lzma.FILTER_POWERPC,
    b"\6": lzma.FILTER_IA64, b"\3\3\4\1": lzma.FILTER_IA64,
    b"\7": lzma.FILTER_ARM, b"\3\3\5\1": lzma.FILTER_ARM,
    b"\x08": lzma.FILTER_ARMTHUMB, b"\3\3\7\1": lzma.FILTER_ARMTHUMB,
    b"\x09": lzma.FILTER_SPARC, b"\3\3\x08\5": lzma.FILTER_SPARC,
}  # fmt: skip
_PACKING = (LZMA, LZMA2, DEFLATE, BZIP2, ZSTD)
_UNREAD = {
    b"\3\4\1": "PPMd",
    b"\4\1\x09": "Deflate64",
    b"\x0a": "the filter for ARM64",
    b"\x0b": "the filter for RISC-V",
    b"\4\xf7\x11\2": "Brotli",
    b"\4\xf7\x11\4": "LZ4",
}
_ENCRYPTION = b"\6"
_LEAST_DICTIONARY = 1 << 12
_MOST_FILTERS = 3  # of liblzma, in front of LZMA
LZMA2_8M = Coder(LZMA2, b"\x16")
_WRITTEN_DICTIONARY = 8 << 20
"""The encoder takes ten times its dictionary: a copy is packed with less than some archives are."""


def method_problem(coder: Coder) -> str:
    """Why a method is not read; empty if it is."""
    if coder.method[:1] == _ENCRYPTION:
        return "is encrypted"
    if is_filter(coder) or is_packing(coder) or coder.method in (COPY, BCJ2):
        return ""
    return f"is packed by {_UNREAD.get(coder.method) or 'method ' + coder.method.hex()}, which is not read"


def memory_problem(coder: Coder, size: int) -> str:
    """Why a method of LZMA that gives ``size`` bytes cannot be run; empty if it can."""
    if coder.method not in (LZMA, LZMA2):
        return ""
    needed = _lzma_filter(coder, size).get("dict_size", 0)
    if not needed:
        return "states impossible properties of LZMA"
    return f"needs {needed} bytes of memory to be unpacked" if needed > MEMORY else ""


def decoded(coder: Coder, size: int, data: Iterator[bytes]) -> Iterator[bytes]:
    """What a method without problem gives for ``data``; :class:`Damage` if that is not ``size`` bytes."""
    if coder.method == COPY:
        return _exactly(size, data)
    if is_filter(coder):
        return _run(_filter_decoder(coder), size, _as_stored_lzma2(data))
    return _run(_decoder(coder, size), size, data)


def is_packing(coder: Coder) -> bool:
    """Whether a method gives another number of bytes than it gets."""
    return coder.method in _PACKING


def is_filter(coder: Coder) -> bool:
    """Whether a method changes bytes and not their number."""
    return coder.method in _BRANCHES or (coder.method == DELTA and len(coder.properties) == 1)


def _lzma_filter(coder: Coder, size: int) -> dict[str, int]:
    """The filter specification of liblzma; empty if the properties are impossible.

    No distance is greater than the bytes before it, so that no more than ``size`` bytes of dictionary are needed.
    """
    most = max(size, _LEAST_DICTIONARY)
    properties = coder.properties
    if coder.method == LZMA2:
        if len(properties) != 1 or properties[0] > 40:
            return {}
        code = properties[0]
        dictionary = (2 | code & 1) << (code // 2 + 11) if code < 40 else (1 << 32) - 1
        return {"id": lzma.FILTER_LZMA2, "dict_size": min(dictionary, most)}
    if len(properties) != 5 or properties[0] >= 9 * 5 * 5:
        return {}
    literal, position = properties[0] % 9, properties[0] // 9
    dictionary = max(int.from_bytes(properties[1:], "little"), _LEAST_DICTIONARY)
    lc_lp_pb = {"lc": literal, "lp": position % 5, "pb": position // 5}
    return {"id": lzma.FILTER_LZMA1, "dict_size": min(dictionary, most), **lc_lp_pb}


def _plain_filter(coder: Coder) -> dict[str, int]:
    if coder.method == DELTA:
        return {"id": lzma.FILTER_DELTA, "dist": coder.properties[0] + 1}
    return {"id": _BRANCHES[coder.method]}


def _filter_decoder(coder: Coder) -> Callable[[], Decoder]:
    chain = [_plain_filter(coder), {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)


def _decoder(coder: Coder, size: int) -> Callable[[], Decoder]:
    if coder.method in (LZMA, LZMA2):
        chain = [_lzma_filter(coder, size)]
        return lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
    others: dict[bytes, Callable[[], Decoder]] = {
        DEFLATE: lambda: Inflate(-15),
        BZIP2: bz2.BZ2Decompressor,
        ZSTD: Zstd,
    }
    return others[coder.method]


def _run(make: Callable[[], Decoder], size: int, packed: Iterator[bytes]) -> Iterator[bytes]:
    left = size
    try:
        decoder = make()
        for data in packed:
            while left:
                out = decoder.decompress(data, min(CHUNK, left))[:left]
                data = b""
                left -= len(out)
                if out:
                    yield out
                if decoder.eof or decoder.needs_input or not out:
                    break
            if decoder.eof or not left:
                break
    except CORRUPT as error:
        raise Damage(f"is damaged ({type(error).__name__})") from None
    if left:
        raise Damage(f"is damaged: {left} bytes are missing where its packed data ends")


def _exactly(size: int, packed: Iterator[bytes]) -> Iterator[bytes]:
    left = size
    for data in packed:
        if left:
            yield data[:left]
            left -= len(data[:left])
    if left:
        raise Damage(f"is damaged: {left} bytes are missing where its packed data ends")


def _as_stored_lzma2(data: Iterator[bytes]) -> Iterator[bytes]:
    """``data`` as LZMA2 that compresses nothing.

    liblzma runs a filter for branches only in front of LZMA, and holds back its last bytes unless that knows its end:
    LZMA2 does, and LZMA without a marker at its end, as 7-Zip writes it, does not.
    """
    control = b"\1"  # the first chunk resets the dictionary
    for piece in data:
        for at in range(0, len(piece), 1 << 16):
            part = piece[at : at + (1 << 16)]
            yield control + (len(part) - 1).to_bytes(2, "big") + part
            control = b"\2"
    yield b"\0"


# ---------------------------------------------------------------- packing


class Packer(Protocol):
    """What compressors have in common."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Copy:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Filtered:
    """A filter in front of a method that liblzma does not know: it goes through LZMA2 and out again."""

    def __init__(self, filters: Sequence[Coder], last: Packer) -> None:
        passing = {"id": lzma.FILTER_LZMA2, "preset": 0}
        chain = [*map(_plain_filter, reversed(filters)), passing]
        self._in = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=chain)
        self._out = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[passing])
        self._last = last

    def compress(self, data: bytes, /) -> bytes:
        packed = self._in.compress(data)
        return self._last.compress(self._out.decompress(packed)) if packed else b""

    def flush(self) -> bytes:
        return self._last.compress(self._out.decompress(self._in.flush())) + self._last.flush()


def packing(coders: Sequence[Coder]) -> tuple[tuple[Coder, ...], Packer]:
    """How a block is packed again that was packed by ``coders``: by the same methods, or else by LZMA2."""
    main, filters = coders[0], coders[1:]
    if not all(map(is_filter, filters)) or len(filters) > _MOST_FILTERS:
        main, filters = LZMA2_8M, ()
    if main.method in (LZMA, LZMA2):
        last = {**_lzma_filter(main, _WRITTEN_DICTIONARY), "preset": 3}
        chain = [*map(_plain_filter, reversed(filters)), last]
        again = Coder(main.method, _lzma_properties(main, last["dict_size"]))
        return (again, *filters), lzma.LZMACompressor(lzma.FORMAT_RAW, filters=chain)
    others: dict[bytes, Callable[[], Packer]] = {
        COPY: _Copy,
        DEFLATE: lambda: zlib.compressobj(6, zlib.DEFLATED, -15),
        BZIP2: bz2.BZ2Compressor,
        ZSTD: lambda: zstandard.ZstdCompressor(level=3).compressobj(),
    }
    if main.method not in others:
        return packing((LZMA2_8M, *filters))
    packer = others[main.method]()
    return (main, *filters), _Filtered(filters, packer) if filters else packer


def _lzma_properties(coder: Coder, dictionary: int) -> bytes:
    if coder.method == LZMA:
        return coder.properties[:1] + dictionary.to_bytes(4, "little")
    return bytes([next(code for code in range(41) if (2 | code & 1) << (code // 2 + 11) >= dictionary)])
