"""Random access to the bytes of a dump, whatever wraps them.

Here: the protocol, plain files, and the private temporary file that holds what was decompressed or piped in. What
wraps a dump is the business of :mod:`dumpscan.wrappers`.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import mmap
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from dumpscan.errors import SourceError
from dumpscan.model import Span
from dumpscan.parts import create_private, remove, unused_name


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


# ---------------------------------------------------------------- plain files


class FileSource:
    """A regular file, read at positions, or mapped for who can bear that it shrinks.

    Pickled as path and identity (device, inode, size); a copy opens the file at its first read, and refuses one that is
    no longer the same. Safe to share between threads, and between processes by fork.

    Raises :class:`SourceError` if the path does not name a readable regular file of at least one byte.
    """

    size: int

    def __init__(self, path: str | Path) -> None:
        self._path = str(Path(path).absolute())
        self._lock = threading.Lock()
        self._closed = False
        self._file: io.FileIO | None = _open_regular(self._path)
        self._identity = _identity(self._file)
        self.size = self._identity[2]
        if self.size == 0:
            self.close()
            raise SourceError("empty file")

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return Path(self._path)

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Source.read`."""
        size = max(0, min(size, self.size - offset))
        if size and offset >= 0 and hasattr(os, "pread"):
            with contextlib.suppress(OSError):  # which is told below, as a file that has shrunk is
                if len(some := os.pread(self._opened().fileno(), size, offset)) == size:
                    return some
        buffer = bytearray(size)
        with memoryview(buffer) as view:
            self.readinto(offset, view)
        return bytes(buffer)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """See :meth:`Source.readinto`."""
        asked, came = len(buffer), 0
        if not 0 <= offset <= max(self.size - asked, 0) and asked:
            raise SourceError(f"read outside the dump: {asked:#x} bytes at {offset:#x} of {self.size:#x}")
        while came < asked:
            try:
                step = self._read_some(offset + came, buffer[came:])
            except OSError as error:
                raise SourceError(f"cannot read {asked:#x} bytes at {offset:#x}: {error.strerror}") from None
            if step == 0:
                raise SourceError(f"dump shrank while it was read: {asked:#x} bytes asked at {offset:#x}, {came} came")
            came += step

    def map(self, offset: int, size: int) -> tuple[mmap.mmap, int] | None:
        """A mapping of ``size`` bytes from ``offset``, which lie inside, and where they begin in it; or None.

        To touch a page kills the process with SIGBUS if the file has shrunk, or the disk fails; only who handles that
        (``copy_live`` of the kernel), or may die of it (see :func:`dumpscan.workers.aside`), may look at it.
        """
        if os.name != "posix":
            return None
        ahead = offset % mmap.ALLOCATIONGRANULARITY
        try:
            return mmap.mmap(
                self._opened().fileno(), ahead + size, access=mmap.ACCESS_READ, offset=offset - ahead
            ), ahead
        except (OSError, ValueError):  # a file system without mappings; a file that is shorter by now
            return None

    def stored(self, offset: int, end: int) -> Iterator[Span]:
        """The stretches from ``offset`` to ``end`` that the file system stores; between them are holes, zeros.

        All of it where the file has no holes, or the system does not tell where they are. They are asked for in turn.
        """
        handle = self._opened().fileno()
        if not (hasattr(os, "SEEK_DATA") and hasattr(os, "preadv")) or os.fstat(handle).st_blocks * 512 >= self.size:
            yield Span(offset, end)
            return
        while offset < end:
            try:  # where the file stands matters to nobody: it is read at positions
                first = os.lseek(handle, offset, os.SEEK_DATA)
                after = os.lseek(handle, first, os.SEEK_HOLE)
            except OSError as error:
                if error.errno != errno.ENXIO or os.fstat(handle).st_size < self.size:  # not told, or it has shrunk
                    yield Span(offset, end)
                return
            if first >= end:
                return
            yield Span(max(first, offset), min(after, end))
            offset = max(after, offset + 1)

    def close(self) -> None:
        """Close the file; later reads raise :class:`SourceError`."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()
                self._file = None

    def _read_some(self, offset: int, view: memoryview) -> int:
        file = self._opened()
        if hasattr(os, "preadv"):
            return os.preadv(file.fileno(), [view], offset)
        with self._lock:  # Windows: no positioned read, so the position is shared
            file.seek(offset)
            return file.readinto(view) or 0

    def _opened(self) -> io.FileIO:
        with self._lock:
            if self._closed:
                raise SourceError("the dump is closed")
            if self._file is None:
                file = _open_regular(self._path)
                if (now := _identity(file)) != self._identity:
                    file.close()
                    change = f"was {self._identity[2]} bytes, is {now[2]}" if now[2] != self.size else "another file"
                    raise SourceError(f"dump was replaced while it was scanned: {change}")
                self._file = file
            return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._path, "identity": self._identity, "closed": self._closed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._path, self._identity, self._closed = state["path"], state["identity"], state["closed"]
        self.size = self._identity[2]
        self._lock, self._file = threading.Lock(), None

    def __enter__(self) -> FileSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


_IRREGULAR = (
    (stat.S_ISDIR, "is a directory, not a dump"),
    (stat.S_ISFIFO, 'is a pipe: give the dump on standard input and name it "-"'),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file: copy it first, or give it on standard input"),
)


def _require_regular(mode: int) -> None:
    for test, complaint in _IRREGULAR:
        if test(mode):
            raise SourceError(complaint)


def _open_regular(path: str) -> io.FileIO:
    """Open ``path`` for reading. Looks before it opens (opening a tape rewinds it, opening a FIFO waits), and after."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        _require_regular(Path(path).stat().st_mode)
        file = io.FileIO(os.open(path, flags), "rb")
    except OSError as error:
        raise SourceError(f"cannot open: {error.strerror}") from None
    except ValueError:
        raise SourceError("cannot open: the path holds a zero byte") from None
    try:
        _require_regular(os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def _identity(file: io.FileIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size


# ---------------------------------------------------------------- temporary files

_BLOCK = 16 << 10
_ZEROS = bytes(_BLOCK)
_SPACE_CHECK = 64 << 20


class Spool:
    """A private temporary file that is written once, front to back, and then read by path.

    Mode 0600 in a directory of mode 0700, both removed by :meth:`close`, at the latest when the interpreter exits.
    It keeps its name till then, because worker processes open it. Blocks of zeros become holes. ``size`` is the bytes
    written so far, ``stored`` those of them outside holes. Writing stops with :class:`SourceError` when fewer than
    ``reserve`` bytes would stay free on the disk.
    """

    def __init__(self, parent: Path | None = None, reserve: int = 256 << 20) -> None:
        self.size = self.stored = 0
        self._reserve, self._unchecked, self._owner = reserve, 0, os.getpid()
        try:
            folder = parent or Path(tempfile.gettempdir())
        except OSError as error:
            raise SourceError(f"cannot make a temporary directory: {error.strerror}") from None
        self._directory = unused_name(folder, "dumpscan-")
        self.path = self._directory / "dump"
        atexit.register(self.close)
        try:
            self._directory.mkdir(0o700)
        except OSError as error:
            self.close()
            raise SourceError(f"cannot make a temporary directory: {error.strerror}") from None
        try:
            self._file = io.FileIO(create_private(self.path), "wb")
            self._check_space()
        except OSError as error:
            self.close()
            raise _disk_error(error, 0) from None
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        try:
            with memoryview(data) as view:
                self._write_sparse(view)
        except OSError as error:
            raise _disk_error(error, self.size) from None

    def finish(self) -> None:
        """Give the file its length, and close it for writing."""
        try:
            self._file.truncate(self.size)
            self._file.close()
        except OSError as error:
            raise _disk_error(error, self.size) from None

    def close(self) -> None:
        """Remove the file and its directory."""
        if os.getpid() != self._owner:
            return  # a forked worker leaves its parent's file alone
        if hasattr(self, "_file"):
            with contextlib.suppress(OSError):
                self._file.close()
        remove(self._directory)
        atexit.unregister(self.close)

    def _write_sparse(self, data: memoryview) -> None:
        start = 0  # of the run of blocks that are not zero
        position = 0
        while position < len(data):
            end = min(len(data), position + _BLOCK - (self.size + position) % _BLOCK)
            if data[position:end] == _ZEROS[: end - position]:
                self._write_run(self.size + start, data[start:position])
                start = end
            position = end
        self._write_run(self.size + start, data[start:])
        self.size += len(data)

    def _write_run(self, offset: int, run: memoryview) -> None:
        if not run:
            return
        self._file.seek(offset)
        done = 0
        while done < len(run):
            done += self._file.write(run[done:]) or 0
        self.stored += len(run)
        self._unchecked += len(run)
        if self._unchecked >= _SPACE_CHECK:
            self._check_space()

    def _check_space(self) -> None:
        self._unchecked = 0
        free = shutil.disk_usage(self._directory).free
        if free < self._reserve:
            raise SourceError(
                f"not enough temporary space: {free} bytes left after {self.size} written, {self._reserve} stay free"
            )


def _disk_error(error: OSError, size: int) -> SourceError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SourceError(f"temporary space is full after {size} bytes")
    return SourceError(f"cannot write the temporary file after {size} bytes: {error.strerror}")
