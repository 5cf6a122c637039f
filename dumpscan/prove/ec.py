"""EC keys from raw scalars: d * G = Q, for points of certificates, of the user's keys, or seen in the clear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from dumpscan.keys import CURVES, ec_key, point_of
from dumpscan.matchers.curves import curves_of
from dumpscan.matchers.integers import DIGITS
from dumpscan.model import Candidate, Clue, PublicKey, Span
from dumpscan.prove.pointers import pointed_integers

MAX_TESTS = 100_000
"""Scalar multiplications of one dump, 30 to 300 µs each; more is a recorded limit."""

_Scalar = tuple[int, tuple[Span, ...], str]

Read = Callable[[int, int], bytes]

KINDS = ("octets-alone", "digits-alone", "integer-pointer")
"""The kinds of clues that :func:`prove` takes."""


def prove(clues: Sequence[Clue], publics: Sequence[PublicKey], read: Read, limits: list[str]) -> list[Candidate]:
    """EC keys whose scalar is among ``clues`` (kinds ``octets-alone`` and ``integer-pointer``)."""
    pointed = list(pointed_integers(clues, read, 160, 521, limits))
    points: dict[str, set[tuple[int, int]]] = {}
    for curve, point in [*_known(publics), *_pointed_points(pointed)]:
        points.setdefault(curve, set()).add(point)
    found: dict[bytes, Candidate] = {}
    left = MAX_TESTS
    for curve, wanted in points.items():
        for scalar, (spans, encoding) in _merged(_scalars(clues, pointed, CURVES[curve].key_size)).items():
            left -= 1
            if left < 0:
                break
            derived = point_of(curve, scalar)
            if derived is not None and derived in wanted:
                key = ec_key(curve, scalar, point=derived, spans=spans, encoding=encoding)
                if key:
                    found.setdefault(key.identity, key)
    if left < 0:
        limits.append("more EC scalars to test than the limit of one dump")
    return list(found.values())


def _merged(scalars: Iterable[_Scalar]) -> dict[int, tuple[tuple[Span, ...], str]]:
    """Each number once, with up to 16 of its places."""
    merged: dict[int, tuple[tuple[Span, ...], str]] = {}
    for value, spans, encoding in scalars:
        known, first = merged.get(value, ((), encoding))
        merged[value] = ((*known, *spans)[:16], first if known else encoding)
    return merged


def _known(publics: Sequence[PublicKey]) -> Iterator[tuple[str, tuple[int, int]]]:
    for key in publics:
        if key.algorithm == "ec" and key.curve in CURVES and len(key.numbers) == 2:
            yield key.curve, (key.numbers[0], key.numbers[1])


def _pointed_points(pointed: Sequence[int]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Points whose coordinates are neighbours among the integers that structures hold (mbedTLS, libgcrypt)."""
    for x, y in pairwise(pointed):
        for size in (32, 48, 64, 66):
            for curve in curves_of(x, y, size):
                yield curve, (x, y)


def _scalars(clues: Sequence[Clue], pointed: Sequence[int], bits: int) -> Iterator[_Scalar]:
    """Numbers that may be scalars of a curve of ``bits`` bits, surest first."""
    for value in pointed:
        if bits - 32 <= value.bit_length() <= bits:
            yield value, (), "limbs-le"
    size = (bits + 7) // 8
    for clue in clues:
        if clue.kind == "octets-alone" and len(clue.value) == size:
            spans = (Span(clue.start, clue.end),)
            for value, encoding in _readings(clue.value):
                if value.bit_length() <= bits:
                    yield value, spans, encoding
        elif clue.kind == "digits-alone" and bits - 32 <= 8 * len(clue.value) <= bits + 7 and clue.encoding in DIGITS:
            yield int.from_bytes(clue.value, "big"), (Span(clue.start, clue.end),), clue.encoding


def _readings(octets: bytes) -> Iterator[tuple[int, str]]:
    """The numbers that octets in memory order may mean."""
    yield int.from_bytes(octets, "little"), "limbs-le"
    yield int.from_bytes(octets, "big"), "octets"
    if len(octets) % 4 == 0:
        words = b"".join(octets[i : i + 4][::-1] for i in range(0, len(octets), 4))
        yield int.from_bytes(words, "big"), "words-msw-le32"
