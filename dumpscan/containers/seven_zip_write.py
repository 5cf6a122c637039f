"""Writing a 7z archive as another was written: the same members in the same blocks, packed by the same methods."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dumpscan.containers.as_file import chunks
from dumpscan.containers.seven_zip_coders import LZMA2_8M, Coder, Packer, packing
from dumpscan.containers.seven_zip_header import (
    ACCESSED,
    ANTI,
    ATTRIBUTES,
    BLOCKS,
    CHECKSUMS,
    COUNTS,
    CREATED,
    EMPTY_FILE,
    EMPTY_STREAM,
    END,
    FILES,
    FOLDER,
    HEAD,
    HEADER,
    MAGIC,
    MODIFIED,
    NAMES,
    PACKED,
    SIZES,
    STREAMS,
    SUBSTREAMS,
    UNPACKED_SIZES,
    Entry,
)

_VERSION = b"\0\4"


@dataclass(slots=True)
class _Block:
    """A block while it is written; ``origin`` is its number in the archive that was read."""

    origin: int
    coders: tuple[Coder, ...]
    packer: Packer
    packed: int = 0
    sizes: list[int] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)


class Writer:
    """Members are added in the order in which they were read. ``out`` is empty, and can be written anywhere."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._blocks: list[_Block] = []
        self._open: _Block | None = None
        self._entries: list[tuple[Entry, bool]] = []
        out.write(bytes(HEAD))

    def add(self, entry: Entry, path: Path | None) -> None:
        """Add a member whose bytes lie at ``path``, if it has any."""
        has_bytes = path is not None and path.stat().st_size > 0
        self._entries.append((entry, has_bytes))
        if path is None or not has_bytes:
            return
        block = self._block_of(entry)
        size = checksum = 0
        for data in chunks(path):
            size += len(data)
            checksum = zlib.crc32(data, checksum)
            self._put(block, block.packer.compress(data))
        block.sizes.append(size)
        block.checksums.append(checksum)

    def finish(self) -> None:
        """Write the directory, and where it is."""
        self._close_block()
        directory = bytes([HEADER]) + self._streams() + self._files() + bytes([END])
        self._out.write(directory)
        place = sum(block.packed for block in self._blocks), len(directory), zlib.crc32(directory)
        where = place[0].to_bytes(8, "little") + place[1].to_bytes(8, "little") + place[2].to_bytes(4, "little")
        self._out.seek(0)
        self._out.write(MAGIC + _VERSION + zlib.crc32(where).to_bytes(4, "little") + where)

    # ------------------------------------------------------------ packed data

    def _block_of(self, entry: Entry) -> _Block:
        if self._open is None or self._open.origin != entry.block:
            self._close_block()
            coders, packer = packing(entry.coders or (LZMA2_8M,))
            self._open = _Block(entry.block, coders, packer)
            self._blocks.append(self._open)
        return self._open

    def _close_block(self) -> None:
        if self._open is not None:
            self._put(self._open, self._open.packer.flush())
            self._open = None

    def _put(self, block: _Block, data: bytes) -> None:
        self._out.write(data)
        block.packed += len(data)

    # ------------------------------------------------------------ the directory

    def _streams(self) -> bytes:
        blocks = self._blocks
        if not blocks:
            return b""
        packed = _number(0) + _number(len(blocks)) + bytes([SIZES]) + _numbers(block.packed for block in blocks)
        plans = bytes([FOLDER]) + _number(len(blocks)) + b"\0" + b"".join(_plan(block.coders) for block in blocks)
        totals = _numbers(sum(block.sizes) for block in blocks for _ in block.coders)
        counts = _numbers(len(block.sizes) for block in blocks)
        sizes = _numbers(size for block in blocks for size in block.sizes[:-1])
        checksums = b"\1" + b"".join(value.to_bytes(4, "little") for block in blocks for value in block.checksums)
        return b"".join((
            bytes([STREAMS, PACKED]), packed, bytes([END]),
            bytes([BLOCKS]), plans, bytes([UNPACKED_SIZES]), totals, bytes([END]),
            bytes([SUBSTREAMS, COUNTS]), counts, bytes([SIZES]), sizes, bytes([CHECKSUMS]), checksums,
            bytes([END, END]),
        ))  # fmt: skip

    def _files(self) -> bytes:
        entries = [entry for entry, _ in self._entries]
        bare = [entry for entry, has_bytes in self._entries if not has_bytes]
        out = bytes([FILES]) + _number(len(entries))
        if bare:
            out += _property(EMPTY_STREAM, _bits([not has_bytes for _, has_bytes in self._entries]))
            out += _property(EMPTY_FILE, _bits([not entry.folder for entry in bare]))
            out += _property(ANTI, _bits([entry.anti for entry in bare])) if any(e.anti for e in bare) else b""
        names = "".join(entry.name + "\0" for entry in entries)
        out += _property(NAMES, b"\0" + names.encode("utf-16-le", "surrogatepass"))
        for number in (CREATED, ACCESSED, MODIFIED):
            out += _values(number, [entry.times.get(number) for entry in entries], 8)
        return out + _values(ATTRIBUTES, [entry.attributes for entry in entries], 4) + bytes([END])


def _number(value: int) -> bytes:
    """A number whose first byte says by its leading ones how many more follow."""
    more = next((more for more in range(8) if value < 1 << 7 * (more + 1)), 8)
    low = (value & (1 << 8 * more) - 1).to_bytes(more, "little")
    return bytes([0xFF & ~(0xFF >> more) | value >> 8 * more]) + low


def _numbers(values: Iterable[int]) -> bytes:
    return b"".join(map(_number, values))


def _plan(coders: Sequence[Coder]) -> bytes:
    """Methods in the order of unpacking: the first gets the packed data, each other the output of the one before."""
    out = _number(len(coders))
    for coder in coders:
        out += bytes([len(coder.method) | (0x20 if coder.properties else 0)]) + coder.method
        out += _number(len(coder.properties)) + coder.properties if coder.properties else b""
    return out + b"".join(_number(i + 1) + _number(i) for i in range(len(coders) - 1))


def _bits(values: Sequence[bool]) -> bytes:
    out = bytearray((len(values) + 7) // 8)
    for i, value in enumerate(values):
        out[i // 8] |= 0x80 >> i % 8 if value else 0
    return bytes(out)


def _property(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + _number(len(data)) + data


def _values(kind: int, values: Sequence[int | None], size: int) -> bytes:
    if all(value is None for value in values):
        return b""
    here = b"\1" if None not in values else b"\0" + _bits([value is not None for value in values])
    return _property(kind, here + b"\0" + b"".join(v.to_bytes(size, "little") for v in values if v is not None))
