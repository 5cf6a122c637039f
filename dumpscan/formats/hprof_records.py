"""The records of a Java heap dump, and the sub-records of its heap, walked without reading what they hold.

Source of format facts: the comment in OpenJDK's ``heapDumper.cpp`` (1.0.1, 1.0.2), and ART's ``hprof.cc`` for what
Android adds (1.0.3). All numbers are big-endian; IDs have the size that the header states.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

from dumpscan.errors import FormatError
from dumpscan.source import Source

STRING, LOAD_CLASS, FRAME, TRACE, HEAP_DUMP, HEAP_SEGMENT, HEAP_END = 0x01, 0x02, 0x04, 0x05, 0x0C, 0x1C, 0x2C
"""Tags of records."""

CLASS_DUMP, INSTANCE, OBJECT_ARRAY, PRIMITIVE_ARRAY = 0x20, 0x21, 0x22, 0x23
"""Tags of sub-records."""

OBJECT = 2
"""The type code of a reference."""

ELEMENT_SIZES = {4: 1, 5: 2, 6: 4, 7: 8, 8: 1, 9: 2, 10: 4, 11: 8}
"""Bytes of an element by type code: boolean, char, float, double, byte, short, int, long."""

ELEMENT_NAMES = {4: "boolean", 5: "char", 6: "float", 7: "double", 8: "byte", 9: "short", 10: "int", 11: "long"}

RECORD_HEADER = 9
"""Bytes before a record's body: tag, time, length of the body."""

CHUNK = 4 << 20
"""Bytes that a walk reads at a time."""

MAX_RECORDS = 1 << 24
"""Records that are looked at: a dump of a large application has a million, nearly all of them names."""

MAX_CLASS_DUMP = 8 << 20
"""More than the longest CLASS_DUMP: three tables of at most 65535 entries of at most 17 bytes."""

_MAGICS = tuple(b"JAVA PROFILE 1.0." + digit + b"\0" for digit in (b"1", b"2", b"3"))
_RECORD_TAGS = frozenset((*range(0x01, 0x08), 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x1C, 0x2C))
_MAX_DOUBTS = 64  # HEAP_DUMP records whose length is checked; a dump has one
_LONGEST_HEAD = 64  # more than the part of fixed size of any sub-record but CLASS_DUMP
_WRAP = 1 << 32
_CHAIN = 16  # records in a row that make sense by chance: never met


@dataclass(frozen=True, slots=True)
class Header:
    """The file's header: ``id_size`` is 4 or 8, ``size`` the bytes before the first record."""

    version: str
    id_size: int
    size: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record. ``body`` and ``end`` are file offsets; ``missing`` bytes of it lie past the end of the file."""

    tag: int
    offset: int
    end: int
    missing: int = 0

    @property
    def body(self) -> int:
        return self.offset + RECORD_HEADER


def is_heap_dump(head: bytes) -> bool:
    """Say whether ``head`` is the start of a binary heap dump."""
    return head.startswith(_MAGICS)


def read_header(source: Source) -> Header:
    """The header. Raises :class:`FormatError` if it is none, or not whole."""
    head = source.read(0, 31)
    if not is_heap_dump(head):
        raise FormatError("no header of a Java heap dump at 0x0")
    if len(head) < 31:
        raise FormatError(f"heap dump ends at {len(head):#x}, in its header")
    id_size = int.from_bytes(head[19:23])
    if id_size not in (4, 8):
        raise FormatError(f"identifiers of {id_size} bytes, 4 or 8 are known")
    return Header(head[13:18].decode("ascii"), id_size, 31)


# ---------------------------------------------------------------- records


class _Buffered:
    """Small reads in rising order, served from one chunk."""

    def __init__(self, source: Source) -> None:
        self._source, self._base, self._data = source, 0, b""

    def read(self, offset: int, size: int) -> bytes:
        start = offset - self._base
        if start < 0 or start + size > len(self._data):
            self._base, start = offset, 0
            self._data = self._source.read(offset, max(size, 1 << 16))
        return self._data[start : start + size]


class Records:
    """Iterates over the records as far as they make sense, and never past the end of the file.

    The length of a HEAP_DUMP may be wrong: 0 where the writer could not seek back, or the true length modulo 2^32
    (JDK 5 and 6 with more than 4 GiB of heap). Then the sub-records tell where it ends. Afterwards ``position`` is
    where the records ended.
    """

    def __init__(self, source: Source, header: Header) -> None:
        self._source, self._header = source, header
        self._buffered = _Buffered(source)
        self._doubts = _MAX_DOUBTS
        self.position = header.size

    def __iter__(self) -> Iterator[Record]:
        for _ in range(MAX_RECORDS):
            if self.position + RECORD_HEADER > self._source.size:
                return
            tag, _, length = struct.unpack(">BII", self._buffered.read(self.position, RECORD_HEADER))
            if tag not in _RECORD_TAGS:
                return
            record = self._sized(tag, self.position, length)
            self.position = record.end
            yield record

    def body(self, record: Record, size: int) -> bytes:
        """The first ``size`` bytes of the body, or what there is of them."""
        return self._buffered.read(record.body, min(size, record.end - record.body))

    def _sized(self, tag: int, offset: int, length: int) -> Record:
        end, size = offset + RECORD_HEADER + length, self._source.size
        if tag == HEAP_DUMP and self._doubts:
            self._doubts -= 1
            end = self._true_end(offset + RECORD_HEADER, length)
        return Record(tag, offset, min(end, size), max(end - size, 0))

    def _true_end(self, body: int, length: int) -> int:
        end, size = body + length, self._source.size
        good = next((place for place in range(end, size + 1, _WRAP) if _makes_sense(self._source, place)), None)
        if good is None and (length == 0 or end <= size):
            walk = Walk(self._source, self._header)
            for _ in walk.hits(body, size):
                pass  # nothing is asked for
            good = walk.position
        return end if good is None else good


def _makes_sense(source: Source, offset: int) -> bool:
    """Say whether records, or the end of the file, stand at ``offset``."""
    for _ in range(_CHAIN):
        if offset == source.size:
            return True
        head = source.read(offset, RECORD_HEADER)
        if len(head) < RECORD_HEADER or head[0] not in _RECORD_TAGS:
            return False
        if head[0] == HEAP_DUMP:
            return True  # its own length may be wrong
        offset += RECORD_HEADER + int.from_bytes(head[5:])
        if offset > source.size:
            return head[0] == HEAP_SEGMENT  # cut off
    return True


# ---------------------------------------------------------------- sub-records

Hit = tuple[int, int]
"""File offset and tag of a sub-record."""

_NOTHING: frozenset[int] = frozenset()


class Walk:
    """Walks sub-records, one after the other, and reports those that were asked for.

    ``classes`` asks for every CLASS_DUMP, ``of`` for the instances of these classes, ``ids`` for the instances and
    arrays with these IDs; ``mark`` is called with the offset of a sub-record about every ``stride`` bytes; ``chunk``
    bytes are read at a time. The sets may grow during the walk. Afterwards ``position`` is where the walk stopped.
    """

    def __init__(
        self,
        source: Source,
        header: Header,
        *,
        classes: bool = False,
        of: Container[int] = _NOTHING,
        ids: Container[int] = _NOTHING,
        mark: Callable[[int], None] | None = None,
        stride: int = 1 << 14,
        chunk: int = CHUNK,
    ) -> None:
        self._source, self._word = source, header.id_size
        self._classes, self._of, self._ids = classes, of, ids
        self._mark, self._stride, self._read = mark, stride, chunk
        letter = "Q" if header.id_size == 8 else "I"
        self._instance = struct.Struct(f">{letter}4x{letter}I")
        self._primitive = struct.Struct(f">{letter}4xIB")
        self._objects = struct.Struct(f">{letter}4xI{header.id_size}x")
        self._fixed = _fixed_sizes(header.id_size)
        self.position = 0

    def hits(self, start: int, end: int) -> Iterator[Hit]:
        """Walk from ``start`` until ``end``, or until something that is no sub-record.

        ``position`` is greater than ``end`` if the last sub-record is cut off there, less if one is damaged.
        """
        self.position, need = start, self._read
        while self.position < end:
            base = self.position
            data = self._source.read(base, min(need, end - base))
            whole = base + len(data) >= end
            limit = base + len(data) - (0 if whole else _LONGEST_HEAD)
            yield from self._strides(data, base, limit)
            if self.position >= limit:
                need = self._read
            elif whole or data[self.position - base] != CLASS_DUMP or need == MAX_CLASS_DUMP:
                return
            elif self.position == base:
                need = MAX_CLASS_DUMP

    def _strides(self, data: bytes, base: int, limit: int) -> Iterator[Hit]:
        while self.position < limit:
            stop = limit
            if self._mark is not None:
                self._mark(self.position)
                stop = min(self.position + self._stride, limit)
            yield from self._chunk(data, base, stop - base)
            if self.position < stop:
                return

    def _chunk(self, data: bytes, base: int, limit: int) -> Iterator[Hit]:
        """The loop that costs: one turn a sub-record. Ends with ``position`` at the first one not taken."""
        instance, primitive, objects = (
            self._instance.unpack_from,
            self._primitive.unpack_from,
            self._objects.unpack_from,
        )
        word, of, ids, sizes, fixed = self._word, self._of, self._ids, ELEMENT_SIZES, self._fixed
        instance_size, primitive_size = 1 + self._instance.size, 1 + self._primitive.size
        objects_size = 1 + self._objects.size
        at = self.position - base
        try:
            while at < limit:
                tag = data[at]
                start = at
                if tag == INSTANCE:
                    number, kind, count = instance(data, at + 1)
                    at += instance_size + count
                    if kind in of or number in ids:
                        yield base + start, tag
                elif tag == PRIMITIVE_ARRAY:
                    number, count, kind = primitive(data, at + 1)
                    at += primitive_size + count * sizes[kind]
                    if number in ids:
                        yield base + start, tag
                elif tag == OBJECT_ARRAY:
                    number, count = objects(data, at + 1)
                    at += objects_size + count * word
                    if number in ids:
                        yield base + start, tag
                elif tag == CLASS_DUMP:
                    at = class_dump_end(data, at, word)
                    if self._classes:
                        yield base + start, tag
                else:
                    at += fixed[tag]
        except (struct.error, IndexError, KeyError):
            pass  # at the first that is cut off, or is none
        self.position = base + at


def _fixed_sizes(word: int) -> dict[int, int]:
    """Bytes of the sub-records that always have the same size, tag included."""
    sizes = dict.fromkeys((0xFF, 0x05, 0x07, 0x89, 0x8A, 0x8B, 0x8C, 0x8D, 0x90), 1 + word)
    sizes |= dict.fromkeys((0x02, 0x03, 0x08, 0x8E), 1 + word + 8)
    sizes |= dict.fromkeys((0x04, 0x06, 0xFE), 1 + word + 4)
    sizes[0x01] = 1 + 2 * word
    sizes[0xC3] = 1 + word + 9  # a primitive array whose contents Android left out
    return sizes


def class_dump_end(data: bytes, at: int, word: int) -> int:
    """Where the CLASS_DUMP at ``at`` ends. Raises IndexError or KeyError where it is cut off or wrong."""
    at += 1 + 7 * word + 8
    for lead in (2, word):  # constant pool: index, type, value; static fields: name, type, value
        count = data[at] << 8 | data[at + 1]
        at += 2
        for _ in range(count):
            kind = data[at + lead]
            at += lead + 1 + (word if kind == OBJECT else ELEMENT_SIZES[kind])
    count = data[at] << 8 | data[at + 1]
    return at + 2 + count * (word + 1)
