"""A source as a file for the standard library's readers of archives, and files as the chunks that writers take."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from dumpscan.decoders import CHUNK, Damage
from dumpscan.source import Source

LONGEST_READ = 32 << 20
"""Bytes that a reader may ask for at once: more than the directory of an archive that is read at all."""


class SourceFile(io.BufferedIOBase):
    """Read-only, seekable. A reader that wants to read without bound is stopped by :class:`Damage`."""

    def __init__(self, source: Source) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, self._source.size)[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._source.size - self._at)
        size = left if size is None or size < 0 else min(size, left)
        if size > LONGEST_READ:
            raise Damage(f"states a directory or header of {size} bytes")
        data = self._source.read(self._at, size)
        self._at += len(data)
        return data


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            yield data
