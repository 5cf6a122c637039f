"""EC keys from raw scalars: d * G = Q, for points of certificates, of the user's keys, or seen in the clear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice

from dumpscan.keys import CURVES, ec_key, point_of
from dumpscan.matchers.curves import EQUATIONS
from dumpscan.matchers.integers import DIGITS
from dumpscan.model import Candidate, Clue, PublicKey, Span
from dumpscan.prove.pointers import pointed_integers

MAX_TESTS = 100_000
"""Scalar multiplications of one dump, 30 to 300 µs each; more is a recorded limit."""

MAX_COORDINATES = 50_000
"""Numbers of one width among which the two coordinates of a point are looked for, 2 µs each."""

_Scalar = tuple[int, tuple[Span, ...], str]

Read = Callable[[int, int], bytes]

KINDS = ("octets-alone", "digits-alone", "integer-pointer")
"""The kinds of clues that :func:`prove` takes."""


def prove(clues: Sequence[Clue], publics: Sequence[PublicKey], read: Read, limits: list[str]) -> list[Candidate]:
    """EC keys whose scalar is among ``clues`` (kinds ``octets-alone`` and ``integer-pointer``)."""
    pointed = list(pointed_integers(clues, read, 160, 521, limits))
    points: dict[str, set[tuple[int, int]]] = {}
    for curve, point in [*_known(publics), *_pieced_points(clues, pointed)]:
        points.setdefault(curve, set()).add(point)
    found: dict[bytes, Candidate] = {}
    left = MAX_TESTS
    for curve, seen in points.items():
        wanted = {point for point in seen if point[0] != _generator(curve)[0]}
        if not wanted:
            continue
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


@cache
def _generator(curve: str) -> tuple[int, int]:
    """G, which programs hold with the parameters of the curve."""
    return point_of(curve, 1) or (0, 0)


def _merged(scalars: Iterable[_Scalar]) -> dict[int, tuple[tuple[Span, ...], str]]:
    """Each number once, with up to 16 of its places."""
    merged: dict[int, tuple[tuple[Span, ...], str]] = {}
    for value, spans, encoding in scalars:
        known, first = merged.get(value, ((), encoding))
        more = tuple(span for span in spans if span not in known)
        merged[value] = ((*known, *more)[:16], first if known else encoding)
    return merged


def _known(publics: Sequence[PublicKey]) -> Iterator[tuple[str, tuple[int, int]]]:
    for key in publics:
        if key.algorithm == "ec" and key.curve in CURVES and len(key.numbers) == 2:
            yield key.curve, (key.numbers[0], key.numbers[1])


def _pieced_points(clues: Sequence[Clue], pointed: Sequence[int]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Points whose coordinates are two numbers of the dump, wherever they lie: structures hold them (mbedTLS,
    libgcrypt, libtomcrypt), or they stand alone (nettle). OpenSSL has some in Montgomery form."""
    numbers: dict[int, set[int]] = {}
    for name, (p, a, b) in EQUATIONS.items():
        bits = p.bit_length()
        if bits not in numbers:
            numbers[bits] = {value for value, _, _ in islice(_scalars(clues, pointed, bits), MAX_COORDINATES)}
        values = {value for value in numbers[bits] if value < p}
        unit = pow(1 << -(-bits // 64) * 64, -1, p)
        for form in (values, {value * unit % p for value in values}):
            roots = {y * y % p: y for y in form}
            for x in form:
                y = roots.get(((x * x + a) * x + b) % p)
                if y is not None:
                    yield name, (x, y)
                    yield name, (x, p - y)


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
