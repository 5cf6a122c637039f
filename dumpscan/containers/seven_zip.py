"""7z archives: members that lie one after the other in blocks, which are unpacked from their start."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from dumpscan.containers.base import Content, Item, Member
from dumpscan.containers.seven_zip_header import MAGIC, Block, Entry, Stream, read_directory
from dumpscan.containers.seven_zip_write import Writer
from dumpscan.decoders import Damage
from dumpscan.source import Source


class SevenZip:
    """Read one block at a time, and each block once."""

    name = "7z"
    title = "7z archive"
    unread = "encrypted members, PPMd, Deflate64, Brotli, and filters for ARM64 and RISC-V"

    def sniff(self, source: Source) -> bool:
        return source.read(0, len(MAGIC)) == MAGIC

    def items(self, source: Source) -> Iterator[Item]:
        directory = read_directory(source)
        streams = ((block, stream) for block in directory.blocks for stream in block.streams)
        current: _Unpacking | None = None
        for entry in directory.entries:
            if entry.block < 0:
                yield Item(entry.name, entry, None if entry.folder or entry.anti else iter(()))
                continue
            block, stream = next(streams)
            if current is None or current.block is not block:
                current = _Unpacking(source, block)
            if current.problem:
                yield Item(entry.name, entry, problem=current.problem)
            else:
                yield Item(entry.name, entry, current.member(stream))
        if directory.unclaimed:
            raise Damage(f"has {directory.unclaimed} bytes that belong to no member")

    def write(self, members: Sequence[Member], out: BinaryIO, content: Content) -> None:
        writer = Writer(out)
        for member in members:
            writer.add(cast(Entry, member.meta), content(member))
        writer.finish()


class _Unpacking:
    """The plain bytes of a block, member by member."""

    def __init__(self, source: Source, block: Block) -> None:
        self.block, self.problem = block, block.problem
        self._pieces = iter(()) if block.problem else block.read(source)
        self._rest = b""

    def member(self, stream: Stream) -> Iterator[bytes]:
        """Its bytes; after a damage nothing that follows can be told."""
        left, checksum = stream.size, 0
        while left:
            try:
                self._rest = self._rest or next(self._pieces)
            except Damage:
                self.problem = "cannot be unpacked: its block is damaged before it"
                raise
            data, self._rest = self._rest[:left], self._rest[left:]
            left -= len(data)
            checksum = zlib.crc32(data, checksum)
            yield data
        if stream.checksum not in (None, checksum):
            raise Damage("does not match its checksum")
