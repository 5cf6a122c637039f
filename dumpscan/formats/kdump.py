"""kdump-compressed dumps (makedumpfile, QEMU): pages of a machine, each compressed on its own.

The plain bytes are the head of the file as it stands (headers, notes, bitmaps, page descriptors), every dumped page in
the order of the frames, then what is left of the file. A page that many frames share is there for each of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dumpscan.errors import FormatError
from dumpscan.formats.cover import cover
from dumpscan.formats.elf_notes import Machine, Notes, NoteSegment, read_notes
from dumpscan.formats.kdump_header import SIGNATURES, Descriptor, Extent, KdumpHeader, read_header
from dumpscan.formats.kdump_write import write_kdump
from dumpscan.formats.page_codecs import BY_FLAG, COMPRESSED, PageCodec
from dumpscan.formats.page_runs import MAX_BITMAP, MAX_RUNS, Run, bitmap_runs, run_regions
from dumpscan.formats.physical import PhysicalMemory
from dumpscan.formats.vmcore import MAX_VMCOREINFO, linux_spaces
from dumpscan.model import Layout, Region, Span, Unread
from dumpscan.plain import RATIO, Chunks, DecodeError, PlainSource
from dumpscan.source import Source

_INCOMPLETE = 8
_BATCH = 1 << 16


class Kdump:
    """Files that begin with ``KDUMP`` or ``DISKDUMP``."""

    name = "kdump"
    title = "Linux kdump-compressed dump (zlib, lzo, snappy, zstd; makedumpfile, QEMU)"
    handling = (
        "pages are decompressed and scanned with their physical and virtual addresses; changed pages are compressed "
        "again, those that grew go to the end, and eraseinfo says what was erased"
    )

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` begins with one of the two signatures."""
        return head[:8] in SIGNATURES

    def open(self, source: Source) -> PlainSource:
        """The plain pages. Raises :class:`FormatError` where the headers make no sense."""
        return KdumpSource(source)

    def layout(self, source: Source) -> Layout:
        """The layout of the plain bytes."""
        layout = self.open(source).layout
        assert layout is not None
        return layout


class KdumpSource(PlainSource):
    """The plain bytes of a kdump-compressed file."""

    def __init__(self, base: Source) -> None:
        super().__init__(base, KdumpSource)
        unread: list[Unread] = []
        header = self.header = read_header(base)
        runs = list(islice(_runs(base, header, unread), MAX_RUNS + 1))
        total = _count(base, header)
        self._shape = struct.Struct(header.order + "QIIQ")
        present = max(min(total, (base.size - header.descriptors) // self._shape.size), 0)
        if present < total:
            unread.append(Unread(base.size, 0, f"{total} pages, descriptors of {present} are in the file"))
        if present * header.block > RATIO * base.size:
            raise FormatError(f"{present} pages of {header.block} bytes in a file of {base.size}")
        self.pages = present
        self.head = min(header.descriptors + present * self._shape.size, base.size)
        self.pages_end = self.head + present * header.block
        self._left = self._leftovers(unread)
        self.size, self.stable = self.pages_end + self._left.size, self.pages_end
        self.rewritten = (Span(header.descriptors, self.head),)
        if header.eraseinfo_field:
            width = 16 if header.wide else 12
            self.rewritten = (Span(header.eraseinfo_field, header.eraseinfo_field + width), *self.rewritten)
        self.layout = self._laid_out(runs, unread)

    # ------------------------------------------------------------ reading

    def piece(self, offset: int, size: int) -> bytes:
        """See :meth:`PlainSource.piece`."""
        if offset < self.head:
            return self.base.read(offset, min(size, self.head - offset))
        if offset >= self.pages_end:
            return self._left.read_plain(self.base, offset - self.pages_end, size) or b""
        block = self.header.block
        index, inside = divmod(offset - self.head, block)
        count = min(-(-(inside + size) // block), self.pages - index, 256)
        pages = b"".join(self._page(descriptor) for descriptor in self.descriptors(index, count))
        return pages[inside : inside + size]

    def descriptors(self, first: int, count: int) -> Iterator[Descriptor]:
        """The descriptors of ``count`` pages from ``first`` on."""
        raw = self.base.read(self.header.descriptors + first * self._shape.size, count * self._shape.size)
        for offset, size, flags, _ in self._shape.iter_unpack(raw):
            yield Descriptor(offset, size, flags)

    def _page(self, at: Descriptor) -> bytes:
        return self.decoded(at, self.header.block, partial(self._decode, at))

    def _decode(self, at: Descriptor) -> bytes:
        block = self.header.block
        if not at.size or at.offset + at.size > self.base.size or at.size > 2 * block:
            raise DecodeError("they lie outside the file" if at.size <= 2 * block else "they are too large")
        flags = at.flags & COMPRESSED
        data = self.base.read(at.offset, at.size)
        if not flags:
            if at.size != block:
                raise DecodeError("they are not of the size of a page")
            return data
        codec = BY_FLAG.get(flags)
        if codec is None or codec.unpack is None:
            raise DecodeError(_missing(codec))
        plain = codec.unpack(data, block)
        if len(plain) != block:
            raise DecodeError(f"{codec.name} data gives {len(plain)} bytes")
        return plain

    # ------------------------------------------------------------ writing

    def base_offset(self, offset: int) -> tuple[int | None, int]:
        """Where the plain byte at ``offset`` (not one of a page) lies in ``base``, and how many follow it there.

        None for zeros that are not in the file.
        """
        if offset < self.head:
            return offset, self.head - offset
        index, start, end = self._left.at(offset - self.pages_end)
        inside = offset - self.pages_end - start
        if self._left.kinds[index]:
            return None, end - start - inside
        return self._left.places[index] + inside, end - start - inside

    def write(self, plain: Source, spans: Sequence[Span], path: Path) -> None:
        """See :meth:`PlainSource.write`."""
        write_kdump(self, plain, spans, path)

    def blobs(self) -> Iterator[tuple[int, NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]]:
        """Of all descriptors, in batches: the index of the first, offsets, sizes, flags."""
        order = self.header.order
        kinds = {"offset": "u8", "size": "u4", "flags": "u4", "page": "u8"}
        row = np.dtype([(name, order + kind) for name, kind in kinds.items()])
        for first in range(0, self.pages, _BATCH):
            count = min(_BATCH, self.pages - first)
            raw = self.base.read(self.header.descriptors + first * row.itemsize, count * row.itemsize)
            rows = np.frombuffer(raw, row)
            yield first, *(rows[name].astype(np.uint64) for name in ("offset", "size", "flags"))  # type: ignore[misc]

    # ------------------------------------------------------------ structure

    def _leftovers(self, unread: list[Unread]) -> Chunks:
        """The bytes after the descriptors that are in no stored page; pages that cannot be read are told."""
        block, size = np.uint64(self.header.block), np.uint64(self.base.size)
        kept = _Intervals()
        outside = 0
        by_flags = dict.fromkeys((*range(COMPRESSED + 1),), 0)
        for _, offsets, sizes, flags in self.blobs():
            good = (sizes > 0) & (sizes <= block * np.uint64(2)) & (offsets < size)
            good &= sizes <= size - np.minimum(offsets, size)
            outside += int((~good).sum())
            kept.add(offsets[good], offsets[good] + sizes[good])
            values, counts = np.unique(flags[good] & np.uint64(COMPRESSED), return_counts=True)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                by_flags[value] += count
        if outside:
            unread.append(Unread(self.head, 0, f"{outside} pages lie outside the file"))
        for value, count in by_flags.items():
            codec = BY_FLAG.get(value)
            if count and value and (codec is None or codec.unpack is None):
                unread.append(Unread(self.head, 0, f"{count} pages not read: {_missing(codec)}"))
        left = Chunks()
        position = self.head
        for start, end in kept.merged():
            if start > position:
                left.align(position, self.pages_end)
                left.add(start - position, position)
            position = max(position, end)
        if position < self.base.size:
            left.align(position, self.pages_end)
            left.add(self.base.size - position, position)
        return left

    def _laid_out(self, runs: Sequence[Run], unread: list[Unread]) -> Layout:
        header = self.header
        if header.status & _INCOMPLETE:
            unread.append(Unread(self.pages_end, 0, "the dump is marked as incomplete: makedumpfile did not finish"))
        notes = self._notes(unread)
        claims = [
            *run_regions(runs, self.head, header.block, self.pages_end),
            *notes.regions,
            *self._extents("VMCOREINFO", header.vmcoreinfo),
            *self._extents("notes", header.note),
            *self._extents("eraseinfo", header.eraseinfo),
            Region(0, header.block, kind="header", name="header"),
            Region(header.block, header.sub_size, kind="header", name="sub-header"),
            Region(header.descriptors, self.head - header.descriptors, kind="header", name="page descriptors"),
            Region(header.block + header.sub_size, header.descriptors, kind="header", name="bitmaps"),
        ]
        regions = cover(claims, self.size)
        info = self._text(notes)
        states = [self.base.read(state.offset, min(state.size, 512)) for state in notes.processors[:64]]
        memory = PhysicalMemory(self, regions)
        architecture = header.machine or None
        spaces = linux_spaces(memory, header.machine, info, states, unread, header.phys_base)
        return Layout(
            "kdump",
            regions,
            architecture=architecture,
            byte_order="little" if header.order == "<" else "big",
            pointer_size=8 if header.wide else 4,
            threads=tuple(notes.threads),
            unread=(*unread, *self.base.unread) if isinstance(self.base, PlainSource) else tuple(unread),
            spaces=spaces,
        )

    def _notes(self, unread: list[Unread]) -> Notes:
        """The notes, if they lie in the head, where offsets are those of the file."""
        header, note = self.header, self.header.note
        end = min(note.offset + note.size, header.descriptors, self.base.size)
        segments = [NoteSegment(note.offset, end, 4)] if header.block <= note.offset < end else []
        notes = read_notes(self.base, Machine(header.order, header.wide, header.number), segments)
        unread.extend(notes.unread)
        return notes

    def _text(self, notes: Notes) -> bytes:
        found = notes.vmcoreinfo
        place = Extent(found.offset, found.size) if found else self.header.vmcoreinfo
        if place.offset >= self.base.size:
            return b""
        return self.base.read(place.offset, min(place.size, MAX_VMCOREINFO))

    def _extents(self, name: str, extent: Extent) -> Iterator[Region]:
        """A part of the file, if it is in the head or left over."""
        if extent.size and extent.offset + extent.size <= self.head:
            yield Region(extent.offset, extent.size, kind="notes", name=name)
        elif extent.size:
            rows = zip(self._left.starts, self._left.places, self._left.stored, self._left.kinds, strict=True)
            for start, place, stored, kind in rows:
                if kind == 0 and place <= extent.offset and extent.offset + extent.size <= place + stored:
                    yield Region(self.pages_end + start + extent.offset - place, extent.size, kind="notes", name=name)


class _Intervals:
    """The union of many stretches; adding is cheap, and what adjoins is joined now and then."""

    def __init__(self) -> None:
        self._starts: list[NDArray[np.uint64]] = []
        self._ends: list[NDArray[np.uint64]] = []
        self._waiting, self._joined = 0, _BATCH

    def add(self, starts: NDArray[np.uint64], ends: NDArray[np.uint64]) -> None:
        self._starts.append(starts)
        self._ends.append(ends)
        self._waiting += len(starts)
        if self._waiting > 2 * self._joined:
            self._join()
            self._joined = max(self._waiting, _BATCH)

    def _join(self) -> None:
        starts, ends = np.concatenate(self._starts), np.concatenate(self._ends)
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], np.maximum.accumulate(ends[order])
        first = np.concatenate(([True], starts[1:] > ends[:-1])) if len(starts) else np.zeros(0, np.bool_)
        last = np.concatenate((first[1:], [True])) if len(starts) else first
        self._starts, self._ends = [starts[first]], [ends[last]]
        self._waiting = int(first.sum())

    def merged(self) -> Iterator[tuple[int, int]]:
        if self._starts:
            self._join()
            yield from zip(self._starts[0].tolist(), self._ends[0].tolist(), strict=True)


def _missing(codec: PageCodec | None) -> str:
    return f"the library for {codec.name} is not installed" if codec else "their compression is not known"


def _bitmap(source: Source, header: KdumpHeader) -> bytes:
    size = min((header.last + 7) // 8, header.bitmap.size, MAX_BITMAP)
    return source.read(header.bitmap.offset, size) if header.bitmap.offset < source.size else b""


def _count(source: Source, header: KdumpHeader) -> int:
    bits = np.unpackbits(np.frombuffer(_bitmap(source, header), np.uint8), bitorder="little")
    return int(bits[header.first : header.last].sum())


def _runs(source: Source, header: KdumpHeader, unread: list[Unread]) -> Iterator[Run]:
    bitmap = _bitmap(source, header)
    if 8 * len(bitmap) < header.last:
        unread.append(Unread(header.bitmap.offset, 0, f"the bitmap of {header.last} pages is not whole"))
    for first, count in bitmap_runs(bitmap, header.last):
        low, high = max(first, header.first), first + count
        if low < high:
            yield low, high - low
