"""DSA and Diffie-Hellman private exponents: g**x = y (mod p), where p, g and y are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dumpscan.keys import dh_key, dsa_key
from dumpscan.model import Candidate, Clues, PublicKey, Span, all_clues
from dumpscan.prove.means import Means
from dumpscan.prove.pointers import pointed_integers

MAX_TESTS = 2_000
"""Exponentiations of one dump, 1 to 50 ms each; more is a recorded limit."""

Read = Callable[[int, int], bytes]
_Exponent = tuple[int, tuple[Span, ...], str]

KINDS = ("octets-alone", "integer-pointer")
"""The kinds of clues that :func:`prove` takes."""


def prove(
    clues: Clues,
    publics: Sequence[PublicKey],
    read: Read,
    limits: list[str],
    means: Means = Means(),  # noqa: B008 (immutable)
) -> list[Candidate]:
    """DSA and DH keys whose exponent is among ``clues``."""
    wanted = [key for key in publics if _usable(key)]
    if not wanted:
        return []
    pointed = list(pointed_integers(clues, read, 120, 8192, limits))
    found: dict[bytes, Candidate] = {}
    left = MAX_TESTS
    for key in wanted:
        for x, spans, encoding in _exponents(clues, pointed, key):
            left -= 1
            if left < 0:
                break
            candidate = _candidate(key, x, spans, encoding)
            if candidate:
                found.setdefault(candidate.identity, candidate)
                break
    if left < 0:
        limits.append("more DSA or DH exponents to test than the limit of one dump")
    return list(found.values())


def _usable(key: PublicKey) -> bool:
    count = {"dsa": 4, "dh": 3}.get(key.algorithm, 0)
    return 0 < count == len(key.numbers) and 512 <= key.numbers[0].bit_length() <= 8192 and min(key.numbers) > 1


def _exponents(clues: Clues, pointed: Sequence[int], key: PublicKey) -> Iterator[_Exponent]:
    """Numbers in the range of the key's exponents, surest first."""
    bound = key.numbers[1 if key.algorithm == "dsa" else 0]
    least = bound.bit_length() - 32 if key.algorithm == "dsa" else 120
    for value in pointed:
        if least <= value.bit_length() and value < bound:
            yield value, (), "limbs-le"
    for clue in all_clues(clues, "octets-alone"):
        if 8 * len(clue.value) >= least:
            for value, encoding in (
                (int.from_bytes(clue.value, "little"), "limbs-le"),
                (int.from_bytes(clue.value, "big"), "octets"),
            ):
                if least <= value.bit_length() and value < bound:
                    yield value, (Span(clue.start, clue.end),), encoding


def _candidate(key: PublicKey, x: int, spans: tuple[Span, ...], encoding: str) -> Candidate | None:
    if key.algorithm == "dsa":
        p, q, g, y = key.numbers
        if pow(g, x, p) != y:
            return None
        return dsa_key(p, q, g, x, y=y, spans=spans, encoding=encoding)
    p, g, y = key.numbers
    return dh_key(p, g, x, y, spans=spans, encoding=encoding)
