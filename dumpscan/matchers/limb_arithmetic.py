"""Arithmetic on lowest limbs with NumPy, and the test for a lone RSA exponent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dumpscan.matchers.randomness import Bytes, Positions, Words

_FILTER_BITS = 21


def inverse64(odd: Words) -> Words:
    """Inverses modulo 2**64, by Newton's iteration from three correct bits (x * x = 1 mod 8 for odd x)."""
    two = np.uint64(2)
    inverse = odd.copy()
    for _ in range(5):
        inverse *= two - odd * inverse
    return inverse


def members(values: Words) -> Callable[[Words], Positions]:
    """A function that gives the indices of those of its argument that are among ``values``."""
    ordered = np.sort(values)
    shift = np.uint64(64 - _FILTER_BITS)
    seen = np.zeros(1 << _FILTER_BITS, np.bool_)
    seen[values >> shift] = True

    def among(asked: Words) -> Positions:
        likely = np.flatnonzero(seen[asked >> shift])
        at = np.minimum(np.searchsorted(ordered, asked[likely]), len(ordered) - 1)
        found: Positions = likely[ordered[at] == asked[likely]]
        return found

    return among


def little_endian(table: Bytes, encoding: str) -> Bytes:
    """The rows with their lowest byte first."""
    if encoding == "octets":
        return np.ascontiguousarray(table[:, ::-1])
    if encoding == "words-msw-le32":
        return np.ascontiguousarray(table.view("<u4")[:, ::-1]).view(np.uint8)
    return table


_GREATEST = 1026
_DENOMINATORS = np.array((1, *range(2, _GREATEST, 2)), np.float64)


def exponent_fits(n: int, e: int, d: int) -> bool:
    """Whether d may be the exponent of n: e * d = 1 + k * (n - p - q + 1) / g for small k and g.

    p + q is lost in the upper half of the bits, so e * d / n must be close to a fraction with denominator g, and not
    to 0. The modulus itself would fit, and is refused.
    """
    bits = n.bit_length()
    if d == n or not bits // 2 < d.bit_length() <= bits or e.bit_length() + d.bit_length() < bits - 11:
        return False
    drop = max(0, bits - 192)
    ratio = (e * (d >> drop) << 96) // (n >> drop)
    if ratio * _GREATEST < 1 << 96:  # k is at least 1: otherwise every short d would fit
        return False
    fraction = ratio & ((1 << 96) - 1)
    steps = fraction / (1 << 96) * _DENOMINATORS
    if not (np.abs(steps - np.rint(steps)) < 2.0**-34).any():  # what is exact below, hundreds of times as fast
        return False
    return any(((fraction * g + (1 << 60)) & ((1 << 96) - 1)) >> 61 == 0 for g in (1, *range(2, _GREATEST, 2)))
