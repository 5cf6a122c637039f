"""Divisibility of many numbers by small primes at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.matchers.randomness import Bytes, Flags

_LARGEST = 1 << 26
"""Bound on the moduli: 256 sixteen-bit digits times weights below it sum up exactly in a float64 (2**50)."""

_GROUPS = 16


def _groups() -> list[tuple[int, list[int]]]:
    """Products of consecutive odd primes below the bound, with the primes of each."""
    groups: list[tuple[int, list[int]]] = []
    product = 1
    primes: list[int] = []
    candidate = 3
    known: list[int] = []
    while len(groups) < _GROUPS:
        if all(candidate % prime for prime in known):
            known.append(candidate)
            if product * candidate >= _LARGEST:
                groups.append((product, primes))
                product, primes = 1, []
            product *= candidate
            primes.append(candidate)
        candidate += 2
    return groups


GROUPS = _groups()

_PRODUCTS = np.array([product for product, _ in GROUPS], np.float64)

_MANY = 512
"""Rows from which one division a prime is faster than one gcd a product."""


@lru_cache(maxsize=32)
def _weights(digits: int) -> NDArray[np.float64]:
    """(digits, groups): 2**(16 i) modulo each product."""
    table = [[pow(2, 16 * i, product) for product, _ in GROUPS] for i in range(digits)]
    return np.array(table, np.float64)


@lru_cache(maxsize=32)
def _native_weights(digits: int) -> NDArray[np.uint32]:
    return _weights(digits).astype(np.uint32)


def _native_groups() -> tuple[NDArray[np.uint32], ...]:
    """The products; the inverses modulo 2**32 of the primes of each, and their greatest multipliers below that."""
    width = max(len(primes) for _, primes in GROUPS)
    inverses = np.ones((len(GROUPS), width), np.uint32)
    greatest = np.zeros((len(GROUPS), width), np.uint32)
    for row, (_, primes) in enumerate(GROUPS):
        inverses[row, : len(primes)] = [pow(prime, -1, 1 << 32) for prime in primes]
        greatest[row, : len(primes)] = [((1 << 32) - 1) // prime for prime in primes]
    return _PRODUCTS.astype(np.uint32), inverses, greatest


_NATIVE_GROUPS = _native_groups()


def native_sieve(size: int) -> tuple[NDArray[np.uint32], ...]:
    """What the kernel needs to sieve numbers of up to ``size`` bytes."""
    return _native_weights(size // 2), *_NATIVE_GROUPS


def without_small_factor(table: Bytes) -> Flags:
    """Flag the rows (little-endian numbers, an even number of bytes, up to 512) that no small odd prime divides."""
    if table.shape[1] > 512 or table.shape[1] % 2:
        raise ValueError(f"numbers of {table.shape[1]} bytes")
    if kernel.native is not None:
        coprime: Flags = np.empty(len(table), np.bool_)
        kernel.native.sieved(np.ascontiguousarray(table), *native_sieve(table.shape[1]), coprime, table.shape[1])
        return coprime
    digits = table.view("<u2").astype(np.float64)
    weights = _weights(digits.shape[1])
    alive = np.arange(len(table))
    for first, last in ((0, 2), (2, 6), (6, _GROUPS)):
        rest = ((digits[alive] @ weights[:, first:last]) % _PRODUCTS[first:last]).astype(np.uint32)
        if len(alive) > _MANY:
            coprime = np.ones(len(alive), np.bool_)
            for column, (_, primes) in enumerate(GROUPS[first:last]):
                for prime in primes:
                    coprime &= rest[:, column] % np.uint32(prime) != 0
        else:
            coprime = (np.gcd(rest, _PRODUCTS[first:last].astype(np.uint32)) == 1).all(axis=1)
        alive = alive[coprime]
    flags = np.zeros(len(table), np.bool_)
    flags[alive] = True
    return flags
