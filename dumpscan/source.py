"""Random access to the bytes of a dump, whatever wraps them."""

from __future__ import annotations

from typing import Protocol


class Source(Protocol):
    """The plain bytes of a dump.

    Picklable, and cheap to pickle: a worker process gets its own handle. ``size`` is what it was when the source was
    opened.
    """

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer only where ``size`` reaches past the end.

        Raises :class:`dumpscan.errors.SourceError` if the file cannot be read or has shrunk since it was opened.
        """
        ...

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``; the range lies inside the source. Errors as for :meth:`read`."""
        ...

    def close(self) -> None:
        """Let go of the file and of whatever was spooled."""
        ...
