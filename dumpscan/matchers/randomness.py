"""Where in a window the words look random: the one map that all raw-key matchers share.

A word looks random when it is not a small number, not a pointer of user or kernel space, and not text: its top
16 bits are neither 0 nor 0xffff and some byte has its top bit set. Of truly random words 0.4 % fail that, so no
decision rests on a single word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.matchers.base import View
from dumpscan.windows import edges

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Positions = NDArray[np.int64]

_Integer = TypeVar("_Integer", np.int64, np.uint64)

UNUSED = (0xC0000000C0000000, 0xF0000000F0000000, 0xF000000000000000)
"""The bits that digits leave unused: 30 of 32, 28 of 32, 60 of 64."""

BLOCK = 1 << 14
"""Words looked at in one go: 128 KiB, which leaves room in the L2 cache for the temporaries."""

_TOP = np.uint64(3 << 62)
_PLAIN_TOP = np.uint64(1 << 49)
_ONE_TOP = np.uint64(1 << 48)
_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)


@dataclass(frozen=True)
class WordMap:
    """The aligned part of a window.

    ``octets`` (n * 8) and ``words`` (n, little-endian) are two views of it; ``base`` is the position of its first
    byte in the window. ``random`` (n) flags words that look random, ``dense`` (n) the words from which six of
    eight do: true for 64 random bytes but for four in a million. ``random_bits`` and ``dense_bits`` are the same as the
    kernel takes them: flag i is bit i % 64 of element i // 64 + 1, the first and the last element are zeros. ``digits``
    keeps what :func:`dumpscan.matchers.integers.digit_starts` found, by bits of a digit and words.
    """

    octets: Bytes = field(repr=False)
    words: Words = field(repr=False)
    base: int
    random: Flags = field(repr=False)
    dense: Flags = field(repr=False)
    random_bits: Words = field(repr=False)
    dense_bits: Words = field(repr=False)
    digits: dict[tuple[int, int], tuple[Positions, bool]] = field(default_factory=dict, repr=False)

    @cached_property
    def edges(self) -> tuple[Positions, Positions]:
        """Where runs of words that look random begin, and where they end (exclusive)."""
        return edges(self.random)

    @cached_property
    def borders(self) -> tuple[Positions, Positions]:
        """See :func:`borders`."""
        return borders(self)

    @cached_property
    def runs(self) -> dict[int, Positions]:
        """See :func:`runs_without`."""
        return runs_without(self, UNUSED)


def looks_random(words: Words) -> Flags:
    """Flag each word that looks random (any shape)."""
    flags: Flags = (words + _ONE_TOP) >= _PLAIN_TOP
    flags &= (words & _HIGH_BITS) != 0
    return flags


def word_map(view: View) -> WordMap:
    """Map the live part of ``view``; zero pages stay plain and are not read."""
    base = -view.phase % 8
    count = max(0, (len(view.data) - base) // 8)
    octets = np.frombuffer(view.data, np.uint8, count * 8, min(base, len(view.data)))
    words = octets.view("<u8")
    random, dense = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    bits = np.zeros((2, count // 64 + 3), np.uint64)
    spans = [(max(0, (span.start - base) // 8), min(count, -((base - span.end) // 8))) for span in view.live]
    spans = [(first, last) for first, last in spans if first < last]
    if kernel.native is not None:
        firsts, lasts = np.array(spans, np.int64).reshape(-1, 2).T.copy()
        kernel.native.map_words(words, firsts, lasts, random, dense, *bits)
    else:
        for first, last in spans:
            _map_words(words[first:last], random[first:last], dense[first:last])
    return WordMap(octets, words, base, random, dense, *bits)


def _map_words(words: Words, random: Flags, dense: Flags) -> None:
    """Fill ``random`` and ``dense`` for the words of one live stretch."""
    for start in range(0, len(words), BLOCK):
        random[start : start + BLOCK] = looks_random(words[start : start + BLOCK])
    dense[:] = total8(random.view(np.uint8)) >= 6


def total8(counts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Element i is the sum of elements i to i + 7 (of those that exist)."""
    total = counts.copy()
    for step in (1, 2, 4):
        if len(total) > step:
            total[:-step] += total[step:]  # NumPy copies where source and target overlap
    return total


def common(words: Words) -> NDArray[np.uint8]:
    """How many of the byte values 00, ff and 48, of which x86-64 code is full, each word (any shape) holds."""
    count = np.zeros(words.shape, np.uint8)
    for value in (np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x4848484848484848)):
        turned = words ^ value
        count += (((turned - _ONES) & ~turned & _HIGH_BITS) != 0).view(np.uint8)
    return count


def borders(mapped: WordMap) -> tuple[Positions, Positions]:
    """The words where numbers may begin, and where they may end (exclusive): next to plain words, in dense places.

    A single plain word between random ones counts only if it is a number or a pointer, not if it could be text:
    otherwise each word that looks plain by chance would be one. For the same reason a number may begin or end with the
    plain word itself, if that could be text.
    """
    random, dense, words = mapped.random, mapped.dense, mapped.words
    if kernel.native is not None:
        first, after = np.empty(len(words) + 2, np.int64), np.empty(len(words) + 2, np.int64)
        flags = mapped.random_bits, mapped.dense_bits
        found = kernel.native.borders(words, *flags, first, after, least_distinct(64), UNEVEN)
        return first[: found[0]].copy(), after[: found[1]].copy()
    begins, ends = mapped.edges
    begins = begins[dense[begins]]
    before = np.maximum(begins - 1, 0)
    begins = begins[(begins < 2) | ~random[before - 1] | small(words[before])]
    begins = _judged(mapped, begins)
    inner = begins[begins > 0]
    begins = np.concatenate([begins, inner[~small(words[inner - 1])] - 1])
    ends = ends[ends >= 8]
    ends = ends[dense[ends - 8]]
    inner = ends[ends < len(words) - 1]
    kept = ~random[inner + 1] | small(words[inner])
    ends = np.concatenate([inner[kept], ends[ends >= len(words) - 1]])
    ends = _judged(mapped, ends - 8) + 8
    inner = ends[ends < len(words)]
    return different(begins), different(np.concatenate([ends, inner[~small(words[inner])] + 1]))


def _judged(mapped: WordMap, starts: Positions) -> Positions:
    """Those of ``starts`` whose next 64 bytes are like random ones."""
    starts = starts[starts <= len(mapped.words) - 8]
    starts = starts[pure(mapped.words, starts)]
    return starts[various_at(mapped.octets, 8 * starts, 64)]


def pure(words: Words, starts: Positions, count: int = 8) -> Flags:
    """Whether ``count`` words are not full of the commonest bytes of machine code; false for 64 random bytes six
    times in a million. Where words are missing at the end of the window, those that exist decide."""
    if kernel.native is not None:
        clean = np.empty(len(starts), np.bool_)
        kernel.native.pure(words, starts, clean, count)
        return clean
    most = 5 if count < 6 else max(6, count * 3 // 4)
    alive = np.arange(len(starts))
    total = np.zeros(len(starts), np.uint8)
    for first, last in ((0, 2), (2, 4), (4, count)):
        index = starts[alive, None] + np.arange(first, min(last, count))
        total[alive] += common(words[np.minimum(index, len(words) - 1)]).sum(axis=1, dtype=np.uint8)
        alive = alive[total[alive] <= most]
    flags = np.zeros(len(starts), np.bool_)
    flags[alive] = True
    return flags


def runs_without(mapped: WordMap, masks: Sequence[int]) -> dict[int, Positions]:
    """For each mask the words from which four have none of its bits, and before which there is none that is such a
    digit too: where arrays of digits with unused bits begin. Masks hold the two top bits.

    Two of the four look random, or half of eight that are all such digits.
    """
    words = mapped.words
    found: dict[int, list[Positions]] = {mask: [] for mask in masks}
    for start in range(1, len(words) - 3, BLOCK):
        end = min(start + BLOCK + 3, len(words))
        random = mapped.random[start - 1 : end]
        if not random.any():
            continue
        some = words[start - 1 : end]
        if not _four((some & _TOP) == 0, random).any():
            continue
        for mask, places in found.items():
            starts = np.flatnonzero(_four((some & np.uint64(mask)) == 0, random)) + start
            places.append(starts[_enough_random(mapped, starts, np.uint64(mask))])
    return {mask: np.concatenate([np.zeros(0, np.int64), *places]) for mask, places in found.items()}


def _four(clear: Flags, random: Flags) -> Flags:
    """Flag the elements after the first from which four are clear, unless the one before is both clear and random."""
    two = clear[1:-1] & clear[2:]
    four: Flags = two[:-2] & two[2:]
    four &= random[1:-3] | random[2:-2]
    return four & ~(clear[:-4] & random[:-4])


def _enough_random(mapped: WordMap, starts: Positions, mask: np.uint64) -> Flags:
    words, random = mapped.words, mapped.random.view(np.uint8)
    eight = np.minimum(starts[:, None] + np.arange(8), len(words) - 1)
    digits = ((words[eight] & mask) == 0).all(axis=1) & (starts + 8 <= len(words))
    enough: Flags = (random[eight[:, :4]].sum(axis=1) >= 2) | (digits & (random[eight].sum(axis=1) >= 4))
    return enough


def different(numbers: NDArray[_Integer]) -> NDArray[_Integer]:
    """Each of ``numbers`` once, in order; ``np.unique`` hashes, is slow for even places, and imports ``np.ma``."""
    if len(numbers) < 2:
        return numbers
    numbers = np.sort(numbers)
    kept = np.empty(len(numbers), np.bool_)
    kept[0] = True
    np.not_equal(numbers[1:], numbers[:-1], out=kept[1:])
    return numbers[kept]


def small(words: Words) -> Flags:
    """Flag the words whose upper 16 bits are all equal, as those of numbers and pointers are."""
    flags: Flags = (words + _ONE_TOP) < _PLAIN_TOP
    return flags


def rows(octets: Bytes, starts: Positions, size: int) -> Bytes:
    """``size`` bytes from each of ``starts``, as rows; the caller keeps the starts in range."""
    if not len(starts):
        return np.zeros((0, size), np.uint8)
    cells = np.ndarray((len(octets) - size + 1,), f"V{size}", octets.data, 0, (1,))
    taken = cells[starts]
    return taken.view(np.uint8).reshape(len(starts), size)


def distinct(table: Bytes) -> NDArray[np.int64]:
    """How many different bytes each row has."""
    count, size = table.shape
    if kernel.native is not None and size:
        return distinct_at(np.ascontiguousarray(table).reshape(-1), np.arange(count) * size, size)
    counts = np.zeros(count, np.int64)
    for start in range(0, count, 512):
        block = table[start : start + 512]
        seen = np.zeros((len(block), 256), np.uint8)
        seen[np.arange(len(block))[:, None], block] = 1
        counts[start : start + 512] = seen.view(np.uint64).sum(axis=1).view(np.uint8).reshape(-1, 8).sum(axis=1)
    return counts


def distinct_at(octets: Bytes, starts: Positions, size: int, stride: int = 1) -> NDArray[np.int64]:
    """How many of ``size`` bytes from each of ``starts``, ``stride`` apart, are different."""
    if kernel.native is None:
        return distinct(rows(octets, starts, (size - 1) * stride + 1)[:, ::stride])
    counts = np.empty(len(starts), np.int64)
    kernel.native.distinct(octets, starts, counts, size, stride)
    return counts


@cache
def least_distinct(size: int) -> int:
    """The different bytes that ``size`` random ones have at least, five standard deviations allowed."""
    fill = size / 256
    mean = 256 * (1 - np.exp(-fill))
    deviation = np.sqrt(256 * np.exp(-fill) * (1 - (1 + fill) * np.exp(-fill)))
    return int(np.ceil(mean - 5 * deviation - 1))


UNEVEN = 56
"""Chi-squared of the upper halves of random bytes (15 degrees of freedom), exceeded once in 100,000 or more rarely."""


def various(table: Bytes) -> Flags:
    """Flag the rows that may be random by their bytes: as many different ones, and as evenly spread, as random ones.

    That is not so of machine code, tables of strings, text beyond ASCII, and coarse floats.
    """
    count, size = table.shape
    if kernel.native is not None and size:
        return various_at(np.ascontiguousarray(table).reshape(-1), np.arange(count) * size, size)
    flags: Flags = distinct(table) >= least_distinct(size)
    some = np.flatnonzero(flags)
    flags[some] = _even(table[some])
    return flags


def _even(table: Bytes) -> Flags:
    count, size = table.shape
    halves = (table >> 4) + 16 * np.arange(count)[:, None]
    squares = np.square(np.bincount(halves.ravel(), minlength=16 * count).reshape(count, 16)).sum(axis=1)
    even: Flags = 16 * squares <= size * (size + UNEVEN)
    return even


def various_at(octets: Bytes, starts: Positions, size: int) -> Flags:
    """As :func:`various`, of ``size`` bytes from each of ``starts``."""
    if kernel.native is None:
        return various(rows(octets, starts, size))
    flags = np.empty(len(starts), np.bool_)
    kernel.native.various(octets, starts, flags, size, least_distinct(size), UNEVEN)
    return flags
