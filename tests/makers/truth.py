"""Which private component stands where in a dump, and in which form: an exact search, independent of the package.

Nothing here is imported from dumpscan. Every form is cut into grams of eight bytes, so placed that whatever holds
16 bytes of a component holds a whole gram; each place of the dump is looked up among the grams, and what is hit is
compared byte for byte to both sides.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEAST = 16
"""Bytes of a component that must not survive."""

_GRAM = 8
_PIECE = 1 << 18
_TABLE_BITS = 22
_HASH = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Part:
    """A private number (``size`` bytes wide) or, where ``octets`` is given, private bytes."""

    number: int = field(default=0, repr=False)
    size: int = 0
    octets: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Form:
    """One spelling of one component of one key; ``least`` of its bytes hold 16 bytes of the component."""

    key: str
    component: str
    name: str
    data: bytes = field(repr=False)
    least: int
    wraps: bool = False


@dataclass(frozen=True)
class Sighting:
    """A place of a form in the dump, ``whole`` or a piece."""

    form: Form
    start: int
    end: int
    whole: bool


def forms(key: str, parts: Mapping[str, Part]) -> list[Form]:
    """All forms of the components of a key, no two alike."""
    found: dict[bytes, Form] = {}
    for component, part in parts.items():
        spelled = _of_octets(part.octets) if part.octets else _of_number(part.number, part.size)
        for name, data, least, wraps in spelled:
            if len(data) >= _GRAM and len(set(data)) >= 4:
                found.setdefault(data, Form(key, component, name, data, min(least, len(data)), wraps))
    return list(found.values())


_Spelling = tuple[str, bytes, int, bool]


def _of_number(number: int, size: int) -> Iterator[_Spelling]:
    big = number.to_bytes(size, "big")
    yield "LE", number.to_bytes(size, "little"), LEAST, False
    yield from _of_octets(big, "BE")
    aligned = number.to_bytes(-(-size // 8) * 8, "big")
    yield "int[] MSW first", _words(aligned, ">I", "<I"), LEAST, False
    yield "u64[] MSW first", _words(aligned, ">Q", "<Q"), LEAST, False
    for bits, letter, width in ((30, "I", 4), (28, "I", 4), (60, "Q", 8), (63, "Q", 8)):
        digits = [(number >> at) % (1 << bits) for at in range(0, number.bit_length(), bits)]
        packed = struct.pack(f"<{len(digits)}{letter}", *digits)
        yield f"{bits}-bit digits", packed, -(-LEAST * width * 8 // bits), False
    yield from _signed_limbs(number, size)


def _signed_limbs(number: int, size: int) -> Iterator[_Spelling]:
    """long[] of Java's sun.security.util.math.intpoly: balanced digits."""
    bits, count = {32: (26, 10), 48: (28, 14), 66: (28, 19)}.get(size, (0, 0))
    limbs = []
    for _ in range(count - 1):
        low = number % (1 << bits)
        limbs.append(low - (1 << bits) if low >> bits - 1 else low)
        number = (number - limbs[-1]) >> bits
    if count:
        packed = struct.pack(f"<{count}q", *limbs, number)
        yield f"{bits}-bit signed limbs", packed, -(-LEAST * 64 // bits), False


def _words(data: bytes, source: str, target: str) -> bytes:
    return b"".join(struct.pack(target, word) for (word,) in struct.iter_unpack(source, data))


def _of_octets(data: bytes, name: str = "raw") -> Iterator[_Spelling]:
    yield name, data, LEAST, False
    if len(data) % 4 == 0:
        yield "byte-swapped u32", _words(data, ">I", "<I"), LEAST, False
    for text in (data.hex(), data.hex().upper()):
        yield "hex", text.encode(), 2 * LEAST, False
        yield "hex UTF-16", text.encode("utf-16-le"), 4 * LEAST, False
    for lead in (0, 1, 2):
        text = _base64(data, lead)
        yield "base64", text.encode(), 22, True
        yield "base64 UTF-16", text.encode("utf-16-le"), 44, False
        if "+" in text or "/" in text:
            yield "base64url", text.replace("+", "-").replace("/", "_").encode(), 22, False


def _base64(data: bytes, lead: int) -> str:
    """The characters that hold nothing but ``data``, where it stands ``lead`` bytes into a group of three."""
    text = base64.b64encode(b"\0" * lead + data).decode().rstrip("=")
    first = (0, 2, 3)[lead]
    return text[first : (lead + len(data)) * 8 // 6]


class Search:
    """The grams of ``wanted``, ready to be looked up in any number of dumps."""

    def __init__(self, wanted: Iterable[Form]) -> None:
        self._grams: dict[int, list[tuple[Form, int]]] = {}
        for form in wanted:
            for at in _gram_places(form):
                (gram,) = struct.unpack_from("<Q", form.data, at)
                self._grams.setdefault(gram, []).append((form, at))
        self._sorted = np.array(sorted(self._grams), np.uint64)
        self._table = np.zeros(1 << _TABLE_BITS, np.bool_)
        self._table[_slots(self._sorted)] = True

    def sightings(self, dump: Path) -> list[Sighting]:
        """Every place of every form, whole or a piece of at least 16 bytes of the component."""
        data: NDArray[np.uint8] = np.memmap(dump, np.uint8, "r")
        view = memoryview(data.data)
        reached: dict[Form, int] = {}
        found = []
        for at in self._hits(data):
            (gram,) = struct.unpack_from("<Q", view, at)
            for form, within in self._grams[gram]:
                if reached.get(form, -1) > at:
                    continue
                start, end, same = _agreement(view, at, form, within)
                if same >= form.least:
                    reached[form] = end
                    found.append(Sighting(form, start, end, same == len(form.data)))
        return found

    def _hits(self, data: NDArray[np.uint8]) -> Iterator[int]:
        for base in range(0, max(len(data) - _GRAM + 1, 0), _PIECE):
            piece = np.asarray(data[base : base + _PIECE + _GRAM - 1])
            if not piece.any():
                continue
            places = [shift + _GRAM * self._lookup(piece[shift:]) for shift in range(_GRAM)]
            yield from (np.sort(np.concatenate(places)) + base).tolist()

    def _lookup(self, piece: NDArray[np.uint8]) -> NDArray[np.int64]:
        grams = piece[: len(piece) // _GRAM * _GRAM].view(np.uint64)
        likely = np.flatnonzero(self._table[_slots(grams)])
        at = np.minimum(np.searchsorted(self._sorted, grams[likely]), len(self._sorted) - 1)
        same: NDArray[np.int64] = likely[self._sorted[at] == grams[likely]]
        return same


def _slots(grams: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (grams * _HASH) >> np.uint64(64 - _TABLE_BITS)


def _gram_places(form: Form) -> Iterator[int]:
    step = 1 if form.wraps else max(form.least - _GRAM + 1, 1)
    for at in range(0, len(form.data) - _GRAM + 1, step):
        if len(set(form.data[at : at + _GRAM]) - {0}) >= 3:
            yield at


def _agreement(view: memoryview, at: int, form: Form, within: int) -> tuple[int, int, int]:
    """Where the agreement with ``form`` begins and ends, and how many bytes of the form it covers."""
    end, right = _run(view, at, form.data, within, form.wraps, 1)
    start, left = _run(view, at - 1, form.data, within - 1, form.wraps, -1)
    return start + 1, end, left + right


def _run(view: memoryview, at: int, data: bytes, within: int, wraps: bool, step: int) -> tuple[int, int]:
    """The first place that differs, and the number of bytes that agree; line breaks are passed over."""
    same = 0
    while 0 <= within < len(data) and 0 <= at < len(view):
        if view[at] == data[within]:
            at, within, same = at + step, within + step, same + 1
            continue
        beyond = at
        while wraps and 0 <= beyond < len(view) and view[beyond] in b"\r\n":
            beyond += step
        if beyond == at or not 0 <= beyond < len(view) or view[beyond] != data[within]:
            break
        at = beyond
    return at, same


def span_is_covered(start: int, end: int, covered: Iterable[tuple[int, int]]) -> bool:
    """Whether the union of ``covered`` holds ``[start, end)``, but for line breaks at its seams."""
    at = start
    for low, high in sorted(covered):
        if low <= at < high:
            at = high
    return at >= end
