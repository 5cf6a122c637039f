"""Tar archives: v7, ustar, GNU and pax. What is in a compressed one is seen once its wrapper is off."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from dumpscan.containers.as_file import SourceFile
from dumpscan.containers.base import Content, Item, Member
from dumpscan.decoders import CHUNK, Damage
from dumpscan.source import Source

_BLOCK = 512
_KEPT = ("path", "linkpath", "mtime", "uid", "gid", "uname", "gname")
"""Pax records that are written again; others (comments, extended attributes) are not looked at, and left out."""

_ERRORS = (tarfile.TarError, ValueError, OverflowError, EOFError, RecursionError)


class Tar:
    """Members with data are regular files; links, directories and devices are entries without."""

    name = "tar"
    title = "tar archive (also compressed)"
    unread = ""

    def sniff(self, source: Source) -> bool:
        """Say whether the first block is a header whose checksum holds."""
        head = source.read(0, _BLOCK)
        if len(head) < _BLOCK or not head[0] or not head[148:155].strip(b"\0 "):
            return False
        try:
            stated = int(head[148:156].strip(b"\0 ") or b"x", 8)
        except ValueError:
            return False
        return stated == sum(head) - sum(head[148:156]) + 8 * 0x20

    def items(self, source: Source) -> Iterator[Item]:
        try:
            archive = tarfile.open(fileobj=cast(BinaryIO, SourceFile(source)), mode="r:", errorlevel=0)  # noqa: SIM115
            end = 0
            for info in iter(archive.next, None):
                archive.members = []  # type: ignore[attr-defined]  # or it would keep every one of them
                data = _data(archive, info) if info.isreg() else None
                yield Item(info.name, info, data)
                end = archive.offset
        except _ERRORS as error:
            raise Damage(f"is damaged ({type(error).__name__})") from None
        if end > source.size:
            raise Damage(f"is cut short: it ends at byte {source.size}")
        rest = source.read(end, _BLOCK)
        if any(rest):
            raise Damage(f"has something at byte {end} that is no member")
        if len(rest) < _BLOCK:
            raise Damage(f"is cut short: it ends at byte {source.size}, without its end mark")

    def write(self, members: Sequence[Member], out: BinaryIO, content: Content) -> None:
        pax = any(cast(tarfile.TarInfo, member.meta).pax_headers for member in members)
        form = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
        with tarfile.open(fileobj=out, mode="w:", format=form) as archive:
            for member in members:
                info = cast(tarfile.TarInfo, member.meta)
                info.pax_headers = {key: value for key, value in info.pax_headers.items() if key in _KEPT}
                path = content(member)
                if path is None:
                    archive.addfile(info)
                    continue
                info.type, info.sparse = tarfile.REGTYPE, None
                info.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(info, file)


def _data(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    file = archive.extractfile(info)
    if file is None:
        return
    with file:
        left = info.size
        while left > 0:
            try:
                data = file.read(min(CHUNK, left))
            except _ERRORS as error:
                raise Damage(f"is damaged ({type(error).__name__})") from None
            if not data:
                raise Damage(f"is cut short: {left} bytes of a member are missing")
            left -= len(data)
            yield data
