"""Writing a kdump-compressed file anew around changed pages.

A changed page is compressed again into its old place. Where it has grown, or the place is shared with a page that did
not change, it goes to the end of the file and its descriptor follows; what it leaves behind is zeros.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from dumpscan import __version__
from dumpscan.errors import RedactionError
from dumpscan.formats.kdump_header import Descriptor
from dumpscan.formats.page_codecs import BY_FLAG, COMPRESSED
from dumpscan.model import Span
from dumpscan.source import Source

if TYPE_CHECKING:
    from dumpscan.formats.kdump import KdumpSource

MAX_LINES = 4096
"""Lines of eraseinfo; what is more is one line."""

_CHUNK = 4 << 20


@dataclass(slots=True)
class _Place:
    """A stored page that changes: who uses it, and what its users hold now."""

    old: Descriptor
    users: list[int] = field(default_factory=list)
    contents: set[bytes] = field(default_factory=set, repr=False)
    shared: bool = False


def write_kdump(view: KdumpSource, plain: Source, spans: Sequence[Span], path: Path) -> None:
    """See :meth:`dumpscan.plain.PlainSource.write`."""
    places = _changed(view, plain, spans)
    _mark_shared(view, places)
    with path.open("w+b") as out:
        for offset in range(0, view.base.size, _CHUNK):
            out.write(view.base.read(offset, min(_CHUNK, view.base.size - offset)))
        for span in _outside_pages(view, spans):
            _write_plain(view, plain, span, out)
        out.seek(view.base.size)
        end = view.base.size
        for place in places:
            if not place.shared:
                _put(out, place.old.offset, bytes(place.old.size))
        for place in places:
            end = _rewrite(view, plain, place, out, end)
        _write_eraseinfo(view, plain, spans, out, end)


def _touched(view: KdumpSource, spans: Sequence[Span]) -> list[int]:
    """The pages that ``spans`` (in order) touch, by index."""
    block, pages = view.header.block, list[int]()
    for span in spans:
        low, high = max(span.start, view.head), min(span.end, view.pages_end)
        if low < high:
            first = (low - view.head) // block
            first = max(first, pages[-1] + 1) if pages else first
            pages.extend(range(first, (high - 1 - view.head) // block + 1))
    return pages


def _outside_pages(view: KdumpSource, spans: Sequence[Span]) -> Iterator[Span]:
    for span in spans:
        for low, high in ((span.start, min(span.end, view.head)), (max(span.start, view.pages_end), span.end)):
            if low < high:
                yield Span(low, high)


def _write_plain(view: KdumpSource, plain: Source, span: Span, out: BinaryIO) -> None:
    offset = span.start
    while offset < span.end:
        place, size = view.base_offset(offset)
        size = min(size, span.end - offset)
        if place is not None:
            _put(out, place, plain.read(offset, size))
        offset += size


def _put(out: BinaryIO, offset: int, data: bytes) -> None:
    out.seek(offset)
    out.write(data)


def _changed(view: KdumpSource, plain: Source, spans: Sequence[Span]) -> list[_Place]:
    places: dict[Descriptor, _Place] = {}
    for index in _touched(view, spans):
        (old,) = view.descriptors(index, 1)
        if old.offset < view.head:
            raise RedactionError(f"page {index} lies in the header at {old.offset:#x}")
        place = places.setdefault(old, _Place(old))
        place.users.append(index)
        if len(place.contents) < 2:
            place.contents.add(plain.read(view.head + index * view.header.block, view.header.block))
    return list(places.values())


def _mark_shared(view: KdumpSource, places: list[_Place]) -> None:
    """Find the places that overlap one another, or the page of a descriptor that does not change."""
    if not places:
        return
    places.sort(key=lambda place: (place.old.offset, place.old.size))
    starts = np.array([place.old.offset for place in places], np.uint64)
    ends = np.array([place.old.offset + place.old.size for place in places], np.uint64)
    highest = np.maximum.accumulate(ends)
    for i in np.flatnonzero(starts[1:] < highest[:-1]).tolist():
        places[i].shared = places[i + 1].shared = True
    users = np.sort(np.array([index for place in places for index in place.users], np.int64))
    for first, offsets, sizes, _ in view.blobs():
        # the last place that begins before the page ends: it is the one to be met, as places do not overlap
        last = np.searchsorted(starts, offsets + sizes, "left") - 1
        met = (last >= 0) & (highest[np.maximum(last, 0)] > offsets)
        rows = np.flatnonzero(met)
        rows = rows[~np.isin(rows + first, users, assume_unique=True)]
        for row in np.unique(rows).tolist():
            index = int(last[row])
            while index >= 0 and int(highest[index]) > int(offsets[row]):
                if places[index].shared:
                    break
                places[index].shared = True
                index -= 1


def _rewrite(view: KdumpSource, plain: Source, place: _Place, out: BinaryIO, end: int) -> int:
    """Store what the users of ``place`` hold now; returns the end of the file."""
    written: dict[bytes, tuple[int, int, int]] = {}
    block = view.header.block
    for index in place.users:
        content = plain.read(view.head + index * block, block)
        if content not in written:
            data, flags = _packed(content, place.old.flags)
            fits = not place.shared and len(place.contents) == 1 and len(data) <= place.old.size
            offset = place.old.offset if fits else end
            _put(out, offset, data)
            end = max(end, offset + len(data))
            written = {content: (offset, len(data), flags)}
        entry = view.header.descriptors + index * 24
        _put(out, entry, struct.pack(view.header.order + "QII", *written[content]))
    return end


def _packed(content: bytes, flags: int) -> tuple[bytes, int]:
    """``content`` compressed as its page was, or as it is where that is no shorter; and the flags that say so."""
    codec = BY_FLAG.get(flags & COMPRESSED)
    data = codec.pack(content) if codec and codec.pack else content
    return (data, flags) if codec and len(data) < len(content) else (content, flags & ~COMPRESSED)


def _write_eraseinfo(view: KdumpSource, plain: Source, spans: Sequence[Span], out: BinaryIO, end: int) -> None:
    """Append what was erased to the eraseinfo section, at the end of the file, and repoint it."""
    header = view.header
    if not header.eraseinfo_field:
        return
    before = b""
    old = header.eraseinfo
    if old.size and old.offset + old.size <= view.base.size and old.size <= _CHUNK:
        out.seek(old.offset)
        before = out.read(old.size)
    assert view.layout is not None
    lines = [f"erase dumpscan {__version__} {text}" for text in _told(view, spans)]
    data = before + "".join(line + "\n" for line in lines).encode()
    _put(out, end, data)
    shape = header.order + ("2Q" if header.wide else "QI")
    _put(out, header.eraseinfo_field, struct.pack(shape, end, len(data)))


def _told(view: KdumpSource, spans: Sequence[Span]) -> Iterator[str]:
    """``physical ADDRESS SIZE`` for each stretch that was erased."""
    regions = view.layout.regions if view.layout else ()
    starts = np.array([region.offset for region in regions], np.uint64)
    for span in spans[:MAX_LINES]:
        region = regions[int(np.searchsorted(starts, np.uint64(span.start), "right")) - 1]
        if region.address is not None:
            yield f"physical {region.address + span.start - region.offset:#x} {len(span)}"
    if len(spans) > MAX_LINES:
        yield f"{len(spans) - MAX_LINES} more"
