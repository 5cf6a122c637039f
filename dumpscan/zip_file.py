"""A zip around one file, which is a wrapper like gzip: its member, also where its directory is lost.

Source of the format facts: APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from dumpscan.as_file import SourceFile
from dumpscan.decoders import CORRUPT, Damage, Input
from dumpscan.errors import SourceError
from dumpscan.source import Source
from dumpscan.zip_methods import LOCAL_HEADER, MAGIC, STORED, member_bytes, problem, unpacked

_LONGEST_READ = 1 << 20
_SIZES_FOLLOW = 8


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
        yield from member_bytes(source, info, progress)
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
    _refuse(problem(files[0].compress_type, files[0].flag_bits))
    return files[0]


def _refuse(why: str) -> None:
    if why:
        raise SourceError(f"the file in the zip {why}: unpack it and give the dump itself")


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
    head = source.read(0, LOCAL_HEADER.size)
    if len(head) < LOCAL_HEADER.size or head[:4] != MAGIC:
        raise Damage("is cut short: it has no member")
    _, flags, method, _, _, _, size, _, name_size, extra_size = LOCAL_HEADER.unpack(head)
    _refuse(problem(method, flags))
    names.append(source.read(LOCAL_HEADER.size, name_size).decode("utf-8", "replace"))
    start = LOCAL_HEADER.size + name_size + extra_size
    stop = start + size if method == STORED and 0 < size < 0xFFFFFFFF and not flags & _SIZES_FOLLOW else source.size
    yield from unpacked(Input(source, progress, start, stop), method, flags)
    raise Damage(f"is cut short: its directory is missing at the end, byte {source.size}")
