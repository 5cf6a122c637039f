"""Integers that structures point to: BIGNUM, mpz_t, MPI and the like, read through the dump's address map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat

import numpy as np

from dumpscan.model import Clue, Clues

MAX_POINTERS = 100_000
"""Pointers followed in one dump by each proof."""

_Place = tuple[int, int, str]
"""Address, bytes, encoding."""


def pointed_integers(
    clues: Clues,
    read: Callable[[int, int], bytes],
    least: int,
    most: int,
    limits: list[str],
) -> Iterator[int]:
    """The different random-looking integers of ``least`` to ``most`` bits that ``integer-pointer`` clues lead to.

    A clue's ``value`` is the address (8 bytes, big-endian), its ``note`` the number of bytes (4, big-endian).
    """
    places: set[_Place] = set()
    values: set[int] = set()
    for place in _places(clues):
        address, size, encoding = place
        if place in places or 8 * size + 7 < least or 8 * size - 511 > most:
            continue
        places.add(place)
        if len(places) > MAX_POINTERS:
            limits.append("more big-number structures than the limit of one dump")
            return
        octets = read(address, size)
        value = _number(octets, encoding) if len(octets) == size and _varied(octets) else 0
        if least <= value.bit_length() <= most and value not in values:
            values.add(value)
            yield value


def _places(clues: Clues) -> Iterator[_Place]:
    for item in clues:
        if item.kind != "integer-pointer":
            continue
        if isinstance(item, Clue):
            yield int.from_bytes(item.value, "big"), int.from_bytes(item.note, "big"), item.encoding
        else:
            addresses, sizes = np.frombuffer(item.values, ">u8"), np.frombuffer(item.notes, ">u4")
            yield from zip(addresses.tolist(), sizes.tolist(), repeat(item.encoding))


def _varied(octets: bytes) -> bool:
    """Whether octets have half as many different values as random ones would; leading zeros are allowed for."""
    return len(set(octets)) >= min(80, len(octets) // 2)


def _number(octets: bytes, encoding: str) -> int:
    if encoding == "octets":
        return int.from_bytes(octets, "big")
    value = int.from_bytes(octets, "little")
    if encoding == "limbs-le":
        return value
    words = [value >> 64 * i & (1 << 64) - 1 for i in range(len(octets) // 8)]
    return sum(word << 60 * i for i, word in enumerate(words)) if max(words) >> 60 == 0 else 0
