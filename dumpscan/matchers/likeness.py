"""Octets that are text, class files or floating-point numbers: no key looks like them.

Each test counts something that random bytes have seldom, and refuses a row that has more of it than one random row in
a million: no more than ten keys in a million are lost. What costs a scalar multiplication a value, or has to be kept
till the end of the scan, asks first.
"""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.matchers.randomness import Bytes, Flags

_TAIL = 1e-6

_SETS = (
    b"\0",
    bytes(range(16)),
    bytes(range(ord("a"), ord("z") + 1)),
    bytes(range(ord(" "), ord("~") + 1)),
    bytes.fromhex("0001080f1f2441444548494c4d5d6674758385898b8dc0c3e8ff"),
    b"\0\1\x08 aeimnorst\xc3\xd0\xd1\xd8\xd9\xe5",
)
"""Bytes of which a row has no more than chance gives: zeros, small numbers, small letters, printable ones; the
commonest of x86-64 code; and those of UTF-8 in class files and catalogues of messages: letters, and what leads Latin
letters with accents, Cyrillic, Arabic and Chinese."""


def _members() -> NDArray[np.uint8]:
    """Bit i of element b: whether byte b is in set i."""
    table = np.zeros(256, np.uint8)
    for index, some in enumerate(_SETS):
        table[list(some)] |= 1 << index
    return table


_MEMBERS = _members()


def random_like(table: Bytes) -> Flags:
    """Flag the rows that may be random."""
    count, size = table.shape
    limits = _limits(size)
    if kernel.native is not None and size:
        like: Flags = np.empty(count, np.bool_)
        kernel.native.random_like(np.ascontiguousarray(table), limits, _MEMBERS, like, size)
        return like
    most = limits.tolist()
    of_sets, (utf8, same, *lanes) = most[: len(_SETS)], most[len(_SETS) :]
    flags: Flags = np.ones(count, np.bool_)
    sets = _MEMBERS[table]
    for index, limit in enumerate(of_sets):
        flags &= _count(sets >> np.uint8(index) & 1 != 0) <= limit
    flags &= _count(_three_bytes_of_utf8(table)) <= utf8
    flags &= ~_repeated(table, same)
    for lane in range(8):
        flags &= ~_repeated(table[:, lane::8] & np.uint8(0x70), lanes[lane])
    for lane in range(4):
        flags &= ~_repeated(table[:, lane::4] & np.uint8(0xF0), lanes[8 + lane])
    return flags


@cache
def _limits(size: int) -> NDArray[np.int64]:
    """How many bytes of ``size`` may be in each of ``_SETS``, the first of three of UTF-8, all the same; how many of
    every eighth byte may have the same three upper bits below the first, as the exponents of float64 do, whatever their
    signs; and how many of every fourth byte the same four, as float32 does with the sign."""
    counts = [_most(size, len(some) / 256) for some in _SETS]
    counts += [_most(size - 2, 1 / 256), _most(size, 1 / 256, 256)]
    counts += [_most(len(range(lane, size, 8)), 1 / 8, 64) for lane in range(8)]
    counts += [_most(len(range(lane, size, 4)), 1 / 16, 64) for lane in range(4)]
    return np.array(counts, np.int64)


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
