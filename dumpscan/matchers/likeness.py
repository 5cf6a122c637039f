"""Octets that are text, class files or floating-point numbers: no key looks like them.

Each test counts something that random bytes have seldom, and refuses a row that has more of it than one random row in
a million: no more than eight keys in a million are lost. What costs a scalar multiplication a value, or has to be kept
till the end of the scan, asks first.
"""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from dumpscan.matchers.randomness import Bytes, Flags

_TAIL = 1e-6


def random_like(table: Bytes) -> Flags:
    """Flag the rows that may be random."""
    size = table.shape[1]
    flags: Flags = _count(table == 0) <= _most(size, 1 / 256)
    flags &= _count(table < 16) <= _most(size, 16 / 256)
    flags &= _count((table >= ord("a")) & (table <= ord("z"))) <= _most(size, 26 / 256)
    flags &= _count((table >= ord(" ")) & (table <= ord("~"))) <= _most(size, 95 / 256)
    flags &= _count(_three_bytes_of_utf8(table)) <= _most(size - 2, 1 / 256)
    flags &= ~_repeated(table, _most(size, 1 / 256, 256))
    for lane in range(8):  # of float64: the first bits of the exponents are alike, whatever the signs
        flags &= ~_repeated(table[:, lane::8] & np.uint8(0x70), _most(len(range(lane, size, 8)), 1 / 8, 64))
    for lane in range(4):  # of float32: so are the first bits with the sign
        flags &= ~_repeated(table[:, lane::4] & np.uint8(0xF0), _most(len(range(lane, size, 4)), 1 / 16, 64))
    return flags


def _count(marks: Flags) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.count_nonzero(marks, axis=1)
    return counts


def _three_bytes_of_utf8(table: Bytes) -> Flags:
    later = table & 0xC0 == 0x80
    flags: Flags = (table[:, :-2] >> 4 == 0xE) & later[:, 1:-1] & later[:, 2:]
    return flags


def _repeated(table: Bytes, most: int) -> Flags:
    """Flag the rows in which some value stands more than ``most`` times."""
    ordered = np.sort(table, axis=1)
    if most >= table.shape[1]:
        return np.zeros(len(table), np.bool_)
    flags: Flags = (ordered[:, most:] == ordered[:, : table.shape[1] - most]).any(axis=1)
    return flags


@cache
def _most(count: int, chance: float, tests: int = 1) -> int:
    """The most of ``count`` bytes that have a property of this ``chance``, in all but a millionth of cases."""
    beyond = 0.0
    for some in range(count, -1, -1):
        beyond += comb(count, some) * chance**some * (1 - chance) ** (count - some)
        if beyond * tests > _TAIL:
            return some
    return 0
