"""Zip archives with any number of files but one; a single one is a wrapper like gzip."""

from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from dumpscan.containers.as_file import SourceFile, chunks
from dumpscan.containers.base import Content, Item, Member
from dumpscan.decoders import Damage
from dumpscan.source import Source
from dumpscan.zip_methods import member_bytes, problem

_WRITTEN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
"""Methods that the standard library packs by; a copy has Deflate for the others."""

_ERRORS = (zipfile.BadZipFile, NotImplementedError, struct.error, zlib.error, KeyError, IndexError, EOFError,
           ValueError, OSError, RuntimeError, MemoryError)  # fmt: skip
_MOST_ENTRIES = 1 << 17


class Zip:
    """The central directory says what the members are."""

    name = "zip"
    title = "zip archive"
    unread = "encrypted members, PPMd, Shrink, Implode"

    def sniff(self, source: Source) -> bool:
        return source.read(0, 4) in (b"PK\3\4", b"PK\5\6")

    def items(self, source: Source) -> Iterator[Item]:
        try:
            archive = zipfile.ZipFile(cast(BinaryIO, SourceFile(source)))
        except _ERRORS as error:
            raise Damage(f"is damaged ({type(error).__name__}), its directory cannot be read") from None
        with archive:
            infos = archive.infolist()
            if len(infos) > _MOST_ENTRIES:
                raise Damage(f"states {len(infos)} members")
            for info in infos:
                if info.is_dir():
                    yield Item(info.filename, info)
                elif why := problem(info.compress_type, info.flag_bits):
                    yield Item(info.filename, info, problem=why)
                else:
                    yield Item(info.filename, info, member_bytes(source, info))

    def write(self, members: Sequence[Member], out: BinaryIO, content: Content) -> None:
        with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
            warnings.simplefilter("ignore")  # names may well be there twice
            for member in members:
                old = cast(zipfile.ZipInfo, member.meta)
                info = zipfile.ZipInfo(old.filename, old.date_time)
                info.external_attr, info.create_system = old.external_attr, old.create_system
                info.compress_type = old.compress_type if old.compress_type in _WRITTEN else zipfile.ZIP_DEFLATED
                path = content(member)
                if path is None:
                    archive.writestr(info, b"")
                    continue
                with archive.open(info, "w", force_zip64=path.stat().st_size >= 1 << 31) as file:
                    for data in chunks(path):
                        file.write(data)
