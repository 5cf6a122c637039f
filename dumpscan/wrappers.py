"""What wraps a dump: gzip, Zstandard, xz, LZ4, bzip2 and zip, recognised by content and never by name.

A wrapped dump is decompressed into a :class:`dumpscan.source.Spool` and scanned there. What cannot be decompressed
(the file is cut short, damaged, or goes on after the end of its stream) is stated in :attr:`Opened.unread`, so that
the verdict is inconclusive; what came out before the damage is scanned.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import lz4.frame
import zstandard

from dumpscan.decoders import CHUNK, WRAPPERS, Damage, decode_stream, recognise
from dumpscan.errors import RedactionError, SourceError, UsageError
from dumpscan.model import Unread
from dumpscan.source import FileSource, Source, Spool
from dumpscan.zip_file import decode_zip, holds_one_file


@dataclass(frozen=True, slots=True)
class Limits:
    """Where decompression stops, as :class:`SourceError`.

    Dumps compress extremely well (a real core of 101 MB in 26 KB of zstd), mostly because they are full of zeros, and
    zeros take no room in the spool. Hence two ratios of output to input, in force once the output is ``free`` bytes:
    one for bytes in blocks that are not all zero (deflate cannot do better than 1032), one for all of them (zstd
    writes 128 KiB of zeros in 4 bytes; bzip2 can do 1,400,000). ``reserve`` bytes of the disk stay free; ``depth``
    is how many wrappers may lie around one another.
    """

    ratio: int = 1100
    zero_ratio: int = 35_000
    free: int = 1 << 30
    reserve: int = 256 << 20
    depth: int = 3


@dataclass(frozen=True, slots=True)
class Opened:
    """A dump that is ready to be read.

    ``wrapper`` names what was taken off: ``""`` for nothing, ``"gzip"``, or ``"zstd+gzip"``, outermost first; it is
    what :func:`compress_into` takes. ``unread`` is empty if everything could be decompressed; its offsets count from
    the start of the plain bytes. ``member`` is the file name inside a zip.
    """

    source: Source
    wrapper: str = ""
    unread: tuple[Unread, ...] = ()
    member: str = ""


# ---------------------------------------------------------------- opening


class _Layer:
    """One wrapper taken off: the spool with what came out, and what went wrong."""

    def __init__(self, name: str, source: Source, spool_dir: Path | None, limits: Limits, outermost: int) -> None:
        self.name, self.problem, self.names = name, "", list[str]()
        self._source, self._limits, self._outermost = source, limits, outermost
        self.spool = Spool(spool_dir, limits.reserve)

    def unwrap(self, progress: Callable[[int], None]) -> None:
        """Fill the spool. Damage is noted in ``problem``; raises :class:`SourceError` for a bomb or a full disk."""
        try:
            for data in self._decoded(progress):
                self.spool.write(data)
                self._check_ratio()
        except Damage as damage:
            self.problem = f"the {self.name} file {damage}"
        self.spool.finish()

    def _decoded(self, progress: Callable[[int], None]) -> Iterator[bytes]:
        if self.name == "zip":
            return decode_zip(self._source, progress, self.names)
        return decode_stream(self.name, self._source, progress)

    def _check_ratio(self) -> None:
        size, stored, limits = self.spool.size, self.spool.stored, self._limits
        for output, ratio in ((stored, limits.ratio), (size, limits.zero_ratio)):
            if output > limits.free and output > ratio * self._outermost:
                raise SourceError(
                    f"decompression bomb: {self._outermost} bytes of {self.name} give more than {output}, "
                    f"over {ratio} times as many"
                )


def _spool_stream(stream: BinaryIO, spool: Spool) -> None:
    try:
        while data := stream.read(CHUNK):
            spool.write(data)
    except OSError as error:
        raise SourceError(f"cannot read standard input: {error.strerror}") from None
    spool.finish()


@contextmanager
def open_source(
    path: str,
    *,
    spool_dir: Path | None = None,
    progress: Callable[[int], None] | None = None,
    stdin: BinaryIO | None = None,
    limits: Limits | None = None,
    archives: bool = False,
) -> Iterator[Opened]:
    """Open the dump at ``path`` (``-`` is standard input, or ``stdin``), and take its wrappers off.

    ``progress`` is told of compressed bytes as they are read. Temporary files go to ``spool_dir`` (default: where
    the system puts them) and are gone when the context is left. With ``archives`` a zip of several files is no error,
    but left as it is. Raises :class:`SourceError`: not a readable regular
    file, empty, a zip with several members or a password, too many wrappers, a bomb, no temporary space.
    """
    limits = limits or Limits()
    with ExitStack() as stack:
        held: Spool | None = None
        if path == "-":
            held = Spool(spool_dir, limits.reserve)
            stack.callback(held.close)
            _spool_stream(stdin or sys.stdin.buffer, held)
        source = FileSource(held.path if held else path)
        stack.callback(source.close)
        yield _unwrap(source, held, stack, spool_dir, progress or (lambda _: None), limits, archives)


def _unwrap(
    source: FileSource,
    held: Spool | None,
    stack: ExitStack,
    spool_dir: Path | None,
    progress: Callable[[int], None],
    limits: Limits,
    archives: bool,
) -> Opened:
    """Take wrappers off till none is left; ``held`` is the spool behind ``source``, given up once it is unwrapped."""
    wrappers: list[str] = []
    problems: list[str] = []
    member = ""
    outermost = source.size
    while name := recognise(source):
        if name == "zip" and archives and not holds_one_file(source):
            break
        if len(wrappers) == limits.depth:
            raise SourceError(f"more than {limits.depth} wrappers around the dump: {'+'.join([*wrappers, name])}")
        layer = _Layer(name, source, spool_dir, limits, outermost)
        stack.callback(layer.spool.close)
        layer.unwrap(progress)
        if layer.spool.size == 0 and not layer.problem:
            raise SourceError(f"empty file in {name}")
        if layer.problem:
            problems.append(layer.problem)
        if layer.spool.size == 0:  # not really this wrapper, or damaged at once: look at the bytes as they are
            problems[-1] += "; its bytes were scanned as they are"
            break
        source.close()
        if held:
            held.close()
        held = layer.spool
        source = FileSource(held.path)
        stack.callback(source.close)
        wrappers.append(name)
        member = layer.names[0] if layer.names else member
    unread = tuple(Unread(source.size, 0, problem) for problem in problems)
    return Opened(source, "+".join(wrappers), unread, member)


# ---------------------------------------------------------------- writing


def _gzip_writer(out: BinaryIO, stack: ExitStack) -> BinaryIO:
    return cast(BinaryIO, stack.enter_context(gzip.GzipFile("", "wb", 6, out, mtime=0)))


def _zstd_writer(out: BinaryIO, stack: ExitStack) -> BinaryIO:
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    return cast(BinaryIO, stack.enter_context(compressor.stream_writer(out, closefd=False)))


def _xz_writer(out: BinaryIO, stack: ExitStack) -> BinaryIO:
    return cast(BinaryIO, stack.enter_context(lzma.LZMAFile(out, "wb", preset=3)))


def _lz4_writer(out: BinaryIO, stack: ExitStack) -> BinaryIO:
    return cast(BinaryIO, stack.enter_context(lz4.frame.LZ4FrameFile(out, "wb", content_checksum=True)))


def _bzip2_writer(out: BinaryIO, stack: ExitStack) -> BinaryIO:
    return cast(BinaryIO, stack.enter_context(bz2.BZ2File(out, "wb")))


_WRITERS: dict[str, Callable[[BinaryIO, ExitStack], BinaryIO]] = {
    "gzip": _gzip_writer,
    "zstd": _zstd_writer,
    "xz": _xz_writer,
    "lz4": _lz4_writer,
    "bzip2": _bzip2_writer,
}


def _zip_writer(out: BinaryIO, stack: ExitStack, member_name: str) -> BinaryIO:
    """A zip with one member; its name is reduced to its last part, so that unpacking stays where it is."""
    archive = stack.enter_context(zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED))
    info = zipfile.ZipInfo(PurePosixPath(member_name.replace("\\", "/")).name or "dump")
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return cast(BinaryIO, stack.enter_context(archive.open(info, "w", force_zip64=True)))


def compress_into(wrapper: str, plain: Source | BinaryIO, out: BinaryIO, member_name: str = "dump") -> None:
    """Write ``plain`` to ``out`` inside ``wrapper``, as :attr:`Opened.wrapper` names it (``"zstd+gzip"``).

    ``out`` stays open. The result depends on ``plain`` alone (no time, no name except a zip's ``member_name``).
    Raises :class:`UsageError` for an unknown wrapper, :class:`RedactionError` if ``out`` cannot be written.
    """
    names = wrapper.split("+") if wrapper else []
    for name in names:
        if name not in WRAPPERS:
            raise UsageError(f"unknown wrapper {name!r}")
    try:
        with ExitStack() as stack:
            for name in names:
                out = _zip_writer(out, stack, member_name) if name == "zip" else _WRITERS[name](out, stack)
            for data in _plain_chunks(plain):
                out.write(data)
    except OSError as error:
        raise RedactionError(f"cannot write the copy: {error.strerror or type(error).__name__}") from None


def _plain_chunks(plain: Source | BinaryIO) -> Iterator[bytes]:
    if hasattr(plain, "size"):
        source = cast(Source, plain)
        for offset in range(0, source.size, CHUNK):
            yield source.read(offset, CHUNK)
        return
    while data := plain.read(CHUNK):
        yield data
