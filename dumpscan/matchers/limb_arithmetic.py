"""Arithmetic on lowest limbs with NumPy, and the test for a lone RSA exponent."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

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


_GREATEST = 1 << 20
"""Of gcd(p - 1, q - 1): one key in 560,000 has a greater one.

A prime r divides both with probability 1 / (r - 1)**2, and r**k with 1 / (r - 1)**2 / r**(2 * k - 2).
"""


def exponent_fits(n: int, e: int, d: int) -> bool:
    """Whether d may be the exponent of n: e * d = 1 + k * (n - p - q + 1) / g for small k and g.

    p + q is lost in the upper half of the bits, so e * d / n must be close to a fraction with denominator g, and not
    to 0. Such a fraction is one of the convergents of its continued fraction. The modulus itself, or what is left of it
    without its last bytes, would fit, and is refused.
    """
    bits, size = n.bit_length(), d.bit_length()
    if not bits // 2 < size <= bits or (n >> bits - size ^ d).bit_length() < size // 2:
        return False
    drop = max(0, bits - 192)
    ratio = (e * (d >> drop) << 96) // (n >> drop)
    if ratio * _GREATEST < 1 << 96:  # k is at least 1: otherwise every short d would fit
        return False
    rest, following = 1 << 96, ratio & ((1 << 96) - 1)
    before, denominator = 0, 1
    while denominator <= _GREATEST:
        if min(following, rest - following) < 1 << 60:  # the convergent, or the one that follows a quotient of 1
            return True
        quotient, remainder = divmod(rest, following)
        rest, following = following, remainder
        before, denominator = denominator, quotient * denominator + before
    return False


GREATEST_BY_LIMB = 1024
"""Of gcd(p - 1, q - 1), where the highest limb decides: one key in 570 has a greater one. Where d = 1/e modulo
(p - 1) * (q - 1), the divisor does not matter."""

MOST_EXPONENT = 1 << 24
"""Public exponents from which the highest limb does not tell enough."""

_BUCKET_BITS = 22


def exponents(highest: Words, n: int, e: int) -> Positions:
    """The indices of the limbs that may be the highest 64 bits of d, in as many whole bytes as n takes.

    The limb gives the fraction of e * d / n, in units of 2**-64, to some e of these units; like :func:`exponent_fits`,
    for all limbs at once.
    """
    if not 3 <= e < MOST_EXPONENT or n.bit_length() < 512 or not len(highest):
        return np.zeros(0, np.int64)
    size = (n.bit_length() + 7) // 8
    whole, part = divmod((e << 180) // (n >> (8 * size - 128)), 1 << 52)
    turns = highest * np.uint64(whole) + (highest.astype(np.float64) * (part / 2.0**52)).astype(np.uint64)
    denominators = _farey()[turns >> np.uint64(64 - _BUCKET_BITS)]
    likely = np.flatnonzero(denominators)
    distance = turns[likely] * denominators[likely]  # modulo 2**64: near 0 from either side
    tolerance = (denominators[likely].astype(np.uint64) + np.uint64(1)) * np.uint64(4 * whole + (1 << 13))
    found: Positions = likely[distance + tolerance < np.uint64(2) * tolerance]
    least = (n >> (8 * size - 64)) // (e * GREATEST_BY_LIMB)  # k is at least 1: otherwise every short d would fit
    return found[highest[found] >= np.uint64(least)]


@cache
def _farey() -> NDArray[np.uint16]:
    """The denominator up to ``GREATEST_BY_LIMB`` of the fraction in each of equal parts of 0 to 1, or 0.

    Two such fractions differ by 1 / GREATEST_BY_LIMB**2 or more, so a part has one at most.
    """
    table = np.zeros(1 << _BUCKET_BITS, np.uint16)
    for denominator in range(GREATEST_BY_LIMB, 0, -1):
        places = (np.arange(denominator) << _BUCKET_BITS) // denominator
        table[places] = table[places - 1] = denominator
    return table
