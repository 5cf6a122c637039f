"""Digit arrays with unused high bits: CPython's int, libtommath."""

from __future__ import annotations

import numpy as np

from dumpscan.matchers.randomness import BLOCK, Bytes, Flags, Positions, WordMap, total8

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


def digit_positions(mapped: WordMap, least: int = 5) -> Positions:
    """Words with two clear top bits, as all kinds of digits have, from which ``least`` of eight look random."""
    words, found = mapped.words, [np.zeros(0, np.int64)]
    for start in range(0, len(words), BLOCK):
        end = min(start + BLOCK, len(words))
        enough: Flags = total8(mapped.random[start : end + 7].view(np.uint8))[: end - start] >= least
        if enough.any():
            enough &= (words[start:end] & _DIGIT_TOP) == 0
            found.append(np.flatnonzero(enough) + start)
    return np.concatenate(found)
