"""Places where a private exponent of RSA may stand alone, for the moduli that the dump turns out to hold.

Nothing tells an exponent from other random numbers: it is no prime, and half of all random numbers are odd. But its
highest 64 bits give the fraction of e * d / n (:func:`dumpscan.matchers.limb_arithmetic.exponents`). A clue of kind
``rsa-exponent`` is these 64 bits (``value``, big-endian) and the place of the number (``start`` to ``end``); of digit
arrays it is the number too (``note``, big-endian). The proof reads the number where the bits fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from dumpscan import kernel
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.integers import DIGITS, digit_numbers, digit_starts, digits_value
from dumpscan.matchers.likeness import random_like
from dumpscan.matchers.randomness import Bytes, Positions, WordMap, different, rows, word_map
from dumpscan.matchers.rsa_limbs import limit
from dumpscan.model import Clue, ClueTable

SIZES = (128, 192, 256, 384, 512, 1024)
"""Widths in bytes of the moduli: RSA-1024 to RSA-8192."""

SHORT_BITS = 24
"""Bits that an exponent may be shorter than its modulus, where its length in digits tells: one in 2**20 is more."""

MAX_CLUES = 1_048_576
"""Clues of one window, 16 bytes each; more is a recorded limit. A store of 150 certificates makes 120,000, a Go process
that has made a key of RSA 265,000, one of Java 785,000."""

_HEAD = 96
"""Bytes of a number that are looked at to tell it from text and floats."""

_UNALIGNED = np.arange(-15, 8)
"""Bytes from where an octet string between plain words seems to begin: its first word may look plain by chance."""

_SHORTER = np.array([-1, 0, 1, 2])
"""Words that it then seems to be shorter."""

_HALVES = np.array([-4, 0, 4])

_TOO_MANY = limit("more places of RSA exponents than the limit of one window")


class RsaExponents:
    """Window matcher: odd numbers of the width of a modulus where random-looking stretches begin or end."""

    name = "rsa-exponents"
    anchors: Sequence[bytes] = ()
    reach = SIZES[-1] + 64

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Clue | ClueTable]:
        return self.from_map(word_map(view))

    def from_map(self, mapped: WordMap) -> Iterator[Clue | ClueTable]:
        """As :meth:`match`, for a window that is mapped already."""
        left = MAX_CLUES
        for item in _clues(mapped):
            left -= len(item.starts) if isinstance(item, ClueTable) else 1
            if left < 0:
                yield _TOO_MANY
                return
            yield item


def _clues(mapped: WordMap) -> Iterator[Clue | ClueTable]:
    begins, ends = mapped.borders
    begins = _random_from(mapped, begins + 1) - 1  # the first and the last word may be a number's in part
    ends = _random_from(mapped, ends - _HEAD // 8 - 1) + _HEAD // 8 + 1
    places = _places_at_once if kernel.native is not None else _places
    for length, encoding, starts in places(mapped, begins, ends):
        if starts is None:
            yield _TOO_MANY
        elif len(starts):
            values = _highest(mapped.octets, starts, length, encoding)
            yield ClueTable("rsa-exponent", values, starts + mapped.base, length, encoding)
    yield from _digits(mapped)


_Places = Iterator[tuple[int, str, Positions | None]]
"""Bytes of a number and its encoding, and where such may stand, odd and looking random; None where there are too many.
Octet strings have no leading zero, and may be one byte shorter than the modulus."""


def _places_at_once(mapped: WordMap, begins: Positions, ends: Positions) -> _Places:
    assert kernel.native is not None
    found, totals = np.empty(2 * MAX_CLUES, np.int64), np.zeros(4 * len(SIZES) + 1, np.int64)
    kernel.native.rsa_exponents(mapped.octets, mapped.dense, begins, ends, np.array(SIZES), found, totals)
    *counts, capped = totals.tolist()
    if capped:
        yield 0, "", None
        return
    first = 0
    for (size, (encoding, shorter)), count in zip(product(SIZES, _READINGS), counts, strict=True):
        yield size - shorter, encoding, found[first : first + count]
        first += count


_READINGS = (("limbs-le", 0), ("words-msw-le32", 0), ("octets", 0), ("octets", 1))
"""Encodings, and how many bytes a number is shorter than its modulus."""


def _places(mapped: WordMap, begins: Positions, ends: Positions) -> _Places:
    ending = np.zeros(len(mapped.words) + 2, np.bool_)  # the last stands for all beyond
    ending[ends] = True
    for size in SIZES:
        words = size // 8
        places = 8 * np.concatenate([begins, ends - words])
        halves = (places[:, None] + _HALVES).ravel()
        alone = begins[ending[np.minimum(begins[:, None] + words - _SHORTER, len(ending) - 1)].any(axis=1)]
        octets = np.concatenate([halves, (8 * alone[:, None] + _UNALIGNED).ravel()])
        yield size, "limbs-le", _dense(mapped, halves, size, 0)
        yield size, "words-msw-le32", _dense(mapped, halves, size, size - 4)
        yield size, "octets", _dense(mapped, octets, size, size - 1)
        yield size - 1, "octets", _dense(mapped, np.concatenate([octets, 8 * ends - size + 1]), size - 1, size - 2)


def _random_from(mapped: WordMap, words: Positions) -> Positions:
    """Those of the words from which a number begins, or its last bytes do, that looks random."""
    words = words[(words >= 0) & (8 * words <= len(mapped.octets) - _HEAD)]
    words = words[mapped.dense[words] & mapped.dense[words + _HEAD // 8 - 8]]
    return words[random_like(rows(mapped.octets, 8 * words, _HEAD))]


def _dense(mapped: WordMap, starts: Positions, length: int, lowest: int) -> Positions:
    """Those of ``starts``, each once, where a number is odd, whose lowest byte that is, and looks random."""
    octets, dense = mapped.octets, mapped.dense
    starts = different(starts[(starts >= 0) & (starts <= len(octets) - length)])
    starts = starts[octets[starts + lowest] & 1 == 1]
    first = -(-starts // 8)
    for step in range(0, length // 8 - 8, 8):
        kept = dense[first + step]
        starts, first = starts[kept], first[kept]
    return starts


def _highest(octets: Bytes, starts: Positions, length: int, encoding: str) -> bytes:
    """The highest 8 bytes of each number, big-endian."""
    if encoding == "limbs-le":
        return np.ascontiguousarray(rows(octets, starts + length - 8, 8)[:, ::-1]).tobytes()
    head = rows(octets, starts, 8)
    if encoding == "words-msw-le32":
        return head.view("<u4").astype(">u4").tobytes()
    if length % 8:
        head = np.concatenate([np.zeros((len(head), 1), np.uint8), head[:, :7]], axis=1)
    return head.tobytes()


def _digits(mapped: WordMap) -> Iterator[Clue]:
    for encoding, (bits, width) in DIGITS.items():
        starts, _ = digit_starts(mapped, bits, width)  # if there are too many, the search for primes says so
        starts = starts[mapped.octets[starts] & 1 == 1] if len(starts) else starts
        for size in SIZES if len(starts) else ():
            most = -(-8 * size // bits)
            for count in (most, most - 1):
                longest, shortest = min(8 * size, count * bits), max(8 * size - SHORT_BITS, (count - 1) * bits + 1)
                for start in (
                    digit_numbers(mapped, starts, shortest, longest, bits, width) if shortest <= longest else ()
                ):
                    value = digits_value(mapped.octets, start, count, bits, width)
                    number, at = value.to_bytes(size, "big"), mapped.base + start
                    yield Clue("rsa-exponent", number[:8], at, at + count * width, encoding, number)
