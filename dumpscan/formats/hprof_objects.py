"""Which object of a Java heap dump holds a byte, and which values are held by fields with telling names.

Asked only where there is something to ask: building a :class:`HeapIndex` walks the dump once, :meth:`HeapIndex.owners`
searches it for references once for each step from an array to what holds it, :meth:`HeapIndex.named_values` walks it
once or twice more. What is kept grows with the classes and the questions, and by 16 bytes for each 16 KiB of heap.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dumpscan.formats.hprof_classes import Classes, Field, looks_secret
from dumpscan.formats.hprof_records import (
    CHUNK,
    CLASS_DUMP,
    ELEMENT_NAMES,
    ELEMENT_SIZES,
    HEAP_DUMP,
    HEAP_SEGMENT,
    INSTANCE,
    LOAD_CLASS,
    OBJECT,
    OBJECT_ARRAY,
    PRIMITIVE_ARRAY,
    STRING,
    Records,
    Walk,
    read_header,
)
from dumpscan.source import Source

MAX_OFFSETS = 10_000
"""Offsets whose owners are looked for in one call."""

MAX_REFERENCES = 50_000
"""Places that may be references, looked at in one search."""

MAX_WANTED = 1 << 20
"""References to values that are followed at the same time."""

MAX_TELLING = 1 << 16
"""Fields with telling names, of all classes and inherited ones again, whose values are followed."""

MAX_SEGMENTS = 1 << 20
"""Segments whose objects are told apart; HotSpot makes one a MiB."""

_MAX_LIMITS = 64
_ROUNDS = 3
_HOPS = 2  # array, wrapper, holder

NamedValue = tuple[int, int, str]
"""File offset and bytes of an array's contents, and the field that holds it."""


@dataclass(frozen=True, slots=True)
class _Holder:
    """What refers to an object: ``wrapper`` is the ID of a String or the like, else ``label`` says what it is."""

    rank: int
    label: str
    wrapper: int = 0
    kind: str = ""


class HeapIndex:
    """Answers questions about the objects of a heap dump.

    ``limits`` tells in words what was left out; it may grow with each question. Raises
    :class:`dumpscan.errors.FormatError` if the header is damaged, and :class:`dumpscan.errors.SourceError` if the
    file cannot be read.
    """

    def __init__(self, source: Source) -> None:
        self._source, self._header = source, read_header(source)
        self._word = self._header.id_size
        self._classes = Classes(source, self._header)
        self._starts, self._ends = array("Q"), array("Q")  # of stretches of whole sub-records
        self._segments: list[tuple[int, int]] = []
        self.limits: set[str] = self._classes.limits
        self._read()

    # ------------------------------------------------------------ building

    def _read(self) -> None:
        records = Records(self._source, self._header)
        for record in records:
            if record.tag == STRING:
                self._classes.add_string(record, records.body(record, self._word))
            elif record.tag == LOAD_CLASS:
                self._classes.add_name(records.body(record, 8 + 2 * self._word))
            elif record.tag in (HEAP_DUMP, HEAP_SEGMENT) and len(self._segments) >= MAX_SEGMENTS:
                self.limits.add(f"more than {MAX_SEGMENTS} segments in a heap dump")
            elif record.tag in (HEAP_DUMP, HEAP_SEGMENT) and record.end > record.body:
                self._read_heap(record.body, record.end)

    def _read_heap(self, start: int, end: int) -> None:
        walk = Walk(self._source, self._header, classes=True, mark=self._mark)
        for offset, _ in walk.hits(start, end):
            self._classes.add_class(offset)
        if walk.position < end and len(self.limits) < _MAX_LIMITS:
            self.limits.add(f"no object at {walk.position:#x}, {end - walk.position} bytes of heap are not told apart")
        stop = min(walk.position, end)
        self._ends.extend([stop] * (len(self._starts) - len(self._ends)))
        self._segments.append((start, stop))

    def _mark(self, offset: int) -> None:
        if len(self._ends) < len(self._starts):
            self._ends.append(offset)
        self._starts.append(offset)

    # ------------------------------------------------------------ owners of bytes

    def owners(self, offsets: Sequence[int]) -> dict[int, str]:
        """What holds the byte at each of these file offsets, for those of which it is known.

        ``com.example.Config.password (java.lang.String)`` for an array in a String in a field,
        ``javax.crypto.spec.SecretKeySpec.key (byte[])`` for an array in a field, ``com.example.Config.pin (int)`` for
        a byte in a field itself, ``byte[]`` or ``java.lang.String`` for one that no field refers to.
        """
        if len(offsets) > MAX_OFFSETS:
            self.limits.add(f"owners are told of the first {MAX_OFFSETS} of {len(offsets)} places in a heap dump")
        answers: dict[int, str] = {}
        arrays: dict[int, list[int]] = {}
        for offset, record in self._records_at(offsets[:MAX_OFFSETS]).items():
            tag, number, name = self._described(record, offset)
            answers[offset] = name
            if tag == PRIMITIVE_ARRAY:
                arrays.setdefault(number, []).append(offset)
        for number, holder in self._holders(arrays).items():
            for offset in arrays[number]:
                answers[offset] = f"{holder.label} ({holder.kind or answers[offset]})" if holder.label else holder.kind
        return {offset: name for offset, name in answers.items() if name}

    def _described(self, record: int, offset: int) -> tuple[int, int, str]:
        """Tag and ID of the sub-record at ``record``, and what holds the byte at ``offset`` in it."""
        head = self._source.read(record, 2 + 2 * self._word + 8)
        tag, number = head[0], int.from_bytes(head[1 : 1 + self._word])
        name = ""
        if tag == PRIMITIVE_ARRAY:
            name = ELEMENT_NAMES[head[9 + self._word]] + "[]"
        elif tag == INSTANCE:
            field = self._field_at(record, head, offset)
            name = self._typed(field) if field else ""
        elif tag == CLASS_DUMP:
            field = self._static_at(number, offset)
            name = self._typed(field) if field else ""
        return tag, number, name

    def _typed(self, field: Field) -> str:
        return f"{self._classes.label(field)} ({ELEMENT_NAMES.get(field.type, 'reference')})"

    def _field_at(self, record: int, head: bytes, offset: int) -> Field | None:
        place = offset - record - self._instance_head
        number = int.from_bytes(head[5 + self._word : 5 + 2 * self._word])
        return next((f for f in self._classes.fields(number) if 0 <= place - f.place < (f.size or self._word)), None)

    def _static_at(self, number: int, offset: int) -> Field | None:
        fields = self._classes.statics(number)
        return next((f for f in fields if 0 <= offset - f.place < (f.size or self._word)), None)

    @property
    def _instance_head(self) -> int:
        return 1 + 2 * self._word + 8

    def _holders(self, ids: Iterable[int]) -> dict[int, _Holder]:
        """The best holder of each object, through wrappers."""
        best: dict[int, _Holder] = {}
        via: dict[int, tuple[set[int], str]] = {number: ({number}, "") for number in ids}
        for _ in range(_HOPS):
            following: dict[int, tuple[set[int], str]] = {}
            for number, holder in self._references(set(via)):
                origins, kind = via[number]
                for origin in origins:
                    if holder.wrapper:
                        following.setdefault(holder.wrapper, (set(), holder.kind))[0].add(origin)
                    found = _Holder(holder.rank, holder.label, holder.wrapper, kind or holder.kind)
                    if origin not in best or found.rank < best[origin].rank:
                        best[origin] = found
            via = following
        return best

    def _references(self, ids: set[int]) -> Iterator[tuple[int, _Holder]]:
        """Yield each object of ``ids`` that something refers to, with that something."""
        ids.discard(0)
        places = dict(self._search(ids)) if ids else {}
        for place, record in self._records_at(list(places)).items():
            head = self._source.read(record, self._instance_head)
            tag = head[0]
            if tag == INSTANCE and place >= record + self._instance_head:
                field = self._field_at(record, head, place)
                if field and field.type == OBJECT and place == record + self._instance_head + field.place:
                    yield places[place], self._held(field, int.from_bytes(head[1 : 1 + self._word]))
            elif tag == CLASS_DUMP:
                field = self._static_at(int.from_bytes(head[1 : 1 + self._word]), place)
                if field and field.type == OBJECT and place == field.place:
                    yield places[place], _Holder(self._rank(field), self._classes.label(field))
            elif tag == OBJECT_ARRAY and place >= record + self._instance_head:
                name = self._classes.name(int.from_bytes(self._source.read(record + 9 + self._word, self._word)))
                yield places[place], _Holder(8, f"element of {name}")

    def _held(self, field: Field, instance: int) -> _Holder:
        if self._classes.wraps(field):
            return _Holder(9, "", instance, self._classes.name(field.owner))
        return _Holder(self._rank(field), self._classes.label(field))

    def _rank(self, field: Field) -> int:
        """Fields with telling names first, then those of applications."""
        return (0 if looks_secret(self._classes.text(field.name)) else 2) + self._classes.in_jdk(field)

    # ------------------------------------------------------------ finding sub-records and references

    def _records_at(self, offsets: Sequence[int]) -> dict[int, int]:
        """The start of the sub-record that holds each offset, for those that lie in one."""
        found: dict[int, int] = {}
        inside: list[int] = []
        current = -1
        for offset in sorted(set(offsets)):
            at = bisect_right(self._starts, offset) - 1
            if at < 0 or offset >= self._ends[at]:
                continue
            if at != current:
                current, inside = at, self._starts_between(self._starts[at], self._ends[at])
            found[offset] = inside[bisect_right(inside, offset) - 1]
        return found

    def _starts_between(self, start: int, end: int) -> list[int]:
        starts: list[int] = []
        walk = Walk(self._source, self._header, mark=starts.append, stride=1, chunk=1 << 16)
        for _ in walk.hits(start, end):
            pass  # only the marks are of interest
        return starts

    def _search(self, ids: set[int]) -> Iterator[tuple[int, int]]:
        """Yield file offset and value of everything in the heap that looks like one of ``ids``."""
        finder = _Finder(ids, self._word)
        left = MAX_REFERENCES
        for start, end in self._segments:
            for base in range(start, end, CHUNK):
                data = self._source.read(base, min(CHUNK + self._word - 1, end - base))
                for place, number in finder.find(data):
                    left -= 1
                    if left < 0:
                        self.limits.add(f"more than {MAX_REFERENCES} references to the objects of findings")
                        return
                    yield base + place, number

    # ------------------------------------------------------------ values by the names of fields

    def named_values(self) -> Iterator[NamedValue]:
        """Yield the contents of the String, char[] and byte[] values that fields with telling names hold.

        Empty arrays are left out. Each array is told once, with the first field that leads to it.
        """
        quest = _Quest(self._classes, self.limits)
        for turn in range(_ROUNDS):
            before = len(quest.done)
            for offset, tag in self._walk((), quest.wanted) if turn else self._walk(quest.holders, quest.wanted):
                yield from self._visit(quest, offset, tag)
            if not quest.wanted or (turn and len(quest.done) == before):
                return

    def _walk(self, of: Container[int], ids: Container[int]) -> Iterator[tuple[int, int]]:
        for start, end in self._segments:
            yield from Walk(self._source, self._header, of=of, ids=ids).hits(start, end)

    def _visit(self, quest: _Quest, offset: int, tag: int) -> Iterator[NamedValue]:
        """Follow the telling fields of a sub-record, and tell of its contents if it was wanted."""
        head = self._source.read(offset, self._instance_head)
        number = int.from_bytes(head[1 : 1 + self._word])
        label = quest.found(number)
        if tag == INSTANCE:
            kind = int.from_bytes(head[5 + self._word : 5 + 2 * self._word])
            for field in quest.holders.get(kind, ()):
                quest.want(self._reference(offset, field), self._classes.label(field))
            wrapped = quest.wrapped(kind)
            if label and wrapped:
                quest.want(self._reference(offset, wrapped), label)
        elif tag == PRIMITIVE_ARRAY and label:
            count = int.from_bytes(head[5 + self._word : 9 + self._word])
            start = offset + self._word + 10
            size = min(count * ELEMENT_SIZES[head[9 + self._word]], self._source.size - start)
            if size > 0:
                yield start, size, label

    def _reference(self, record: int, field: Field) -> int:
        return int.from_bytes(self._source.read(record + self._instance_head + field.place, self._word))


class _Quest:
    """What is looked for by name: ``holders`` has the telling fields of each class, ``wanted`` the label by ID."""

    def __init__(self, classes: Classes, limits: set[str]) -> None:
        self._classes, self._limits = classes, limits
        self._wrapped: dict[int, Field | None] = {}
        self.holders: dict[int, list[Field]] = {}
        self.wanted: dict[int, str] = {}
        self.done: set[int] = set()
        count = 0
        for number in classes.numbers():
            telling = [field for field in classes.fields(number) if classes.is_secret(field)]
            count += len(telling)
            if count > MAX_TELLING:
                limits.add(f"more than {MAX_TELLING} fields with telling names in a heap dump")
                break
            if telling:
                self.holders[number] = telling
            for static in classes.statics(number):
                if classes.is_secret(static, static=True):
                    self.want(classes.reference(static), classes.label(static))

    def want(self, number: int, label: str) -> None:
        """Ask for the object with this ID, once."""
        if not number or number in self.done or number in self.wanted:
            return
        if len(self.wanted) + len(self.done) >= MAX_WANTED:
            self._limits.add(f"more than {MAX_WANTED} values of fields with telling names in a heap dump")
            return
        self.wanted[number] = label

    def found(self, number: int) -> str:
        """The label of an object that was asked for, which it is no more; else an empty text."""
        label = self.wanted.pop(number, "")
        if label:
            self.done.add(number)
        return label

    def wrapped(self, kind: int) -> Field | None:
        """The field of this class that is the array inside a String or the like."""
        if kind not in self._wrapped:
            fields = self._classes.fields(kind)
            self._wrapped[kind] = next((f for f in fields if f.type == OBJECT and self._classes.wraps(f)), None)
        return self._wrapped[kind]


class _Finder:
    """Finds big-endian numbers at any offset, a table of their low 24 bits first."""

    def __init__(self, numbers: Iterable[int], word: int) -> None:
        self._word = word
        self._numbers = {number.to_bytes(word): number for number in numbers}
        self._table: NDArray[np.bool_] = np.zeros(1 << 24, np.bool_)
        self._table[[number & 0xFFFFFF for number in self._numbers.values()]] = True

    def find(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield position and number, for numbers that lie in ``data`` as a whole."""
        count = len(data) - self._word + 1
        if count <= 0:
            return
        octets = np.frombuffer(data, np.uint8)[self._word - 3 :].astype(np.uint32)
        keys = octets[:count] << 16
        keys |= octets[1 : count + 1] << 8
        keys |= octets[2 : count + 2]
        for at in np.flatnonzero(self._table[keys]).tolist():
            number = self._numbers.get(data[at : at + self._word])
            if number is not None:
                yield at, number
