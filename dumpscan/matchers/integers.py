"""Digit arrays with unused high bits: CPython's int, libtommath."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.matchers.randomness import UNUSED, Bytes, Positions, WordMap, distinct_at, pure

DIGITS = {"digits-30-le32": (30, 4), "digits-28-le32": (28, 4), "digits-60-le64": (60, 8)}
"""Encoding -> (bits of a digit, bytes that it takes): CPython, libtommath with 32 and with 64 bits."""

_UNUSED = dict(zip((30, 28, 60), UNUSED, strict=True))

_LEAST_TOPS = {(30, 8): 8, (28, 8): 4, (60, 8): 3, (30, 4): 4, (28, 4): 3, (60, 4): 2}
"""(bits, words) -> the different highest bytes that the digits of a random number have; floating-point numbers, whose
exponents are much alike, have fewer."""

_HEADER = np.uint64(1 << 16)
"""What stands before digits is the size of an int or of the allocator's block where it is a smaller number."""

_LEAST_DIFFERENT = {30: 25, 28: 25, 60: 27}
_HALF_TOPS = 3
"""Different bytes of 32 in digits, and different highest bytes that every other one of eight digits has: one number in
some 100 has fewer, and is then found by what stands before it only."""

MAX_STARTS = 8192
"""Digit arrays looked at in one window and encoding."""


_KINDS = tuple((bits, width, least) for bits, width in DIGITS.values() for least in (4, 8))
"""Bits of a digit, bytes that it takes, words of an array."""

_JUDGED = np.array(
    [
        (_UNUSED[bits], width, least, _LEAST_TOPS[bits, least], _LEAST_DIFFERENT[bits], _HALF_TOPS if bits == 30 else 0)
        for bits, width, least in _KINDS
    ],
    np.uint64,
)
"""What the kernel's search for digits takes: a row for each kind."""


def digit_starts(mapped: WordMap, bits: int, width: int, least: int = 8) -> tuple[Positions, bool]:
    """Where arrays of ``least`` words or more, 4 or 8, begin (bytes from the base); whether there were too many."""
    key = (bits, least)
    if kernel.native is not None and not mapped.digits:
        mapped.digits.update(_digit_starts_at_once(mapped))
    if key not in mapped.digits:
        mapped.digits[key] = _digit_starts(mapped, bits, width, least)
    return mapped.digits[key]


def _digit_starts_at_once(mapped: WordMap) -> dict[tuple[int, int], tuple[Positions, bool]]:
    assert kernel.native is not None
    places, totals = np.empty((len(_JUDGED), MAX_STARTS + 1), np.int64), np.empty(len(_JUDGED), np.int64)
    kernel.native.digit_starts(mapped.words, mapped.random_bits, _JUDGED, places, totals)
    return {
        (bits, least): (8 * row[: min(total, MAX_STARTS)], total > MAX_STARTS)
        for (bits, _, least), row, total in zip(_KINDS, places, totals.tolist(), strict=True)
    }


def _digit_starts(mapped: WordMap, bits: int, width: int, least: int) -> tuple[Positions, bool]:
    unused = np.uint64(_UNUSED[bits])
    words = mapped.words
    starts = mapped.runs[_UNUSED[bits]]
    starts = starts[starts <= len(words) - least]
    for step in range(4, least):
        starts = starts[words[starts + step] & unused == 0]
    filled = np.zeros(len(starts), np.uint8)
    for step in range(least):
        filled += mapped.random[starts + step]
    behind_size = words[starts - 1] < _HEADER
    starts = starts[(filled > least * 5 // 8) | behind_size & (filled >= least // 2)]
    starts = starts[(words[starts - 1] < _HEADER) | pure(words, starts, least)]
    behind_size = words[starts - 1] < _HEADER
    octets, first = mapped.octets, 8 * starts

    def tops(step: int, skip: int) -> NDArray[np.int64]:
        return distinct_at(octets, first + skip, 8 * least // step, step)

    different = distinct_at(octets, first, 8 * least)
    kept = different >= 5 * least
    varied = tops(width, width - 1) >= _LEAST_TOPS[bits, least]
    if least > 4:
        kept &= varied
    else:
        alone = varied & (different >= _LEAST_DIFFERENT[bits])
        if bits == 30:  # doubles: every other digit's highest byte is an exponent's
            alone &= (tops(8, 3) >= _HALF_TOPS) & (tops(8, 7) >= _HALF_TOPS)
        kept &= alone | behind_size
    starts = starts[kept]
    return 8 * starts[:MAX_STARTS], len(starts) > MAX_STARTS


def digits_value(octets: Bytes, start: int, count: int, bits: int, width: int) -> int:
    """The number whose ``count`` digits begin at byte ``start``; -1 if a digit is too large or the data ends."""
    if start + count * width > len(octets):
        return -1
    digits = octets[start : start + count * width].view(f"<u{width}")
    if int(digits.max()) >> bits:
        return -1
    value = 0
    for digit in reversed(digits.tolist()):
        value = value << bits | digit
    return value


def digit_numbers(mapped: WordMap, starts: Positions, shortest: int, longest: int, bits: int, width: int) -> list[int]:
    """Those of ``starts`` from which a number of ``shortest`` to ``longest`` bits stands, all in digits."""
    unused = np.uint64(_UNUSED[bits])
    words = mapped.words
    count = -(-longest // bits)
    over = shortest - 1 - bits * (count - 1)
    if not len(starts):
        return []
    if kernel.native is not None:
        found = np.empty(len(starts), np.int64)
        least, most = 1 << over if over >= 0 else 0, (1 << longest - bits * (count - 1)) - 1
        some = kernel.native.digit_numbers(words, starts, found, int(unused), width, count, least, most)
        native: list[int] = found[:some].tolist()
        return native
    last = starts // width + count - 1
    units = mapped.octets[: len(words) * 8].view(f"<u{width}")
    starts, last = starts[last < len(units)], last[last < len(units)]
    top = units[last]
    fits = top >> np.array(longest - bits * (count - 1), top.dtype) == 0
    if over >= 0:
        fits &= top >> np.array(over, top.dtype) != 0
    starts = starts[fits]
    for step in range(count * width // 8 - 1, 0, -1):
        if not len(starts):
            break
        starts = starts[words[starts // 8 + step] & unused == 0]
    kept: list[int] = starts.tolist()
    return kept
