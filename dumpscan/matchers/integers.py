"""Digit arrays with unused high bits: CPython's int, libtommath."""

from __future__ import annotations

import numpy as np

from dumpscan.matchers.randomness import BLOCK, Bytes, Flags, Positions, WordMap, distinct, rows

DIGITS = {"digits-30-le32": (30, 4), "digits-28-le32": (28, 4), "digits-60-le64": (60, 8)}
"""Encoding -> (bits of a digit, bytes that it takes): CPython, libtommath with 32 and with 64 bits."""

_DIGIT_TOP = np.uint64(3 << 62)

MAX_STARTS = 512
"""Digit arrays looked at in one window and encoding."""


def _unused(bits: int, width: int) -> np.uint64:
    mask = ((1 << 8 * width) - 1) ^ ((1 << bits) - 1)
    return np.uint64(mask if width == 8 else mask << 32 | mask)


def digit_starts(
    mapped: WordMap, positions: Positions, bits: int, width: int, least: int = 8
) -> tuple[list[int], bool]:
    """Where arrays of ``least`` words or more begin (bytes from the map's base); whether there were too many."""
    unused = _unused(bits, width)
    words = mapped.words
    starts = positions[(positions > 0) & (positions <= len(words) - least)]
    for step in range(least):
        starts = starts[words[starts + step] & unused == 0]
    filled = np.zeros(len(starts), np.uint8)
    for step in range(least):
        filled += mapped.random[starts + step]
    starts = starts[filled > least * 5 // 8]
    starts = starts[distinct(rows(mapped.octets, 8 * starts, 8 * least)) >= 5 * least]
    before = starts - 1
    starts = starts[~mapped.random[before] | (words[before] & unused != 0)]
    return (8 * starts[:MAX_STARTS]).tolist(), len(starts) > MAX_STARTS


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


def digit_positions(mapped: WordMap) -> Positions:
    """Words from which four have two clear top bits, as all kinds of digits do, and two of eight look random."""
    words, found = mapped.words, [np.zeros(0, np.int64)]
    for start in range(0, len(words), BLOCK):
        end = min(start + BLOCK + 3, len(words))
        random = mapped.random[start:end]
        if not random.any():
            continue
        clear: Flags = (words[start:end] & _DIGIT_TOP) == 0
        four = clear[:-3] & clear[1:-2] & clear[2:-1] & clear[3:]
        four &= random[:-3] | random[1:-2]
        found.append(np.flatnonzero(four) + start)
    return np.concatenate(found)


def filled_digits(mapped: WordMap, starts: list[int], size: int, bits: int, width: int) -> list[int]:
    """Those of ``starts`` from which all words of a number of ``size`` bits are digits."""
    unused = _unused(bits, width)
    words = mapped.words
    count = -(-size // bits) * width // 8
    left = np.array(starts, np.int64)
    left = left[left // 8 + count <= len(words)]
    for step in range(count - 1, 0, -1):
        if not len(left):
            break
        left = left[words[left // 8 + step] & unused == 0]
    kept: list[int] = left.tolist()
    return kept
