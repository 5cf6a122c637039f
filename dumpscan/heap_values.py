"""Secrets in the objects of a heap dump, found by the names of the fields that hold them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from dumpscan.model import Candidate, Span
from dumpscan.source import Source
from dumpscan.telling_names import LONGEST_VALUE, is_secret_value, is_telling, named_value

if TYPE_CHECKING:
    from dumpscan.formats.hprof_objects import HeapIndex
    from dumpscan.formats.snapshot_objects import SnapshotIndex

MAX_VALUES = 200_000
"""Values that are told of; a heap with more of them is a limit of the report."""

_CHAR, _BYTE = 5, 8
_KEYS = ("javax.crypto.spec.SecretKeySpec.key", "com.sun.crypto.provider.PBEKey.key")
_BINARY = range(16, 513)
"""Bytes of a key that is not text."""

_DER = 0x30  # a structure that the matchers of encoded keys read, and say more of


def heap_values(source: Source, index: HeapIndex) -> Iterator[Candidate]:
    """The values of fields with telling names that may be secrets. ``index.limits`` may grow."""
    for count, (start, size, label) in enumerate(index.named_values()):
        if count >= MAX_VALUES:
            index.limits.add(f"more than {MAX_VALUES} values of fields with telling names in a heap dump")
            return
        if size <= 4 * LONGEST_VALUE and (label in _KEYS or is_telling(_field(label))):
            candidate = _judged(source, start, size, label)
            if candidate:
                yield candidate


def _field(label: str) -> bytes:
    return label.rpartition(".")[2].lstrip("_$").encode()


def _judged(source: Source, start: int, size: int, label: str) -> Candidate | None:
    kind = source.read(start - 1, 1)[0]
    raw = source.read(start, size)
    spans = (Span(start, start + size),)
    name = label.encode()
    compact = (
        ("utf-16-le",) if b"\0" in raw else ("utf-8", "latin-1")
    )  # a String's bytes: UTF-16 of the host, or Latin-1
    for encoding in ("utf-16-be",) if kind == _CHAR else compact if kind == _BYTE else ():
        try:
            text = raw.decode(encoding).rstrip("\0")
        except UnicodeDecodeError:
            continue
        value = text.encode("utf-8", "surrogatepass")
        if is_secret_value(value, True):
            shown = encoding.replace("16-", "16")
            return named_value(name, value, spans, shown, where="an object of the heap", sure=True)
    binary = kind == _BYTE and size in _BINARY and raw[0] != _DER and any(b < 9 or b > 126 for b in raw)
    if binary and len(set(raw)) >= min(12, size // 2):
        return named_value(name, raw, spans, "octets", where="an object of the heap", sure=True, form="octets")
    return None


def snapshot_values(source: Source, index: SnapshotIndex) -> Iterator[Candidate]:
    """The strings of a JavaScript heap that properties with telling names hold, if they may be secrets."""
    for start, size, label in index.named_values():
        if size > 2 * LONGEST_VALUE or not is_telling(_field(label)):
            continue
        try:
            text = json.loads(b'"' + source.read(start, size) + b'"', strict=False)
            value = text.encode("utf-8")
        except ValueError:
            continue
        if is_secret_value(value, True):
            where, spans = "an object of the heap", (Span(start, start + size),)
            yield named_value(label.encode(), value, spans, "json", where=where, sure=True)


class Heap(Protocol):
    """What is asked of an index: ``limits`` is read after its values were."""

    limits: set[str]

    def owners(self, offsets: Sequence[int]) -> dict[int, str]: ...


def _java(source: Source) -> tuple[Heap, Iterator[Candidate]]:
    from dumpscan.formats.hprof_objects import HeapIndex  # here, for other dumps do not need it

    index = HeapIndex(source)
    return index, heap_values(source, index)


def _javascript(source: Source) -> tuple[Heap, Iterator[Candidate]]:
    from dumpscan.formats.snapshot_objects import SnapshotIndex  # as above

    index = SnapshotIndex(source)
    return index, snapshot_values(source, index)


HEAPS: dict[str, Callable[[Source], tuple[Heap, Iterator[Candidate]]]] = {
    "hprof": _java,
    "v8-heap-snapshot": _javascript,
}
"""By format: the index of a heap and its values. Raises :class:`dumpscan.errors.FormatError` as the index does."""
