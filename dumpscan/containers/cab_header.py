"""The directory of a cabinet: folders of packed blocks, and the files in them.

Source of the facts: [MS-CAB] of Microsoft's open specifications.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from dumpscan.containers.lzx import WINDOWS
from dumpscan.decoders import Damage
from dumpscan.source import Source

MAGIC = b"MSCF\0\0\0\0"
HEAD = struct.Struct("<4s4xI4xI4xBBHHHHH")
FOLDER = struct.Struct("<IHH")
FILE = struct.Struct("<IIHHHH")
BLOCK = struct.Struct("<IHH")

STORED, MSZIP, LZX = 0, 1, 3
LARGEST_BLOCK = 32 << 10
MOST_BLOCKS = 0xFFFF
NAME_IS_UTF8 = 0x80
_BEFORE, _AFTER, _RESERVES = 1, 2, 4
_FIRST_SHARED = 0xFFFD  # folder numbers from here on: the file goes on in another cabinet
_LONGEST_NAME = 256
_LARGEST_PACKED = LARGEST_BLOCK + 6144
_METHOD, _WINDOW = 0x000F, 0x1F00
_METHODS = {2: "Quantum"}


@dataclass(frozen=True, slots=True)
class Folder:
    """A stretch of blocks that are unpacked one after the other.

    ``size`` is that of all its plain bytes, ``window`` how many bits that of LZX's window has.
    """

    offset: int
    blocks: int
    method: int
    reserved: int
    size: int
    end: int
    window: int = 0

    @property
    def problem(self) -> str:
        """Why it cannot be unpacked."""
        if self.method in (STORED, MSZIP) or (self.method == LZX and self.window in WINDOWS):
            return ""
        if self.method == LZX:
            return f"is damaged: it states a window of LZX of {self.window} bits"
        return f"is packed by {_METHODS.get(self.method, f'method {self.method}')}, which is not read"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: where in the plain bytes of which folder it lies, and ``number``, its place in the directory."""

    number: int
    folder: int
    offset: int
    size: int
    date: int
    time: int
    attributes: int
    raw_name: bytes
    method: int = STORED

    @property
    def name(self) -> str:
        """As it can be shown; the encoding of a name that is not UTF-8 is not known."""
        if self.attributes & NAME_IS_UTF8:
            return self.raw_name.decode("utf-8", "surrogateescape")
        return self.raw_name.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Directory:
    """What a cabinet says of itself.

    ``folders`` is empty where the cabinet is one of a ``set``: what is packed in it may begin in another. ``unclaimed``
    is how many bytes of the file belong to nothing that it names, ``end`` where the file should end.
    """

    folders: tuple[Folder, ...]
    entries: tuple[Entry, ...]
    is_of_set: bool
    unclaimed: int
    end: int


def read_directory(source: Source) -> Directory:
    """The directory of the cabinet; raises :class:`Damage`."""
    _, end, files_at, _, major, count, files, flags, _, _ = HEAD.unpack(_take(source, 0, HEAD.size))
    if major != 1:
        raise Damage(f"is of version {major}")
    at, reserve, folder_reserve, block_reserve = HEAD.size, b"", 0, 0
    if flags & _RESERVES:
        header_reserve, folder_reserve, block_reserve = struct.unpack("<HBB", _take(source, at, 4))
        reserve = _take(source, at + 4, header_reserve)
        at += 4 + header_reserve
    is_of_set = bool(flags & (_BEFORE | _AFTER))
    for _ in range(2 * bool(flags & _BEFORE) + 2 * bool(flags & _AFTER)):
        at += len(_name(source, at)) + 1
    step = FOLDER.size + folder_reserve
    plans = [FOLDER.unpack(_take(source, at + i * step, FOLDER.size)) for i in range(count)]
    at += count * step
    methods = [kind & _METHOD for _, _, kind in plans]
    if files_at < at:
        raise Damage(f"is damaged: its files are listed at byte {files_at}, inside its folders")
    entries, entries_end = _entries(source, files_at, files, methods)
    if is_of_set:
        return Directory((), entries, True, 0, end)
    unclaimed = files_at - at + len(reserve.strip(b"\0"))
    folders, low = [], entries_end
    for offset, blocks, kind in plans:
        if blocks and offset < low:
            raise Damage(f"is damaged: the data of a folder at byte {offset} lies in other data")
        folder = _walked(source, offset if blocks else low, blocks, kind, block_reserve)
        folders.append(folder)
        if folder.blocks < blocks:  # cut short
            end = max(end, source.size + 1)
        unclaimed += folder.offset - low
        low = folder.end
    unclaimed += max(0, source.size - low) if end <= source.size else 0
    return Directory(tuple(folders), entries, False, unclaimed, max(end, low))


def _take(source: Source, at: int, size: int) -> bytes:
    data = source.read(at, size) if at + size <= source.size else b""
    if len(data) != size:
        raise Damage(f"is cut short: it ends at byte {source.size}, inside its directory or data")
    return data


def _name(source: Source, at: int) -> bytes:
    data = source.read(at, _LONGEST_NAME + 1) if at < source.size else b""
    name, zero, _ = data.partition(b"\0")
    if not zero:
        raise Damage(f"is damaged: a name at byte {at} has no end")
    return name


def _entries(source: Source, at: int, count: int, methods: list[int]) -> tuple[tuple[Entry, ...], int]:
    entries = []
    for number in range(count):
        size, offset, folder, date, time, attributes = FILE.unpack(_take(source, at, FILE.size))
        name = _name(source, at + FILE.size)
        if len(methods) <= folder < _FIRST_SHARED:
            raise Damage(f"is damaged: a file is in folder {folder} of {len(methods)}")
        method = methods[folder] if folder < len(methods) else STORED
        entries.append(Entry(number, folder, offset, size, date, time, attributes, name, method))
        at += FILE.size + len(name) + 1
    return tuple(entries), at


def _walked(source: Source, offset: int, blocks: int, kind: int, reserved: int) -> Folder:
    """The folder at ``offset``, measured from the headers of its blocks, with those that are there whole."""
    at, size, whole = offset, 0, 0
    while whole < blocks and at + BLOCK.size <= source.size:
        _, packed, plain = BLOCK.unpack(source.read(at, BLOCK.size))
        if not 0 < packed <= _LARGEST_PACKED or not 0 < plain <= LARGEST_BLOCK:
            raise Damage(f"is damaged: a block at byte {at} states {packed} bytes for {plain}")
        end = at + BLOCK.size + reserved + packed
        if end > source.size:
            break
        at, size, whole = end, size + plain, whole + 1
    return Folder(offset, whole, kind & _METHOD, reserved, size, at, (kind & _WINDOW) >> 8)


def checksum(data: bytes, seed: int = 0) -> int:
    """The exclusive or of all words of four bytes; of what is left at the end the first byte is the highest."""
    whole = len(data) & ~3
    words = np.frombuffer(data, "<u4", whole // 4)
    return int(np.bitwise_xor.reduce(words, initial=0)) ^ int.from_bytes(data[whole:], "big") ^ seed
