"""RSA keys from raw integers: p * q = n, n known or seen in the same dump; n factored from a lone exponent.

Everything cheap is done on lowest limbs with NumPy (p0 * q0 = n0 mod 2**64); whatever passes is checked in full
with Python's integers, so that nothing false can be proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, product

import numpy as np

from dumpscan.keys import octets, rsa_key
from dumpscan.matchers.limb_arithmetic import MOST_EXPONENT, exponent_fits, exponents, inverse64, little_endian, members
from dumpscan.matchers.rsa_exponents import SIZES as MODULUS_SIZES
from dumpscan.model import Candidate, Clue, Clues, ClueTable, NumberedClues, PublicKey, Span
from dumpscan.prove.means import Means
from dumpscan.prove.pointers import pointed_integers
from dumpscan.prove.rsa_integers import MASK, Integers, OfSize, Place
from dumpscan.prove.rsa_products import products

Read = Callable[[int, int], bytes]

EXPONENTS = (65537, 3, 17, 5, 257, 35, 37)
"""Public exponents in use; tried where only n is known."""

MAX_UNNAMED = 2048
"""Moduli that only a structure or digits tell, for which exponents are looked for: the primes of some are not of half
their width. More is a recorded limit; a megabyte of random data shows some hundred."""

MAX_FACTORED = 256
"""Moduli that are tried with an exponent of which everything fits but the proof: 0.02 seconds each of 2048 bits, 0.1 of
4096; more is a recorded limit."""

MAX_PRIMES = 1024
"""Numbers with such an exponent that turn out to be primes, in a twelfth of that time; more count as moduli."""

MAX_READ = 200_000
"""Exponents that are read because their highest bits fit a modulus, 0.05 ms each; more is the same limit."""

MAX_DIVISIONS = 2_000_000
"""Divisions of a modulus by a candidate: about two seconds."""

KINDS = ("rsa-integer", "integer-pointer", "rsa-exponent")
"""The kinds of clues that :func:`prove` takes."""


def prove(
    clues: Clues,
    publics: Sequence[PublicKey],
    read: Read,
    limits: list[str],
    means: Means = Means(),  # noqa: B008 (immutable)
) -> list[Candidate]:
    """RSA keys with a component among ``clues`` (kinds ``rsa-integer``, ``integer-pointer`` and ``rsa-exponent``)."""
    integers = Integers(clues, pointed_integers(clues, read, 500, 8192, limits))
    moduli = {key.numbers[0]: key.numbers[1] for key in publics if key.algorithm == "rsa"}
    keys: dict[bytes, Candidate] = {}
    for candidate in _all(integers, moduli, limits, means):
        keys.setdefault(candidate.identity, candidate)
    parts = {component.value for key in keys.values() for component in key.components}
    unnamed = [n for n in integers.of_structures(MODULUS_SIZES) if octets(n) not in parts]
    if len(unnamed) > MAX_UNNAMED:
        limits.append("more RSA moduli in structures than the limit of one dump")
    pairs = chain(moduli.items(), product(unnamed[:MAX_UNNAMED], EXPONENTS[:2]))
    rest = [(n, e) for n, e in pairs if b"rsa:" + octets(n) not in keys]
    for candidate in _placed_exponents(clues, rest, limits, means):
        keys.setdefault(candidate.identity, candidate)
    return list(keys.values())


def _all(integers: Integers, moduli: dict[int, int], limits: list[str], means: Means) -> Iterator[Candidate]:
    found: set[int] = set()
    for n, p in products(integers, limits, means):
        if n not in found:
            found.add(n)
            exponent = moduli.get(n, 0)
            yield from _key(n, p, exponent, integers)
    rest = {n: e for n, e in moduli.items() if n not in found}
    for n, p in _divisors(integers, rest, limits):
        if n not in found:
            found.add(n)
            yield from _key(n, p, rest[n], integers)
    for n, e in rest.items():
        if n not in found:
            yield from _from_exponents(n, e, integers)


def _key(n: int, p: int, e: int, integers: Integers) -> Iterator[Candidate]:
    """The key of n = p * q, with the places of its primes."""
    q = n // p
    places = integers.places(*{p, q})
    for exponent in (e,) if e else EXPONENTS:
        key = rsa_key(n, exponent, p=p, q=q, spans=_spans(places), encoding=_encoding(places))
        if key:
            yield key
            return


def _spans(places: Sequence[Place]) -> tuple[Span, ...]:
    return tuple(Span(start, end) for start, end, _ in places)


def _encoding(places: Sequence[Place]) -> str:
    return places[0][2] if places else "limbs-le"


def _divisors(integers: Integers, moduli: dict[int, int], limits: list[str]) -> Iterator[tuple[int, int]]:
    """(n, p) for the candidates that divide one of ``moduli``."""
    yield from _joined(integers, moduli)
    left = MAX_DIVISIONS
    odd: dict[int, list[int]] = {}
    for n in moduli:
        half = n.bit_length() // 2
        fitting: list[int] = []
        for size in range((half - 1) // 8, (half + 15) // 8 + 1):
            if size not in odd:
                odd[size] = [v for v in integers.values_of(size) if v & 1]
            fitting += [v for v in odd[size] if half - 8 <= v.bit_length() <= half + 8]
        for p in fitting[: max(left, 0)]:
            if n % p == 0:
                yield n, p
                break
        left -= len(fitting)
    if left < 0:
        limits.append("more divisions of RSA moduli than the limit of one dump")


def _joined(integers: Integers, moduli: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(n, p) where both p and q are among the numbers."""
    for some in integers.by_size.values():
        odd = np.flatnonzero(some.low & np.uint64(1))
        inverse, is_prime = inverse64(some.low[odd]), members(some.low[odd])
        for n in moduli:
            for index in is_prime(inverse * np.uint64(n & MASK)).tolist():
                p = some.value(int(odd[index]))
                if 1 < p < n and n % p == 0:
                    yield n, p


def _from_exponents(n: int, e: int, integers: Integers) -> Iterator[Candidate]:
    """The key of ``n``, if its private exponent is among the integers."""
    for some, index in _fitting(n, e, integers):
        value = some.value(index)
        if exponent_fits(n, e, value):
            places = some.places(index)
            key = rsa_key(n, e, d=value, spans=_spans(places), encoding=_encoding(places))
            if key:
                yield key
                return


def _fitting(n: int, e: int, integers: Integers) -> Iterator[tuple[OfSize, int]]:
    """Numbers that may be d, of the size of n or so much shorter that d may be for a great gcd(p - 1, q - 1)."""
    size = (n.bit_length() + 7) // 8
    if some := integers.by_size.get(size):
        likely = range(len(some)) if e >= MOST_EXPONENT else exponents(some.highest, n, e).tolist()
        yield from ((some, index) for index in likely)
    for shorter in range(size - 3, size):
        if some := integers.by_size.get(shorter):
            yield from ((some, index) for index in range(len(some)))


class _PlacedExponents(NumberedClues):
    """The clues of kind ``rsa-exponent`` for moduli of one size, with the highest 64 bits of the numbers."""

    def __init__(self, items: Clues) -> None:
        super().__init__(items)
        values = b"".join(item.value if isinstance(item, Clue) else item.values for item in items)
        self.highest = np.frombuffer(values, ">u8").astype(np.uint64)


def _placed_exponents(
    clues: Clues, moduli: Sequence[tuple[int, int]], limits: list[str], means: Means
) -> Iterator[Candidate]:
    """The keys of ``moduli``, with public exponents, whose private exponent stands at the place of a clue of kind
    ``rsa-exponent``."""
    by_size: dict[int, list[Clue | ClueTable]] = {}
    for item in clues if moduli else ():
        if item.kind == "rsa-exponent":
            by_size.setdefault(_modulus_size(item), []).append(item)
    placed = {size: _PlacedExponents(items) for size, items in by_size.items()}
    found: set[int] = set()
    left, primes_left, to_read = MAX_FACTORED, MAX_PRIMES, MAX_READ
    for n, e in moduli:
        some = placed.get((n.bit_length() + 7) // 8)
        if some is None or n in found:
            continue
        for index in exponents(some.highest, n, e).tolist():
            clue = some.at(index)
            d = _exponent(clue, means)
            fits = exponent_fits(n, e, d)
            if fits and primes_left and pow(2, n - 1, n) == 1:  # a prime p, and d modulo p - 1
                primes_left -= 1
                break
            to_read, left = to_read - 1, left - fits
            if min(to_read, left) < 0:
                limits.append("more exponents of RSA to try than the limit of one dump")
                return
            if fits:
                key = rsa_key(n, e, d=d, spans=(Span(clue.start, clue.end),), encoding=clue.encoding)
                if key:
                    found.add(n)
                    yield key
                    break


def _modulus_size(item: Clue | ClueTable) -> int:
    """Bytes: a number in digits says so itself, others may be one byte shorter."""
    if isinstance(item, ClueTable):
        return -(-item.width // 64) * 64
    return len(item.note) or -(-(item.end - item.start) // 64) * 64


def _exponent(clue: Clue, means: Means) -> int:
    if clue.note:
        return int.from_bytes(clue.note, "big")
    _, stored = means.around(clue.start, 0, clue.end - clue.start)
    if len(stored) != clue.end - clue.start:
        return 0
    row = np.frombuffer(stored, np.uint8).reshape(1, -1)
    return int.from_bytes(little_endian(row, clue.encoding).tobytes(), "little")
