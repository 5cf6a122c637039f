"""Short private numbers that stand alone: EC scalars, OKP seeds, DSA and DH exponents; and EC points in the clear.

A scalar of 32, 48, 56, 64 or 66 random bytes with plain words before and after is all that many libraries keep.
Nothing in it says what it is: it becomes a clue of kind ``octets-alone`` (value in memory order), which the proofs try
against the public keys of the dump. Two or three numbers of one width together (seed and public key, d, x and y)
are clues too, one for each part, the neighbours in the ``note``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from dumpscan import kernel
from dumpscan.curves import curves_of
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.integers import DIGITS, digit_numbers, digit_starts, digits_value
from dumpscan.matchers.java_scalars import java_scalars
from dumpscan.matchers.likeness import random_like
from dumpscan.matchers.randomness import (
    UNEVEN,
    Bytes,
    Flags,
    Positions,
    WordMap,
    different,
    least_distinct,
    pure,
    rows,
    small,
    various,
    various_at,
    word_map,
)
from dumpscan.model import Clue, ClueTable, Evidence, PublicKey

MAX_CLUES = 131_072
"""Clues of one window; more is a recorded limit."""

_PARTS = {4: (32,), 6: (48,), 7: (56, 57), 8: (64, 66, 57, 32), 9: (66,), 12: (32, 48), 16: (32,), 18: (48,), 24: (64,)}
"""Words that stand alone -> widths in bytes of the numbers that they may be."""

_IS_PART = np.isin(np.arange(max(_PARTS) + 2), list(_PARTS))

_LEAST = np.array([least_distinct(8 * count) for count in range(max(_PARTS) + 1)])
"""Different bytes that random numbers of so many words have."""

_CANARY = 2
"""Random words that libsodium's sodium_malloc puts before what it gives away."""

_CHUNK_PARTS = (32, 48, 66)
_LEAST_CHUNK, _LARGEST_CHUNK = min(_CHUNK_PARTS) + 9, 0x1000

_POINT_SIZES = (32, 48, 64, 66)


class EcScalars:
    """Window matcher for lone scalars, and for uncompressed points (04, x, y; SEC 1, section 2.3.3)."""

    name = "ec-scalars"
    anchors: Sequence[bytes] = ()
    reach = 256

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Evidence]:
        return self.from_map(word_map(view))

    def from_map(self, mapped: WordMap) -> Iterator[Evidence]:
        """As :meth:`match`, for a window that is mapped already."""
        yield from _points(mapped)
        left = MAX_CLUES
        found: Iterator[Clue | ClueTable] = chain(_lone(mapped), _digits(mapped), _chunks(mapped))
        for item in found:
            left -= len(item.starts) if isinstance(item, ClueTable) else 1
            if left < 0:
                yield Clue("limit", b"", 0, 0, "", b"more lone random-looking octets than the limit of one window")
                return
            yield item


def _lone(mapped: WordMap) -> Iterator[ClueTable]:
    """Numbers between plain words."""
    begins, lengths = _closed(mapped)
    yield from java_scalars(mapped, begins[(lengths == 8) | (lengths == 9)])
    begins, lengths = _random(mapped, begins, lengths)
    for count in different(lengths).tolist():
        starts = 8 * np.sort(begins[lengths == count])
        yield from _parts(mapped, starts, rows(mapped.octets, starts, 8 * count), count)


def _random(mapped: WordMap, begins: Positions, lengths: Positions) -> tuple[Positions, Positions]:
    """Those of the numbers of so many words that may be random."""
    if kernel.native is not None:
        kept = np.empty(len(begins), np.int64)
        kept = kept[: kernel.native.random_numbers(mapped.words, begins, lengths, kept, _LEAST, UNEVEN)]
        return begins[kept], lengths[kept]
    found = [np.zeros(0, np.int64)]
    for count in _PARTS:
        some = np.flatnonzero(lengths == count)
        some = some[pure(mapped.words, begins[some], count)]
        found.append(some[various_at(mapped.octets, 8 * begins[some], 8 * count)])
    kept = np.concatenate(found)
    return begins[kept], lengths[kept]


def _chunks(mapped: WordMap) -> Iterator[ClueTable]:
    """Numbers at the head of a chunk of glibc's heap, what was there before them behind: the chunk's size is the word
    before, a multiple of 16 and up to three flags."""
    starts = _heads(mapped)
    sizes = mapped.words[starts - 1]
    for size in _CHUNK_PARTS:
        first = 8 * starts[sizes >= np.uint64(size + 9)]
        first = first[first <= len(mapped.octets) - size]
        first = first[various_at(mapped.octets, first, size)]
        yield from alone(mapped, first, rows(mapped.octets, first, size))


def _heads(mapped: WordMap) -> Positions:
    """Words at or just before the beginnings of random-looking runs, behind the size of a chunk that holds a key."""
    if kernel.native is not None:
        heads: Positions = np.empty(len(mapped.words), np.int64)
        found = kernel.native.heads(mapped.words, mapped.random_bits, heads, _LEAST_CHUNK, _LARGEST_CHUNK)
        return heads[:found].copy()
    begins, _ = mapped.edges
    starts = (begins[:, None] + np.array([-1, 0])).ravel()  # different, as runs begin two words apart at least
    starts = starts[(starts > 0) & (starts <= len(mapped.words) - 4)]
    starts = starts[mapped.random.view(np.uint8)[starts[:, None] + np.arange(4)].sum(axis=1) >= 2]
    sizes = mapped.words[starts - 1]
    sized: Flags = (sizes & np.uint64(0xA) == 0) & (sizes >= _LEAST_CHUNK) & (sizes < _LARGEST_CHUNK)
    return np.compress(sized, starts)


def _digits(mapped: WordMap) -> Iterator[Clue]:
    """Scalars as digit arrays; the number of digits is that of a curve."""
    for encoding, (bits, width) in DIGITS.items():
        starts, capped = digit_starts(mapped, bits, width, 4)
        if capped:
            yield Clue("limit", b"", 0, 0, "", b"more digit arrays than the limit of one window")
        for size in (256, 384, 512, 521) if len(starts) else ():
            count = -(-size // bits)
            for start in digit_numbers(mapped, starts, size - 20, size, bits, width):
                value = digits_value(mapped.octets, start, count, bits, width)
                position = mapped.base + start
                octets = value.to_bytes((size + 7) // 8, "big")
                if various(np.frombuffer(octets, np.uint8).reshape(1, -1))[0]:
                    yield Clue("digits-alone", octets, position, position + count * width, encoding)


def _closed(mapped: WordMap) -> tuple[Positions, Positions]:
    """Where numbers may stand between plain words, and their lengths (of ``_PARTS``): runs of random-looking words.

    One word of a number may look plain: between two runs, or as its first or last word; there it has bytes below 128
    only, as one in 256 random words has, but is neither a small number nor a pointer.
    """
    random, words = mapped.random, mapped.words
    if kernel.native is not None:
        found, sizes = np.empty(4 * len(words), np.int64), np.empty(4 * len(words), np.int64)
        count = kernel.native.closed(words, mapped.random_bits, _IS_PART, found, sizes)
        return found[:count].copy(), sizes[:count].copy()
    begins, ends = mapped.edges
    inside = (begins > 0) & (ends < len(random))
    begins, ends = begins[inside], ends[inside]  # all but the first and the last
    joined = np.flatnonzero((begins[1:] - ends[:-1] == 1) & ~small(words[ends[:-1]]))
    before = ~random[np.maximum(begins - 2, 0)] & ~small(words[begins - 1])
    behind = ~random[np.minimum(ends + 1, len(random) - 1)] & ~small(words[ends])
    starts = [begins, begins[joined], begins[before] - 1, begins[behind]]
    lengths = [
        ends - begins,
        ends[joined + 1] - begins[joined],
        (ends - begins)[before] + 1,
        (ends - begins)[behind] + 1,
    ]
    first, size = np.concatenate(starts), np.concatenate(lengths)
    first, size = np.concatenate([first, first + _CANARY]), np.concatenate([size, size - _CANARY])
    kept = _IS_PART[np.clip(size, 0, len(_IS_PART) - 1)]
    return first[kept], size[kept]


def _parts(mapped: WordMap, starts: Positions, table: Bytes, count: int) -> Iterator[ClueTable]:
    for size in _PARTS[count]:
        if size > 8 * count:  # 57 and 66 bytes: the last ones are in the word behind, or before in octet strings
            for first in (starts, starts - size % 8):
                first = first[(first >= 0) & (first <= len(mapped.octets) - size)]
                yield from alone(mapped, first, rows(mapped.octets, first, size))
            continue
        for column in range(0, 8 * count - size + 1, size):
            values = table[:, column : column + size]
            yield from alone(mapped, starts + column, values, np.delete(table, slice(column, column + size), axis=1))


def alone(mapped: WordMap, starts: Positions, values: Bytes, notes: Bytes | None = None) -> Iterator[ClueTable]:
    """Clues of those of ``values`` (rows, at ``starts``) that may be random."""
    kept = np.flatnonzero(random_like(values))
    if len(kept):
        beside = b"" if notes is None else notes[kept].tobytes()
        octets, places = values[kept].tobytes(), starts[kept] + mapped.base
        yield ClueTable("octets-alone", octets, places, values.shape[1], "octets", beside)


def _points(mapped: WordMap) -> Iterator[PublicKey]:
    """Uncompressed points whose first byte is the last plain one before random bytes, at any alignment."""
    begins, _ = mapped.borders
    begins = begins[begins > 0]
    starts = (8 * begins[:, None] + np.arange(-8, 8)).ravel()
    starts = different(starts[mapped.octets[starts] == 4])
    for size in _POINT_SIZES:
        fitting = starts[starts + 1 + 2 * size <= len(mapped.octets)]
        fitting = fitting[various_at(mapped.octets, fitting + 1, 2 * size)]
        for start, row in zip(fitting.tolist(), rows(mapped.octets, fitting + 1, 2 * size), strict=True):
            x, y = (int.from_bytes(row[i : i + size].tobytes(), "big") for i in (0, size))
            for curve in curves_of(x, y, size):
                yield PublicKey("ec", (x, y), curve=curve, label="a point in memory", start=mapped.base + start)
