"""Java heap dumps (hprof, binary): HotSpot's 1.0.1 and 1.0.2, Android's 1.0.3.

A dump has millions of objects, so regions are runs of whole records, not objects. Which object holds a byte is
answered by :mod:`dumpscan.formats.hprof_objects`, where it is asked.
"""

from __future__ import annotations

from dumpscan.formats.cover import cover
from dumpscan.formats.hprof_records import (
    HEAP_DUMP,
    HEAP_END,
    HEAP_SEGMENT,
    MAX_RECORDS,
    RECORD_HEADER,
    STRING,
    Record,
    Records,
    is_heap_dump,
    read_header,
)
from dumpscan.model import Layout, Region, Unread
from dumpscan.source import Source

PIECE = 64 << 20
"""Bytes after which a run of records ends, at the end of a record."""

MAX_REGIONS = 1 << 15
"""Regions at most; a file with more changes from one kind of record to another ends in one raw region."""

_MANY = 256
_KINDS = {STRING: ("names", "names"), HEAP_DUMP: ("memory", "Java heap"), HEAP_SEGMENT: ("memory", "Java heap")}
_OTHER = ("header", "classes and stack traces")


class Hprof:
    """Binary heap dumps of the JVM and of Android."""

    name = "hprof"
    title = "Java heap dump"
    handling = "names, arrays and fields are scanned; occurrences are overwritten in place, and no identifier or length"

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` is the start of a binary heap dump, version 1.0.1, 1.0.2 or 1.0.3."""
        return is_heap_dump(head)

    def layout(self, source: Source) -> Layout:
        """The regions of a heap dump. Raises :class:`FormatError` if its header is damaged.

        Reads only the headers of records, except where the length of a HEAP_DUMP is wrong.
        """
        header = read_header(source)
        runs = _Runs(header.size)
        records = Records(source, header)
        unread: list[Unread] = []
        last = 0
        segmented = False
        for record in records:
            runs.add(record)
            last, segmented = record.tag, segmented or record.tag == HEAP_SEGMENT
            if record.missing:
                reason = f"heap dump ends at {source.size:#x}, its last record is {record.missing} bytes short"
                unread.append(Unread(source.size, record.missing, reason))
        if records.position < source.size:
            unread.append(_rest(records.position, source.size))
        elif segmented and last != HEAP_END and not unread:
            unread.append(Unread(source.size, 0, f"heap dump ends at {source.size:#x}, without its end record"))
        return Layout(
            self.name,
            cover(runs.regions(), source.size),
            byte_order="big",
            pointer_size=header.id_size,
            unread=tuple(unread),
        )


def _rest(position: int, size: int) -> Unread:
    if size - position < RECORD_HEADER:
        missing = RECORD_HEADER - (size - position)
        return Unread(size, missing, f"heap dump ends at {size:#x}, in the header of a record")
    return Unread(
        position, 0, f"no record at {position:#x}, or more than {MAX_RECORDS} before it: scanned as raw bytes"
    )


class _Runs:
    """Successive records of one kind, made one region each."""

    def __init__(self, header_size: int) -> None:
        self._done = [Region(0, header_size, kind="header", name="header")]
        self._kind = _OTHER
        self._start = self._end = header_size

    def add(self, record: Record) -> None:
        """Take in the next record."""
        kind = _KINDS.get(record.tag, _OTHER)
        if kind is _OTHER and len(self._done) > _MANY:  # JDK 5 wrote each class with its name
            kind = _KINDS[STRING]
        if kind != self._kind or self._end - self._start >= PIECE:
            self._close()
            self._kind, self._start = kind, record.offset
        self._end = record.end

    def regions(self) -> list[Region]:
        """The regions; what comes after the first ``MAX_REGIONS`` is left to be raw."""
        self._close()
        return self._done

    def _close(self) -> None:
        if self._end > self._start and len(self._done) < MAX_REGIONS:
            kind, name = self._kind
            self._done.append(Region(self._start, self._end - self._start, kind=kind, name=name))
