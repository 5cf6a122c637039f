"""Public points of which a dump has projective coordinates only: OpenSSL's, of a key just made.

(X, Y, Z) stands for the point (X / Z**2, Y / Z**3). The coordinates are big numbers of OpenSSL (bn_local.h), in
Montgomery form where its arithmetic for the curve has that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dumpscan.curves import EQUATIONS, montgomery_unit
from dumpscan.model import Clues, all_clues

MAX_POINTS = 10_000
"""Points of one dump that are read, some 40 µs each; more is a recorded limit."""

_BIGNUM = 12
"""Bytes of a BIGNUM that matter: the address of its words, and how many (32 bits) are used."""

Read = Callable[[int, int], bytes]


def projective_points(clues: Clues, read: Read, limits: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Curve and affine coordinates of each point that ``projective-point`` clues lead to, each once."""
    seen: set[tuple[str, bytes]] = set()
    for clue in all_clues(clues, "projective-point"):
        if (clue.encoding, clue.value) in seen:
            continue
        seen.add((clue.encoding, clue.value))
        if len(seen) > MAX_POINTS:
            limits.append("more projective points than the limit of one dump")
            return
        pointers = [int.from_bytes(clue.value[at : at + 8], "big") for at in (0, 8, 16)]
        numbers = [_number(read, pointer, clue.encoding) for pointer in pointers]
        if point := _affine(clue.encoding, *numbers):
            yield clue.encoding, point


def _number(read: Read, pointer: int, curve: str) -> int:
    """The number of the BIGNUM at ``pointer``; 0 if it is none of the curve's."""
    head = read(pointer, _BIGNUM)
    words = int.from_bytes(head[8:], "little")
    if len(head) < _BIGNUM or not 0 < 64 * words < EQUATIONS[curve].p.bit_length() + 64:
        return 0
    return int.from_bytes(read(int.from_bytes(head[:8], "little"), 8 * words), "little")


def _affine(curve: str, *numbers: int) -> tuple[int, int] | None:
    """The point (X, Y, Z), taken as it is or in Montgomery form, if it is on the curve."""
    p, a, b, _ = EQUATIONS[curve]
    for unit in (1, montgomery_unit(curve)):
        x, y, z = (number * unit % p for number in numbers)
        if z and (y * y - x**3 - a * x * z**4 - b * z**6) % p == 0:
            inverse = pow(z, -1, p)
            return x * inverse**2 % p, y * inverse**3 % p
    return None
