"""RSA primes and moduli as raw integers: limbs, octet strings, Java words, digits with unused high bits.

Emits clues of kind ``rsa-integer``: odd numbers of exactly the width of a prime or a modulus of a common size,
without a small factor, that look random. What they are is decided by :mod:`dumpscan.prove.rsa`. Exponents are not
looked for here: most are near their primes, and the sweep finds them once the key is proven; a lone d is the task
of :mod:`dumpscan.matchers.rsa_exponents`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from dumpscan import kernel
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.integers import DIGITS, digit_numbers, digit_starts, digits_value
from dumpscan.matchers.limb_arithmetic import little_endian
from dumpscan.matchers.randomness import (
    UNEVEN,
    Flags,
    Positions,
    WordMap,
    different,
    least_distinct,
    rows,
    various,
    word_map,
)
from dumpscan.matchers.sieve import native_sieve, without_small_factor
from dumpscan.model import Clue, ClueTable

SIZES = (64, 96, 128, 192, 256, 384, 512)
"""Widths in bytes: primes of RSA-1024, 1536, 2048, 3072 and 4096, and the moduli."""

MULTIPLES = 8
"""Numbers of one width that may stand one after the other in a stretch: CRT parts are kept so."""

_UNALIGNED = np.array([i for i in range(-7, 8) if i % 8])

MAX_CLUES = 131_072
"""Clues of one window; more is a recorded limit."""

MAX_TRIED = 400_000
"""Positions sieved in one window and encoding; more is a recorded limit."""

_ROOM = 2 * MAX_TRIED
"""Positions for which there is room: some are met several times before each is sieved once. More is the same limit."""

_ROWS = 4096
"""Numbers sieved at a time."""

_LE, _OCTETS, _JAVA = "limbs-le", "octets", "words-msw-le32"
_ENDS = {_LE: (0, -1), _OCTETS: (-1, 0), _JAVA: (-4, 3)}
"""Encoding -> byte with the lowest bit, byte with the highest; negative from the end. In the kernel's order."""


class RsaLimbs:
    """Window matcher: numbers where random-looking stretches begin or end, and multiples of their width after that."""

    name = "rsa-limbs"
    anchors: Sequence[bytes] = ()
    reach = (MULTIPLES + 1) * SIZES[-1]

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Clue | ClueTable]:
        return self.from_map(word_map(view))

    def from_map(self, mapped: WordMap) -> Iterator[Clue | ClueTable]:
        """As :meth:`match`, for a window that is mapped already."""
        left = MAX_CLUES
        for item in _clues(mapped):
            left -= len(item.starts) if isinstance(item, ClueTable) else item.kind != "limit"
            if left < 0:
                yield limit("more RSA-like integers than the limit of one window")
                return
            yield item


def limit(text: str) -> Clue:
    """What a matcher says when a cap cut its work."""
    return Clue("limit", b"", 0, 0, "", text.encode())


def _clues(mapped: WordMap) -> Iterator[Clue | ClueTable]:
    for size, encoding, starts, capped in _sieved_at_once(mapped) if kernel.native is not None else _sieved(mapped):
        if capped:
            yield limit("more random-looking positions than the limit of one window")
        if len(starts):
            table = little_endian(rows(mapped.octets, starts, size), encoding)
            yield ClueTable("rsa-integer", table[:, ::-1].tobytes(), starts + mapped.base, size, encoding)
    yield from _digit_clues(mapped)


_Sieved = Iterator[tuple[int, str, Positions, bool]]
"""Size and encoding, where such numbers may begin, and whether there were too many to be sieved."""


def _sieved_at_once(mapped: WordMap) -> _Sieved:
    assert kernel.native is not None
    least = np.array([least_distinct(size) for size in SIZES])
    places, totals = np.empty(_ROOM, np.int64), np.empty((len(SIZES) * len(_ENDS), 2), np.int64)
    numbers = mapped.octets, mapped.dense, *mapped.borders, np.array(SIZES), least, *native_sieve(SIZES[-1])
    kernel.native.rsa_integers(*numbers, places, totals, MULTIPLES, MAX_TRIED, UNEVEN)
    first = 0
    for (size, encoding), (total, capped) in zip(product(SIZES, _ENDS), totals.tolist(), strict=True):
        yield size, encoding, places[first : first + total], bool(capped)
        first += total


def _sieved(mapped: WordMap) -> _Sieved:
    begins, ends = mapped.borders
    first = begins[~mapped.dense[np.maximum(begins - 3, 0)] | (begins < 3)]
    lengths = _lengths(begins, ends)
    for size in SIZES:
        words = size // 8
        multiples = (first[:, None] + np.arange(1, MULTIPLES) * words).ravel()
        aligned = 8 * np.concatenate([begins, ends - words, multiples])
        alone = begins[np.abs(lengths - words) <= 1]
        shifted = (8 * alone[:, None] + _UNALIGNED).ravel()
        halves = (aligned[:, None] + np.array([-4, 0, 4])).ravel()
        for encoding, starts in ((_LE, halves), (_OCTETS, np.concatenate([aligned, shifted])), (_JAVA, halves)):
            tried = _plausible(mapped, starts, size, encoding)
            kept = [_without_small_factor(mapped, tried[i : i + _ROWS], size, encoding) for i in _blocks(tried)]
            yield size, encoding, np.concatenate([tried[:0], *kept]), len(tried) > MAX_TRIED


def _blocks(tried: Positions) -> range:
    return range(0, min(len(tried), MAX_TRIED), _ROWS)


def _lengths(begins: Positions, ends: Positions) -> Positions:
    """Words from where numbers may begin to the next place where one may end; 0 where there is none."""
    if not len(ends):
        return np.zeros_like(begins)
    index = np.searchsorted(ends, begins + 6)
    following = ends[np.minimum(index, len(ends) - 1)]
    found: Positions = np.where(following > begins, following - begins, 0)
    return found


def _plausible(mapped: WordMap, starts: Positions, size: int, encoding: str) -> Positions:
    """Those of ``starts``, each once, where a number is odd, of full width, and random-looking throughout."""
    octets = mapped.octets
    low, high = (i % size for i in _ENDS[encoding])
    starts = starts[(starts >= 0) & (starts <= len(octets) - size)]
    starts = starts[octets[starts + high] >= 128]
    starts = starts[octets[starts + low] & 1 == 1]
    return different(starts[_filled(mapped.dense, starts, size)])


def _filled(dense: Flags, starts: Positions, size: int) -> Flags:
    """Whether the numbers look random from their first whole word to their last."""
    first, last = -(-starts // 8), (starts + size) // 8 - 8
    ok: Flags = dense[np.minimum(first, np.maximum(last, 0))] & dense[np.maximum(last, 0)]
    for step in range(8, size // 8 - 8, 8):
        ok &= dense[first + step]
    return ok


def _without_small_factor(mapped: WordMap, starts: Positions, size: int, encoding: str) -> Positions:
    table = little_endian(rows(mapped.octets, starts, size), encoding)
    kept = np.flatnonzero(without_small_factor(table))
    return starts[kept[various(table[kept])]]


def _digit_clues(mapped: WordMap) -> Iterator[Clue]:
    for encoding, (bits, width) in DIGITS.items():
        starts, capped = digit_starts(mapped, bits, width)
        if capped:
            yield limit("more digit arrays than the limit of one window")
        odd = starts[mapped.octets[starts] & 1 == 1] if len(starts) else starts
        for size in SIZES if len(odd) else ():
            for start in digit_numbers(mapped, odd, 8 * size, 8 * size, bits, width):
                count = -(-size * 8 // bits)
                value = digits_value(mapped.octets, start, count, bits, width)
                yield from _digit_clue(mapped, start, count * width, value, size, encoding)


def _digit_clue(mapped: WordMap, start: int, length: int, value: int, size: int, encoding: str) -> Iterator[Clue]:
    row = np.frombuffer(value.to_bytes(size, "little"), np.uint8).reshape(1, size)
    if without_small_factor(row)[0] and various(row)[0]:
        position = mapped.base + start
        yield Clue("rsa-integer", value.to_bytes(size, "big"), position, position + length, encoding)
