"""Integers that structures point to: BIGNUM, mpz_t, MPI and the like, read through the dump's address map."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dumpscan.model import Clues, all_clues

MAX_POINTERS = 50_000
"""Pointers followed in one dump by each proof."""


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
    places: set[tuple[bytes, bytes, str]] = set()
    values: set[int] = set()
    for clue in all_clues(clues, "integer-pointer"):
        place = (clue.value, clue.note, clue.encoding)
        if place in places:
            continue
        size = int.from_bytes(clue.note, "big")
        if 8 * size + 7 < least or 8 * size - 511 > most:
            continue
        places.add(place)
        if len(places) > MAX_POINTERS:
            limits.append("more big-number structures than the limit of one dump")
            return
        octets = read(int.from_bytes(clue.value, "big"), size)
        value = _number(octets, clue.encoding) if len(octets) == size and _varied(octets) else 0
        if least <= value.bit_length() <= most and value not in values:
            values.add(value)
            yield value


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
