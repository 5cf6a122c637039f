"""Writing a cabinet as another was written: the same files in folders of the same method, MSZIP for LZX."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dumpscan.containers.as_file import chunks
from dumpscan.containers.cab_header import (
    BLOCK,
    FILE,
    FOLDER,
    HEAD,
    LARGEST_BLOCK,
    MAGIC,
    MOST_BLOCKS,
    MSZIP,
    STORED,
    Entry,
    checksum,
)
from dumpscan.errors import RedactionError

_LARGEST_FOLDER = MOST_BLOCKS * LARGEST_BLOCK
_LARGEST_CABINET = 0x7FFFFFFF
_VERSION = (3, 1)
_SIGNATURE = b"CK"

_File = tuple[Entry, Path | None]


@dataclass(slots=True)
class _Folder:
    """A folder while it is written; ``origin`` is its number in the cabinet that was read."""

    origin: int
    method: int
    files: list[_File] = field(default_factory=list)
    size: int = 0
    offset: int = 0
    blocks: int = 0


def write_cabinet(files: Sequence[_File], out: BinaryIO) -> None:
    """Write files, given in the order of their data. Reserved areas and signatures are left out.

    Raises :class:`RedactionError` if they do not fit into a cabinet.
    """
    folders = _folders(files)
    names = sum(FILE.size + len(entry.raw_name) + 1 for entry, _ in files)
    files_at = HEAD.size + FOLDER.size * len(folders)
    out.seek(files_at + names)
    for folder in folders:
        folder.offset = out.tell()
        for plain, data in _blocks(folder):
            out.write(BLOCK.pack(checksum(_sizes(data, plain), checksum(data)), len(data), plain) + data)
            folder.blocks += 1
            _check_end(out.tell())
    end = out.tell()
    out.seek(0)
    flags = set_id = number = 0
    out.write(HEAD.pack(MAGIC[:4], end, files_at, *_VERSION, len(folders), len(files), flags, set_id, number))
    for folder in folders:
        out.write(FOLDER.pack(folder.offset, folder.blocks, folder.method))
    for row in _rows(folders):
        out.write(row)
    out.seek(end)


def _check_end(end: int) -> None:
    if end > _LARGEST_CABINET:
        raise RedactionError("the copy does not fit into a cabinet: it would have more than 2 GiB")


def _folders(files: Sequence[_File]) -> list[_Folder]:
    folders: list[_Folder] = []
    for entry, path in files:
        size = path.stat().st_size if path else 0
        last = folders[-1] if folders else None
        if last is None or last.origin != entry.folder or last.size + size > _LARGEST_FOLDER:
            if size > _LARGEST_FOLDER:
                raise RedactionError(f"the copy does not fit into a cabinet: a member has {size} bytes")
            last = _Folder(entry.folder, STORED if entry.method == STORED else MSZIP)
            folders.append(last)
        last.files.append((entry, path))
        last.size += size
    return folders


def _rows(folders: Sequence[_Folder]) -> list[bytes]:
    """The directory's rows in the order of the cabinet that was read."""
    rows: dict[int, bytes] = {}
    for number, folder in enumerate(folders):
        at = 0
        for entry, path in folder.files:
            size = path.stat().st_size if path else 0
            row = FILE.pack(size, at, number, entry.date, entry.time, entry.attributes)
            rows[entry.number] = row + entry.raw_name + b"\0"
            at += size
    return [rows[number] for number in sorted(rows)]


def _blocks(folder: _Folder) -> Iterator[tuple[int, bytes]]:
    """Size of the plain bytes, and packed bytes, of each block."""
    before = b""
    for data in _cut(folder):
        if folder.method != MSZIP:
            yield len(data), data
            continue
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=before)
        yield len(data), _SIGNATURE + deflate.compress(data) + deflate.flush()
        before = data


def _cut(folder: _Folder) -> Iterator[bytes]:
    rest = b""
    for _, path in folder.files:
        for data in chunks(path) if path else ():
            rest += data
            whole = len(rest) - len(rest) % LARGEST_BLOCK
            yield from (rest[at : at + LARGEST_BLOCK] for at in range(0, whole, LARGEST_BLOCK))
            rest = rest[whole:]
    if rest:
        yield rest


def _sizes(data: bytes, plain: int) -> bytes:
    return len(data).to_bytes(2, "little") + plain.to_bytes(2, "little")
