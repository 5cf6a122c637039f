"""7z archives, by py7zr, which may be missing.

Its own ways to unpack give up to 128 MB at once, and nothing if a name leads out of the archive. So its reader of
directories and its decoders are used here, and the members of a block are pulled one after the other.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from dumpscan.containers.as_file import SourceFile
from dumpscan.containers.base import Content, Item, Member
from dumpscan.decoders import CHUNK, MEMORY, Damage
from dumpscan.errors import DumpscanError
from dumpscan.model import Span
from dumpscan.source import Source

MAGIC = b"7z\xbc\xaf\x27\x1c"
_HEAD = 32
_MOST_LAYERS = 4
_MOST_ENTRIES = 1 << 16
_LONGEST_DIRECTORY = 8 << 20
"""A kilobyte can unpack to a directory of so many bytes, and py7zr needs up to 75 of memory for each."""

_MOST_PARTS = 32 * _MOST_ENTRIES
"""Reads of py7zr in a directory but its names: each takes half a microsecond. A block of one method takes eleven."""

_COPY, _LZMA, _LZMA2, _DELTA = b"\0", b"\3\1\1", b"\x21", b"\3"
_DEFLATE, _BZIP2, _ZSTD = b"\4\1\x08", b"\4\2\2", b"\4\xf7\x11\1"
_PACKING = {_LZMA, _LZMA2, _DEFLATE, _BZIP2, _ZSTD}
_BOUNDED = {_LZMA, _LZMA2, _BZIP2}
"""Their decoders give no more than is asked for, and keep the rest."""

_IA64 = b"\3\3\4\1"
_BRANCHES = {b"\3\3\1\3", b"\3\3\2\5", _IA64, b"\3\3\5\1", b"\3\3\7\1", b"\3\3\x08\5"}
_READ = {_COPY, _DELTA} | _PACKING | _BRANCHES
_UNREAD = {  # damaged data: pyppmd 1.3.1 dies of it, inflate64 1.0.4 keeps its memory
    b"\3\4\1": "PPMd", b"\4\1\x09": "Deflate64", b"\3\3\1\x1b": "BCJ2", b"\x0a": "the filter for ARM64",
    b"\x0b": "the filter for RISC-V", b"\4\xf7\x11\2": "Brotli", b"\4\xf7\x11\4": "LZ4",
}  # fmt: skip
_ENCRYPTION = b"\6"
_PIECE, _ZSTD_PIECE = 1 << 14, 1 << 9
"""Packed bytes unpacked at once: Deflate makes at most 1,032 of one, Zstandard 32,768."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as py7zr describes it, and how its block is packed."""

    facts: dict[str, Any]
    folder: bool
    coders: Sequence[dict[str, Any]] = ()


class SevenZip:
    """Read one block at a time, and each block once."""

    name = "7z"
    title = "7z archive"
    unread = "encrypted members, PPMd, BCJ2, Deflate64, Brotli, filters for ARM64 and RISC-V, some chains of filters"

    def sniff(self, source: Source) -> bool:
        return source.read(0, len(MAGIC)) == MAGIC

    def items(self, source: Source) -> Iterator[Item]:
        if find_spec("py7zr") is None:
            raise Damage("cannot be read without py7zr: pip install 'crash-dumpscan[7z]'")
        with _told():
            header, spans = _directory(source)
            blocks = list(_blocks(header.main_streams)) if header.main_streams else []
            entries = list(_entries(header.files_info)) if header.files_info else []
        streams = [(block, size, checksum) for block in blocks for size, checksum in block.streams]
        if len(streams) != sum(not entry.facts["emptystream"] for entry in entries):
            raise Damage("is damaged: it has not as many members as streams")
        following = iter(streams)
        current: _Unpacking | None = None
        for entry in entries:
            name = entry.facts.get("filename", "")
            if entry.facts["emptystream"]:
                yield Item(name, entry, None if entry.folder else iter(()))
                continue
            block, size, checksum = next(following)
            if current is None or current.block is not block:
                current = _Unpacking(source, block)
            meta = Entry(entry.facts, False, block.folder.coders)
            problem = current.problem
            yield Item(name, meta, None if problem else current.member(size, checksum), problem)
        spans += [block.span for block in blocks if block.streams]
        if unclaimed := _unclaimed(source.size, spans):
            raise Damage(f"has {unclaimed} bytes that belong to no member")

    def write(self, members: Sequence[Member], out: BinaryIO, content: Content) -> None:
        entries = [cast(Entry, member.meta) for member in members]
        coders = next((entry.coders for entry in entries if entry.coders), ())
        archive = import_module("py7zr").SevenZipFile(out, "w", filters=_filters(coders))
        for member, entry in zip(members, entries, strict=True):
            path = content(member)
            if path is None:
                archive.write(Path(), "member")
            else:
                with path.open("rb") as file:
                    archive.writef(file, "member")
            made = archive.header.files_info.files[-1]
            made.update({key: entry.facts[key] for key in _KEPT if entry.facts.get(key) is not None})
        archive.close()


_KEPT = ("filename", "lastwritetime", "attributes")
"""What py7zr writes of a member. It would take names and times from files, and refuse names that lead out."""


@contextmanager
def _told() -> Iterator[None]:
    """What py7zr and its decoders raise on bytes that lie is not documented. Besides their own errors and lzma's,
    there are OSError (bz2), ValueError, TypeError, AssertionError, AttributeError, EOFError, IndexError and others.
    """
    try:
        yield
    except (Damage, DumpscanError):
        raise
    except Exception as error:
        raise Damage(f"is damaged, or made as py7zr cannot read ({type(error).__name__})") from None


# ---------------------------------------------------------------- the directory


def _directory(source: Source) -> tuple[Any, list[Span]]:
    """The directory, and the parts of the file that it and its leading header take."""
    info = import_module("py7zr.archiveinfo")
    file = SourceFile(source)
    if source.size < _HEAD:
        raise Damage("is cut short: it has no directory")
    first = info.SignatureHeader.retrieve(file)
    span = Span(_HEAD + first.nextheaderofs, _HEAD + first.nextheaderofs + first.nextheadersize)
    if span.end > source.size:
        raise Damage(f"is cut short, or one of several volumes: its directory should end at byte {span.end}")
    _check_length(len(span))
    file.seek(span.start)
    data = file.read(len(span))
    if zlib.crc32(data) != first.nextheadercrc:
        raise Damage("is damaged: the checksum of its directory does not match")
    spans = [Span(0, _HEAD), span]
    for _ in range(_MOST_LAYERS):
        _check_counts(info, _Counted(data))
        if data[:1] != info.PROPERTY.ENCODED_HEADER:
            return info.Header.retrieve(file, _Counted(data), _HEAD), spans
        (block,) = _blocks(info.HeaderStreamsInfo.retrieve(_Counted(data[1:])))
        ((size, checksum),) = block.streams
        unpacking = _Unpacking(source, block)
        if unpacking.problem:
            raise Damage(f"has a directory that {unpacking.problem}")
        _check_length(size)
        data = b"".join(unpacking.member(size, checksum))
        spans.append(block.span)
    raise Damage(f"has a directory that is packed more than {_MOST_LAYERS - 1} times")


class _Counted(BytesIO):
    """A directory, of which py7zr reads a number at a time; its loops over members are bounded by their count."""

    _left = _MOST_PARTS

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise Damage(f"has a directory of more than {_MOST_PARTS} parts")
        return super().read(size)


def _check_counts(info: Any, directory: BinaryIO) -> None:
    """Stop before py7zr makes as many objects as are stated."""
    kinds = info.PROPERTY
    packed = directory.read(1) == kinds.ENCODED_HEADER
    kind = kinds.MAIN_STREAMS_INFO if packed else directory.read(1)
    if kind == kinds.MAIN_STREAMS_INFO:
        start = directory.tell()
        if (kind := directory.read(1)) == kinds.PACK_INFO:
            info.PackInfo.retrieve(directory)
            kind = directory.read(1)
        if kind == kinds.UNPACK_INFO and directory.read(1) == kinds.FOLDER:
            _check_count(info.read_uint64(directory), "blocks")
        if packed:
            return
        directory.seek(start)
        info.StreamsInfo.retrieve(directory)
        kind = directory.read(1)
    if kind == kinds.FILES_INFO:
        _check_count(info.read_uint64(directory), "members")
        _check_properties(info, directory)


def _check_properties(info: Any, directory: BinaryIO) -> None:
    """Each kind of property costs a loop over all members, and is there once."""
    seen = set()
    while (kind := directory.read(1)) not in (info.PROPERTY.END, b""):
        if kind in seen:
            raise Damage("states a property of its members twice")
        if kind != info.PROPERTY.DUMMY:
            seen.add(kind)
        directory.seek(info.read_uint64(directory), 1)


def _check_length(size: int) -> None:
    if size > _LONGEST_DIRECTORY:
        raise Damage(f"states a directory of {size} bytes")


def _check_count(count: int, what: str) -> None:
    if count > _MOST_ENTRIES:
        raise Damage(f"states {count} {what}")


@dataclass(frozen=True, slots=True)
class _Block:
    """Where a block lies, py7zr's account of it, and the size and checksum of each member in it."""

    span: Span
    folder: Any
    streams: list[tuple[int, int | None]]


def _blocks(streams: Any) -> Iterator[_Block]:
    inner, folders = streams.substreamsinfo, streams.unpackinfo.folders
    counts = inner.num_unpackstreams_folders if inner else [1] * len(folders)
    sizes = iter(inner.unpacksizes if inner and inner.unpacksizes is not None else ())
    checksums = zip(inner.digestsdefined, inner.digests, strict=True) if inner else iter(())
    packed, at = iter(streams.packinfo.packsizes), _HEAD + streams.packinfo.packpos
    for folder, count in zip(folders, counts, strict=True):
        # py7zr has a size also where there is no member, and none where no block has more than one
        mine: list[int] = [next(sizes, folder.get_unpack_size() if count == 1 else -1) for _ in range(max(count, 1))]
        known = [next(checksums, (False, 0)) for _ in range(count)]
        if count == 1 and folder.digestdefined and not known[0][0]:
            known = [(True, folder.crc)]
        if count and min(mine) < 0:
            raise Damage("states sizes that contradict one another")
        start = at
        at += sum(next(packed) for _ in folder.packed_indices)
        yield _Block(Span(start, at), folder, [(s, c if d else None) for s, (d, c) in zip(mine, known, strict=False)])


def _entries(files: Any) -> Iterator[Entry]:
    is_file = iter(files.emptyfiles)
    for facts in files.files:
        yield Entry(facts, facts["emptystream"] and not next(is_file, False))


def _unclaimed(size: int, spans: Iterable[Span]) -> int:
    """How many bytes of the file lie in no span."""
    at = gaps = 0
    for span in sorted(spans, key=lambda span: span.start):
        gaps += max(0, span.start - at)
        at = max(at, span.end)
    return gaps + max(0, size - at)


# ---------------------------------------------------------------- the blocks


def _problem(block: _Block) -> str:
    """Why a block is not read; empty if it is. Bombs in bombs could do endless work for few bytes."""
    coders, sizes = block.folder.coders, [len(block.span), *block.folder.unpacksizes]
    methods = [coder["method"] for coder in coders]
    for method in methods:
        if method[:1] == _ENCRYPTION:
            return "is encrypted"
        if method not in _READ:
            return f"is packed by {_UNREAD.get(method) or 'method ' + method.hex()}, which is not read"
    bonds = [(bond.incoder, bond.outcoder) for bond in block.folder.bindpairs]
    if bonds != [(i + 1, i) for i in range(len(coders) - 1)] or len(sizes) != len(coders) + 1:
        return "is packed by methods in an order that is not read"
    if not _understood(methods):
        return "is packed by filters that are read only with LZMA2"
    needed = max(map(_dictionary, coders))
    if needed > MEMORY:
        return f"needs {needed} bytes of memory to be unpacked"
    if sum(method in _PACKING for method in methods) > 1:
        return "is packed several times over"
    if any(method not in _PACKING and sizes[i] != sizes[i + 1] for i, method in enumerate(methods)):
        return "states sizes that contradict one another"
    return ""


def _understood(methods: Sequence[bytes]) -> bool:
    """Whether py7zr runs such filters in a way that gives the last bytes too."""
    filters = [method for method in methods if method in _BRANCHES or method == _DELTA]
    alone = len(filters) <= 1 and _IA64 not in filters and (_DELTA not in filters or _LZMA in methods)
    return alone or _LZMA2 in methods


def _dictionary(coder: dict[str, Any]) -> int:
    properties = coder["properties"] or b""
    if coder["method"] == _LZMA:
        return int.from_bytes(properties[1:5], "little")
    if coder["method"] == _LZMA2 and properties:
        return (2 | properties[0] & 1) << properties[0] // 2 + 11
    return 0


class _Unpacking:
    """The plain bytes of a block, member by member."""

    def __init__(self, source: Source, block: _Block) -> None:
        self.block, self.problem = block, _problem(block)
        methods = {coder["method"] for coder in block.folder.coders}
        self._piece = _ZSTD_PIECE if _ZSTD in methods else _PIECE
        self._keeps, self._has_more = bool(methods & _BOUNDED), False
        self._file = SourceFile(source)
        self._file.seek(block.span.start)
        if self.problem:
            return
        make = import_module("py7zr.compressor").SevenZipDecompressor
        try:
            with _told():
                self._decoder = make(block.folder.coders, len(block.span), block.folder.unpacksizes, None)
        except Damage as damage:
            self.problem = str(damage)

    def member(self, size: int, checksum: int | None) -> Iterator[bytes]:
        """Its bytes; after a damage nothing that follows can be told."""
        left, computed = size, 0
        while left:
            try:
                with _told():
                    data = self._next(min(CHUNK, left))
            except Damage:
                self.problem = "cannot be unpacked: its block is damaged before it"
                raise
            left -= len(data)
            computed = zlib.crc32(data, computed)
            yield data
        if checksum not in (None, computed):
            raise Damage("does not match its checksum")

    def _next(self, size: int) -> bytes:
        """Up to ``size`` bytes. What a decoder holds is taken from it before it gets more, or it would hold it all."""
        while True:
            before, feed = self._decoder.consumed, not self._has_more
            self._decoder.block_size = self._piece if feed else 0
            data = bytes(self._decoder.decompress(self._file, size))
            self._has_more = self._keeps and len(data) > size // 2
            if data:
                return data
            if feed and self._decoder.consumed == before:
                raise Damage("is damaged: bytes are missing where its packed data ends")


# ---------------------------------------------------------------- packing


def _filters(coders: Sequence[dict[str, Any]]) -> list[dict[str, int]]:
    """How a copy is packed: as the first block was, with 8 MiB of dictionary at most, or else by LZMA2."""
    library, compressor = import_module("py7zr"), import_module("py7zr.compressor")
    lzma2 = {"id": library.FILTER_LZMA2, "preset": 3, "dict_size": 8 << 20}
    filters = [] if coders else [{"id": library.FILTER_COPY}]  # or a block without members would have packed data
    for coder in reversed(coders):
        one = {"id": compressor.SupportedMethods.get_filter_id(coder)}
        if coder["method"] in (_LZMA, _LZMA2):
            one = {**lzma2, **one}
        elif coder["method"] == _DELTA:
            one["dist"] = coder["properties"][0] + 1
        filters.append(one)
    try:
        compressor.SevenZipCompressor(filters=filters)
    except (library.exceptions.ArchiveError, ValueError, lzma.LZMAError):  # py7zr does not pack by such a combination
        return [lzma2]
    return filters
