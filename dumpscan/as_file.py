"""A source as a file for the standard library's readers of archives."""

from __future__ import annotations

import io
from collections.abc import Callable

from dumpscan.source import Source


class SourceFile(io.BufferedIOBase):
    """Read-only, seekable. A reader that asks for more than ``longest`` bytes at once is stopped by ``too_long(size)``:
    the directory of an archive may claim any size, and would be read into memory."""

    def __init__(
        self,
        source: Source,
        longest: int,
        too_long: Callable[[int], Exception],
        progress: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._source, self._longest, self._too_long, self._progress = source, longest, too_long, progress
        self._at = 0

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
        if size > self._longest:
            raise self._too_long(size)
        data = self._source.read(self._at, size)
        self._at += len(data)
        self._progress(len(data))
        return data
