"""RSA keys from raw integers: p * q = n, n known or seen in the same dump; n factored from a lone exponent.

Everything cheap is done on lowest limbs with NumPy (p0 * q0 = n0 mod 2**64); whatever passes is checked in full
with Python's integers, so that nothing false can be proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dumpscan.keys import octets, rsa_key
from dumpscan.matchers.limb_arithmetic import exponent_fits, exponents, inverse64, little_endian, members
from dumpscan.model import Candidate, Clue, PublicKey, Span
from dumpscan.prove.means import Means
from dumpscan.prove.pointers import pointed_integers

Limbs = NDArray[np.uint64]
Read = Callable[[int, int], bytes]

EXPONENTS = (65537, 3, 17, 5, 257, 35, 37)
"""Public exponents in use; tried where only n is known."""

MAX_DIVISIONS = 2_000_000
"""Divisions of a modulus by a candidate: about two seconds."""

NEIGHBOURS = 256
"""A prime is multiplied with at least this many of the candidates after it, to find a modulus that no certificate
names."""

PAIRS = 4_000_000
"""Products of primes of one size, where there are few enough: 0.2 seconds."""

_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class _Integer:
    value: int
    spans: tuple[Span, ...]
    encoding: str


KINDS = ("rsa-integer", "integer-pointer", "rsa-exponent")
"""The kinds of clues that :func:`prove` takes."""


def prove(
    clues: Sequence[Clue],
    publics: Sequence[PublicKey],
    read: Read,
    limits: list[str],
    means: Means = Means(),  # noqa: B008 (immutable)
) -> list[Candidate]:
    """RSA keys with a component among ``clues`` (kinds ``rsa-integer``, ``integer-pointer`` and ``rsa-exponent``)."""
    integers = _integers(clues, read, limits)
    moduli = {key.numbers[0]: key.numbers[1] for key in publics if key.algorithm == "rsa"}
    keys: dict[bytes, Candidate] = {}
    for candidate in _all(integers, moduli, limits):
        keys.setdefault(candidate.identity, candidate)
    for candidate in _placed_exponents(
        clues, {n: e for n, e in moduli.items() if b"rsa:" + octets(n) not in keys}, means
    ):
        keys.setdefault(candidate.identity, candidate)
    return list(keys.values())


def _all(integers: Sequence[_Integer], moduli: dict[int, int], limits: list[str]) -> Iterator[Candidate]:
    found: set[int] = set()
    for n, p in _products(integers):
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


def _integers(clues: Iterable[Clue], read: Read, limits: list[str]) -> list[_Integer]:
    """The different values, in the order of their places."""
    merged: dict[int, _Integer] = {}
    placed = [c for c in clues if c.kind == "rsa-integer"]
    for clue in sorted(placed, key=lambda c: c.start):
        _merge(merged, int.from_bytes(clue.value, "big"), (Span(clue.start, clue.end),), clue.encoding)
    for value in pointed_integers(clues, read, 500, 8192, limits):
        _merge(merged, value, (), "limbs-le")
    return list(merged.values())


def _merge(merged: dict[int, _Integer], value: int, spans: tuple[Span, ...], encoding: str) -> None:
    known = merged.get(value)
    if known is None or len(known.spans) < 16:
        before = known.spans if known else ()
        merged[value] = _Integer(value, before + spans, known.encoding if known else encoding)


def _key(n: int, p: int, e: int, integers: Sequence[_Integer]) -> Iterator[Candidate]:
    """The key of n = p * q, with the places of its primes."""
    q = n // p
    primes = [i for i in integers if i.value in (p, q)]
    spans = tuple(span for i in primes for span in i.spans)
    encoding = primes[0].encoding if primes else "limbs-le"
    for exponent in (e,) if e else EXPONENTS:
        key = rsa_key(n, exponent, p=p, q=q, spans=spans, encoding=encoding)
        if key:
            yield key
            return


def low_limbs(values: Iterable[int]) -> Limbs:
    """The lowest 64 bits of each value."""
    return np.array([value & _MASK for value in values], np.uint64)


def _divisors(integers: Sequence[_Integer], moduli: dict[int, int], limits: list[str]) -> Iterator[tuple[int, int]]:
    """(n, p) for the candidates that divide one of ``moduli``."""
    odd = [i.value for i in integers if i.value & 1]
    yield from _joined(odd, moduli)
    left = MAX_DIVISIONS
    for n in moduli:
        half = n.bit_length() // 2
        fitting = [v for v in odd if half - 8 <= v.bit_length() <= half + 8]
        for p in fitting[: max(left, 0)]:
            if n % p == 0:
                yield n, p
                break
        left -= len(fitting)
    if left < 0:
        limits.append("more divisions of RSA moduli than the limit of one dump")


def _joined(values: Sequence[int], moduli: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(n, p) where both p and q are among ``values``."""
    if not values:
        return
    low = low_limbs(values)
    inverse, is_prime = inverse64(low), members(low)
    for n in moduli:
        for index in is_prime(inverse * np.uint64(n & _MASK)).tolist():
            if 1 < values[index] < n and n % values[index] == 0:
                yield n, values[index]


def _products(integers: Sequence[_Integer]) -> Iterator[tuple[int, int]]:
    """(n, p) where p, q and n are all candidates: the products of neighbours, looked up by their lowest limbs."""
    by_bits: dict[int, list[int]] = {}
    for integer in integers:
        if integer.value & 1:
            by_bits.setdefault(integer.value.bit_length(), []).append(integer.value)
    for bits, values in by_bits.items():
        moduli = {n for b in (2 * bits, 2 * bits - 1) for n in by_bits.get(b, ())}
        if moduli and bits >= 256:
            yield from _pairs(values, moduli)


def _pairs(values: Sequence[int], moduli: set[int]) -> Iterator[tuple[int, int]]:
    low = low_limbs(values)
    is_modulus = members(low_limbs(moduli))
    for step in range(1, min(max(NEIGHBOURS, PAIRS // len(values)), len(values) - 1) + 1):
        for index in is_modulus(low[:-step] * low[step:]).tolist():
            n = values[index] * values[index + step]
            if n in moduli:
                yield n, values[index]


def _from_exponents(n: int, e: int, integers: Sequence[_Integer]) -> Iterator[Candidate]:
    """The key of ``n``, if its private exponent is among the integers."""
    for integer in integers:
        if exponent_fits(n, e, integer.value):
            key = rsa_key(n, e, d=integer.value, spans=integer.spans, encoding=integer.encoding)
            if key:
                yield key
                return


def _placed_exponents(clues: Iterable[Clue], moduli: dict[int, int], means: Means) -> Iterator[Candidate]:
    """The keys of ``moduli`` whose exponent stands at the place of a clue of kind ``rsa-exponent``."""
    by_size: dict[int, list[Clue]] = {}
    for clue in clues if moduli else ():
        if clue.kind == "rsa-exponent":
            by_size.setdefault(len(clue.note) or -(-(clue.end - clue.start) // 64) * 64, []).append(clue)
    highest = {size: np.frombuffer(b"".join(c.value for c in some), ">u8").astype(np.uint64)
               for size, some in by_size.items()}  # fmt: skip
    for n, e in moduli.items():
        size = (n.bit_length() + 7) // 8
        for index in exponents(highest.get(size, low_limbs(())), n, e).tolist():
            clue = by_size[size][index]
            d = _exponent(clue, means)
            if exponent_fits(n, e, d):
                key = rsa_key(n, e, d=d, spans=(Span(clue.start, clue.end),), encoding=clue.encoding)
                if key:
                    yield key
                    break


def _exponent(clue: Clue, means: Means) -> int:
    if clue.note:
        return int.from_bytes(clue.note, "big")
    _, stored = means.around(clue.start, 0, clue.end - clue.start)
    if len(stored) != clue.end - clue.start:
        return 0
    row = np.frombuffer(stored, np.uint8).reshape(1, -1)
    return int.from_bytes(little_endian(row, clue.encoding).tobytes(), "little")
