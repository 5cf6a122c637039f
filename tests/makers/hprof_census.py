"""Counts what a Java heap dump holds. Written from the format's description alone; shares nothing with the reader."""

from __future__ import annotations

import struct
from collections import Counter

_SIZES = {4: 1, 5: 2, 6: 4, 7: 8, 8: 1, 9: 2, 10: 4, 11: 8}


def hprof_census(data: bytes) -> Counter[str]:
    """The number of records, of objects by class, and of arrays with their elements; any damage is an error."""
    counts: Counter[str] = Counter()
    at = data.index(b"\0") + 1
    (word,) = struct.unpack_from(">I", data, at)
    at += 12
    while at < len(data):
        tag, _, size = struct.unpack_from(">BII", data, at)
        at += 9
        counts[f"record {tag:#x}"] += 1
        if tag in (0x0C, 0x1C):
            _heap(data[at : at + size], word, counts)
        at += size
    assert at == len(data), "the last record is not whole"
    return counts


def _heap(data: bytes, word: int, counts: Counter[str]) -> None:
    roots = {0xFF: 0, 1: word, 2: 8, 3: 8, 4: 4, 5: 0, 6: 4, 7: 0, 8: 8}
    at = 0
    while at < len(data):
        tag, body = data[at], at + 1
        if tag in roots:
            counts[f"root {tag}"] += 1
            at = body + word + roots[tag]
        elif tag == 0x20:
            at = _class(data, body, word)
            counts["class"] += 1
        elif tag == 0x21:
            kind = data[body + word + 4 : body + 2 * word + 4].hex()
            (size,) = struct.unpack_from(">I", data, body + 2 * word + 4)
            counts[f"instance of {kind}"] += 1
            at = body + 2 * word + 8 + size
        elif tag in (0x22, 0x23):
            (size,) = struct.unpack_from(">I", data, body + word + 4)
            extra = word if tag == 0x22 else 1
            width = word if tag == 0x22 else _SIZES[data[body + word + 8]]
            counts[f"array of {width}"] += 1
            counts[f"elements of {width}"] += size
            at = body + word + 8 + extra + width * size
        else:
            raise AssertionError(f"sub-record {tag:#x} at {at:#x}")


def _class(data: bytes, at: int, word: int) -> int:
    at += 7 * word + 8

    def values(at: int, head: int) -> int:
        (count,) = struct.unpack_from(">H", data, at)
        at += 2
        for _ in range(count):
            kind = data[at + head]
            at += head + 1 + (word if kind == 2 else _SIZES[kind])
        return at

    at = values(at, 2)
    at = values(at, word)
    count = int.from_bytes(data[at : at + 2], "big")
    return at + 2 + count * (word + 1)
