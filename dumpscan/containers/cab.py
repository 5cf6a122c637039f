"""Cabinets (.cab): files that lie one after the other in folders of blocks, stored or packed by MSZIP or LZX.

MSZIP is deflate, a stream of its own for each block of 32 KiB, which refers back to the block before ([MS-MCI]).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from dumpscan.containers.base import Content, Item, Member
from dumpscan.containers.cab_header import (
    BLOCK,
    LARGEST_BLOCK,
    LZX,
    MAGIC,
    MSZIP,
    Directory,
    Entry,
    Folder,
    checksum,
    read_directory,
)
from dumpscan.containers.cab_write import write_cabinet
from dumpscan.containers.lzx import Lzx
from dumpscan.decoders import Damage
from dumpscan.source import Source

MOST_LZX = 256 << 20
"""Plain bytes of LZX that are read of a cabinet: they are unpacked by Python."""

_SIGNATURE = b"CK"


class Cabinet:
    """Files are read in the order of their data, each folder once; a copy lists them in the order of the original."""

    name = "cab"
    title = "cabinet"
    unread = "Quantum, LZX beyond 256 MiB, sets of several cabinets"

    def sniff(self, source: Source) -> bool:
        return source.read(0, len(MAGIC)) == MAGIC

    def items(self, source: Source) -> Iterator[Item]:
        directory = read_directory(source)
        if directory.is_of_set:
            for entry in directory.entries:
                yield Item(entry.name, entry, problem="lies in one of several cabinets, which are not read")
            return
        yield from _files(source, directory)
        if directory.end > source.size:
            raise Damage(f"is cut short: it ends at byte {source.size}, and should at {directory.end}")
        unused = sum(_unused(directory))
        if unused or directory.unclaimed:
            raise Damage(f"has {directory.unclaimed} bytes, and {unused} that are packed, that belong to no member")

    def write(self, members: Sequence[Member], out: BinaryIO, content: Content) -> None:
        write_cabinet([(cast(Entry, member.meta), content(member)) for member in members], out)


def _files(source: Source, directory: Directory) -> Iterator[Item]:
    unpacking: _Unpacking | None = None
    lzx = MOST_LZX
    for entry in sorted(directory.entries, key=lambda one: (one.folder, one.offset, one.number)):
        if entry.folder >= len(directory.folders):
            yield Item(entry.name, entry, problem="goes on in another cabinet")
            continue
        folder = directory.folders[entry.folder]
        if unpacking is None or unpacking.folder is not folder:
            unpacking = _Unpacking(source, folder, lzx)
            lzx -= folder.size if folder.method == LZX else 0
        problem = unpacking.problem or unpacking.misplaced(entry)
        if problem:
            yield Item(entry.name, entry, problem=problem)
        else:
            yield Item(entry.name, entry, unpacking.file(entry))


def _unused(directory: Directory) -> Iterator[int]:
    """How many plain bytes of each folder lie behind its last file."""
    ends: dict[int, int] = {}
    for entry in directory.entries:
        ends[entry.folder] = max(ends.get(entry.folder, 0), entry.offset + entry.size)
    for number, folder in enumerate(directory.folders):
        yield max(0, folder.size - ends.get(number, 0))


class _Unpacking:
    """The plain bytes of a folder, file by file."""

    def __init__(self, source: Source, folder: Folder, lzx: int) -> None:
        self.folder, self.problem = folder, folder.problem
        self._pieces = _plain(source, folder, lzx)
        self._at = 0
        self._rest = b""

    def misplaced(self, entry: Entry) -> str:
        """Why a file cannot be read next; a file of no bytes lies anywhere."""
        if entry.size == 0 or entry.offset == self._at:
            return ""
        where = "overlaps another member" if entry.offset < self._at else "lies behind bytes of no member"
        return f"{where} in its folder, at {entry.offset}"

    def file(self, entry: Entry) -> Iterator[bytes]:
        """Its bytes; after a damage nothing that follows can be told."""
        left = entry.size
        while left:
            try:
                self._rest = self._rest or next(self._pieces, b"")
                if not self._rest:
                    raise Damage(f"is damaged: {left} bytes are missing where its folder ends")
            except Damage:
                self.problem = "cannot be unpacked: its folder is damaged before it"
                raise
            data, self._rest = self._rest[:left], self._rest[left:]
            left -= len(data)
            self._at += len(data)
            yield data


def _plain(source: Source, folder: Folder, most_lzx: int) -> Iterator[bytes]:
    """What each block gives."""
    at, before = folder.offset, b""
    lzx = Lzx(folder.window) if folder.method == LZX else None
    for _ in range(folder.blocks):
        head = source.read(at, BLOCK.size + folder.reserved)
        stated, packed, plain = BLOCK.unpack_from(head)
        data = source.read(at + len(head), packed)
        at += len(head) + packed
        whole = checksum(data)
        if stated and stated not in (checksum(head[4:8], whole), checksum(head[4:], whole)):
            raise Damage("does not match its checksum")
        if folder.method == MSZIP:
            data = before = _inflated(data, before)
        elif lzx:
            most_lzx -= plain
            if most_lzx < 0:
                raise Damage(f"is not read to its end: more than {MOST_LZX} bytes of LZX")
            data = lzx.frame(data, plain)
        if len(data) != plain:
            raise Damage(f"is damaged: a block of {plain} bytes gives {len(data)}")
        yield data


def _inflated(data: bytes, before: bytes) -> bytes:
    if data[:2] != _SIGNATURE:
        raise Damage("is damaged: a block does not begin as MSZIP does")
    try:
        inflate = zlib.decompressobj(-15, before)
        return inflate.decompress(data[2:], LARGEST_BLOCK + 1)
    except zlib.error:
        raise Damage("is damaged (MSZIP)") from None
