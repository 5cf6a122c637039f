"""The second pass for raw integers: private halves of *known* public keys, wherever they stand.

In the first pass nothing is known of the keys, so only places that memory makes likely are looked at. With the public
keys in hand every random-looking aligned word of a window can be judged, inside other random data too:

* p and q of one window: p0 * q0 = n0 (mod 2**64) for the lowest limbs, joined for all words at once;
* p without q: divided into n, where the window has few random words;
* d alone: e * d / n is nearly a fraction with the small denominator gcd(p - 1, q - 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dumpscan.keys import rsa_key
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.limb_arithmetic import exponent_fits, exponents, inverse64, little_endian, members
from dumpscan.matchers.randomness import BLOCK, Bytes, Positions, WordMap, Words, rows, word_map
from dumpscan.matchers.sieve import without_small_factor
from dumpscan.model import Candidate, Clue, Evidence, PublicKey, Span

MAX_MODULI = 256
"""RSA moduli tried in every window; more is a recorded limit."""

MAX_DIVISIONS = 20_000
"""Divisions in one window for primes whose partner is not there."""

_Turn = Callable[[Words], Words]


def _halves_swapped(words: Words) -> Words:
    return (words << np.uint64(32)) | (words >> np.uint64(32))


def _bytes_swapped(words: Words) -> Words:
    return words.byteswap()


def _same(words: Words) -> Words:
    return words


_READINGS: tuple[tuple[str, _Turn], ...] = (
    ("limbs-le", _same),
    ("octets", _bytes_swapped),
    ("words-msw-le32", _halves_swapped),
)


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """Window matcher, made for the public keys that are known after the first pass and not proven yet."""

    publics: tuple[PublicKey, ...] = field(repr=False)
    name: str = "known-keys"
    anchors: Sequence[bytes] = ()
    reach: int = 1024

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Evidence]:
        moduli = {k.numbers[0]: k.numbers[1] for k in self.publics if k.algorithm == "rsa" and _fit(k)}
        if len(moduli) > MAX_MODULI:
            yield Clue("limit", b"", 0, 0, "", b"more RSA moduli than are tried in every window")
        moduli = dict(list(moduli.items())[:MAX_MODULI])
        mapped = word_map(view)
        for shift in (0, 4):
            words = mapped.words if shift == 0 else mapped.octets[4 : len(mapped.octets) - 4].view("<u8")
            where = np.flatnonzero(mapped.random[: len(words)])
            if len(where) and moduli:
                yield from _rsa(mapped, words, where, shift, moduli)


def _fit(key: PublicKey) -> bool:
    return len(key.numbers) == 2 and key.numbers[0] & 1 == 1 and 512 <= key.numbers[0].bit_length() <= 8192


def _rsa(mapped: WordMap, words: Words, where: Positions, shift: int, moduli: dict[int, int]) -> Iterator[Candidate]:
    for encoding, turn in _READINGS:
        limbs = np.concatenate([turn(words[where[i : i + BLOCK]]) for i in range(0, len(where), BLOCK)])
        for n, e in moduli.items():
            if n.bit_length() % 64 == 0:
                yield from _exponents(mapped, limbs, where, shift, encoding, n, e)
        for half in sorted({n.bit_length() // 2 for n in moduli if n.bit_length() % 128 == 0}):
            fitting = {n: e for n, e in moduli.items() if n.bit_length() == 2 * half}
            lowest = _primes(mapped.octets, limbs, where, shift, encoding, half // 8)
            yield from _joined(mapped, limbs[lowest], where[lowest], shift, encoding, half // 8, fitting)


def _start(where: Positions, shift: int, encoding: str, size: int, lowest: bool) -> Positions:
    """Where numbers of ``size`` bytes begin whose lowest (else highest) limbs stand at the words ``where``."""
    first = lowest == (encoding == "limbs-le")
    return 8 * where + shift - (0 if first else size - 8)


def _primes(octets: Bytes, limbs: Words, where: Positions, shift: int, encoding: str, size: int) -> Positions:
    """Indices of the odd limbs from which a number of exactly ``size`` bytes may go on."""
    odd = np.flatnonzero(limbs & np.uint64(1))
    starts = _start(where[odd], shift, encoding, size, True)
    inside = (starts >= 0) & (starts <= len(octets) - size)
    odd, starts = odd[inside], starts[inside]
    top = {"limbs-le": size - 1, "octets": 0, "words-msw-le32": 3}[encoding]
    return odd[octets[starts + top] >= 128]


def _joined(
    mapped: WordMap, low: Words, where: Positions, shift: int, encoding: str, size: int, moduli: dict[int, int]
) -> Iterator[Candidate]:
    if not len(low):
        return
    inverse = np.concatenate([inverse64(low[i : i + BLOCK]) for i in range(0, len(low), BLOCK)])
    starts = _start(where, shift, encoding, size, True)
    is_member = members(low)
    for n, e in moduli.items():
        for index in is_member(inverse * np.uint64(n & ((1 << 64) - 1))).tolist():
            yield from _factor(mapped, int(starts[index]), size, encoding, n, e)
    if len(low) * len(moduli) <= 5 * MAX_DIVISIONS:
        table = little_endian(rows(mapped.octets, starts, size), encoding)
        for index in np.flatnonzero(without_small_factor(table)).tolist():
            for n, e in moduli.items():
                if n % int.from_bytes(table[index].tobytes(), "little") == 0:
                    yield from _factor(mapped, int(starts[index]), size, encoding, n, e)


def _number(mapped: WordMap, start: int, size: int, encoding: str) -> int:
    if not 0 <= start <= len(mapped.octets) - size:
        return 0
    row = mapped.octets[start : start + size].reshape(1, size)
    return int.from_bytes(little_endian(row, encoding).tobytes(), "little")


def _factor(mapped: WordMap, start: int, size: int, encoding: str, n: int, e: int) -> Iterator[Candidate]:
    p = _number(mapped, start, size, encoding)
    if 1 < p < n and n % p == 0:
        span = Span(mapped.base + start, mapped.base + start + size)
        key = rsa_key(n, e, p=p, spans=(span,), encoding=encoding)
        if key:
            yield key


def _exponents(
    mapped: WordMap, limbs: Words, where: Positions, shift: int, encoding: str, n: int, e: int
) -> Iterator[Candidate]:
    """d with its highest limb at one of ``where``: found by that limb alone, then checked in full."""
    size = n.bit_length() // 8
    starts = _start(where, shift, encoding, size, False)
    for index in exponents(limbs, n, e)[:64].tolist():
        start = int(starts[index])
        d = _number(mapped, start, size, encoding)
        if d and exponent_fits(n, e, d):
            span = Span(mapped.base + start, mapped.base + start + size)
            key = rsa_key(n, e, d=d, spans=(span,), encoding=encoding)
            if key:
                yield key
