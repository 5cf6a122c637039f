"""Integers that structures point to: BIGNUM, mpz_t, MPI and the like, read through the dump's address map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dumpscan.model import Clue

MAX_POINTERS = 100_000
"""Pointers followed in one dump, a proof."""


def pointed_integers(clues: Iterable[Clue], read: Callable[[int, int], bytes], least: int, most: int) -> Iterator[int]:
    """The different integers of ``least`` to ``most`` bits that clues of kind ``integer-pointer`` lead to.

    A clue's ``value`` is the address (8 bytes, big-endian); its ``note`` is the number of bytes (4, big-endian).
    """
    seen: set[tuple[bytes, bytes]] = set()
    for clue in clues:
        place = (clue.value, clue.note)
        if clue.kind != "integer-pointer" or place in seen:
            continue
        seen.add(place)
        if len(seen) > MAX_POINTERS:
            return
        size = int.from_bytes(clue.note, "big")
        if least <= 8 * size + 63 and 8 * size - 63 <= most:
            value = int.from_bytes(read(int.from_bytes(clue.value, "big"), size), "little")
            if least <= value.bit_length() <= most:
                yield value
