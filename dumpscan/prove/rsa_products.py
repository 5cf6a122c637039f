"""Pairs of RSA primes whose product is a number of the dump too: keys whose modulus no certificate names.

Products are looked up by their lowest 64 bits, and then by their highest ones: a heap in which a key was made holds
thousands of readings of the same primes that differ in what stands before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.matchers.limb_arithmetic import members
from dumpscan.matchers.randomness import different
from dumpscan.prove.means import Means
from dumpscan.prove.rsa_integers import Integers, Limbs, OfSize

NEIGHBOURS = 256
"""A prime is multiplied with at least this many of the candidates after it."""

PAIRS = 1_000_000_000
"""Products of primes of one size: a second of a processor with AVX-512, two to three of others. With more than 44,000
candidates only those that pointers lead to are multiplied with all, and others with those next to them: a recorded
limit. A Go process that has made a key has 11,000, one of Java 40,000."""

_AT_ONCE, _MOST_AT_ONCE, _TASKS = 16_000_000, 64_000_000, 16
"""Products of one task, at least and at most, and into how many tasks those of one size are cut between."""

_ROOM = 1 << 21
"""Pairs that one task may find by their lowest limbs; one product in a hundred where there are 40,000 moduli."""

_TOP_BITS = 36
"""Highest bits by which others are, which floating-point numbers give to within one."""

_Pairs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Primes by their lowest limbs and as parts of 2**bits, and what may be moduli, likewise. The primes from ``first``
    to ``end`` are to be multiplied with so many behind them."""

    primes: Limbs = field(repr=False)
    prime_tops: NDArray[np.float64] = field(repr=False)
    moduli: Limbs = field(repr=False)
    modulus_tops: NDArray[np.float64] = field(repr=False)
    first: int
    end: int
    steps: int


def products(integers: Integers, limits: list[str], means: Means) -> Iterator[tuple[int, int]]:
    """(n, p) where p, q and n are all among the numbers."""
    asked: list[tuple[OfSize, NDArray[np.intp]]] = []
    tasks: list[Pairing] = []
    for size, some in integers.by_size.items():
        greater = [integers.by_size[twice] for twice in (2 * size, 2 * size - 1) if twice in integers.by_size]
        odd = np.flatnonzero(some.low & np.uint64(1))
        if not greater or size < 32 or len(odd) < 2:
            continue
        moduli = np.concatenate([numbers.low for numbers in greater])
        modulus_tops = np.concatenate([_tops(numbers, 2 * size) for numbers in greater])
        primes, prime_tops = some.low[odd], _tops(some, size)[odd]
        for first, end, steps in _shares(len(odd), int(np.searchsorted(odd, some.pointed)), limits):
            asked.append((some, odd))
            tasks.append(Pairing(primes, prime_tops, moduli, modulus_tops, first, end, steps))
    for (some, odd), pairs in zip(asked, means.spread(likely_pairs, tasks), strict=True):
        for pair in pairs:
            first_value, second_value = (some.value(index) for index in odd[pair].tolist())
            if integers.find(first_value * second_value):
                yield first_value * second_value, first_value


def _tops(numbers: OfSize, size: int) -> NDArray[np.float64]:
    """The numbers as parts of the first that does not fit ``size`` bytes."""
    return np.ldexp(numbers.highest.astype(np.float64), 8 * (numbers.size - size) - 64)


def _shares(count: int, pointed: int, limits: list[str]) -> Iterator[tuple[int, int, int]]:
    """Which of ``count`` primes are multiplied with how many that follow: first, end and number. Those that pointers
    lead to are the first."""
    steps = count - 1
    if count * steps > 2 * PAIRS:
        limits.append("more products of RSA primes than the limit of one dump")
        steps = max(NEIGHBOURS, PAIRS // count)
    whole = pointed if pointed * count <= PAIRS else 0
    for start, stop, behind in ((0, whole, count - 1), (whole, count, steps)):
        at_once = min(max(_AT_ONCE, (stop - start) * behind // _TASKS), _MOST_AT_ONCE)
        rows = max(at_once // behind, 1)
        yield from ((first, min(first + rows, stop), behind) for first in range(start, stop, rows))


def likely_pairs(task: Pairing) -> _Pairs:
    """The indices (pairs x 2) of primes whose product agrees with one of the moduli in its lowest and highest bits."""
    pairs = _by_lowest(task)
    product = task.primes[pairs[:, 0]] * task.primes[pairs[:, 1]]
    top = task.prime_tops[pairs[:, 0]] * task.prime_tops[pairs[:, 1]]
    lowest = different(task.moduli)
    known = np.sort(_keys(lowest, task.moduli, task.modulus_tops))
    asked = _keys(lowest, product, top)
    at = np.minimum(np.searchsorted(known, asked - 1), len(known) - 1)
    return pairs[(known[at] >= asked - 1) & (known[at] <= asked + 1)]


def _keys(lowest: Limbs, low: Limbs, tops: NDArray[np.float64]) -> NDArray[np.int64]:
    """A number for each pair of a lowest limb, which is among ``lowest``, and a top: where the limbs are equal and the
    tops nearly so, it differs by one at most."""
    return (np.searchsorted(lowest, low) << _TOP_BITS) + np.ldexp(tops, _TOP_BITS).astype(np.int64)


def _by_lowest(task: Pairing) -> _Pairs:
    """The pairs whose product has the lowest limb of one of the moduli."""
    low = task.primes
    is_modulus = members(task.moduli)
    if kernel.native is not None:
        found = np.empty(_ROOM, np.int64)
        count = kernel.native.products(low, task.moduli, task.first, task.end, task.steps, found, True)
        if count < len(found):
            pairs = np.stack([found[:count] >> 32, found[:count] & 0xFFFFFFFF], axis=1)
            return pairs[is_modulus(low[pairs[:, 0]] * low[pairs[:, 1]])]
    some = [np.zeros((0, 2), np.int64)]
    for index in range(task.first, task.end):
        other = is_modulus(low[index] * low[index + 1 : index + 1 + task.steps]) + index + 1
        some.append(np.stack([np.full_like(other, index), other], axis=1))
    return np.concatenate(some)
