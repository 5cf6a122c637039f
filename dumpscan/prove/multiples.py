"""Multiples of the generators of all curves, many at once, through the compiled kernel (dumpscan/_curves.c).

Curve25519 and Curve448 are taken in their Weierstrass form (y**2 = x**3 + a * x + b), in which one code does for every
curve: some ten times as fast as a call of OpenSSL for each scalar. What is found is checked by OpenSSL afterwards.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.curves import EQUATIONS, ORDER_25519, Curve
from dumpscan.keys import point_of

Limbs = NDArray[np.uint64]

_POINT = 255 * 2
"""Numbers in a row of a table: x and y of the multiples 1 to 255."""


class Montgomery:
    """v**2 = u**3 + A * u**2 + u, of RFC 7748: its Weierstrass form, in which x is u + ``third``."""

    def __init__(self, p: int, coefficient: int, base: int, order: int) -> None:
        self.third = coefficient * pow(3, -1, p) % p
        a = (3 - coefficient**2) * pow(3, -1, p) % p
        b = (2 * coefficient**3 - 9 * coefficient) * pow(27, -1, p) % p
        self.curve = Curve(p, a, b, order)
        self.generator = (base + self.third) % p, _root((base**3 + coefficient * base**2 + base) % p, p)


def _root(square: int, p: int) -> int:
    """A square root modulo a prime that is 3 modulo 4, or 5 modulo 8."""
    root = pow(square, (p + 1) // 4, p) if p % 4 == 3 else pow(square, (p + 3) // 8, p)
    if root * root % p != square:
        root = root * pow(2, (p - 1) // 4, p) % p
    assert root * root % p == square
    return root


MONTGOMERY = {
    "x25519": Montgomery(2**255 - 19, 486662, 9, ORDER_25519),
    "x448": Montgomery(
        2**448 - 2**224 - 1,
        156326,
        5,
        2**446 - 0x8335DC163BB124B65129C96FDE933D8D723A70AADC873D6D54A7BB0D,
    ),
}
"""RFC 7748, sections 4.1 and 4.2."""


def _curve_of(name: str) -> Curve:
    return MONTGOMERY[name].curve if name in MONTGOMERY else EQUATIONS[name]


def limbs(number: int, size: int) -> Limbs:
    """``number`` as ``size`` words of 64 bits, lowest first."""
    return np.frombuffer(number.to_bytes(8 * size, "little"), "<u8")


def limbs_of(name: str) -> int:
    """64-bit words of the numbers of a curve."""
    return -(-_curve_of(name).p.bit_length() // 64)


def among(asked: Limbs, ordered: Limbs) -> list[int]:
    """The indices of those of ``asked`` that are in ``ordered``, which is sorted."""
    if not len(ordered):
        return []
    at = np.minimum(np.searchsorted(ordered, asked), len(ordered) - 1)
    return np.flatnonzero(ordered[at] == asked).tolist()


def low_x_of_multiples(name: str, scalars: Limbs) -> Limbs:
    """The lowest 64 bits of x of ``scalar`` * G for each row of ``scalars`` (count x :func:`limbs_of`).

    All ones for those outside 1 to the order - 1 (on Montgomery curves, whose scalars are of a fixed length, for 0
    only). Only where :data:`dumpscan.kernel.curves` is there.
    """
    assert kernel.curves is not None
    curve = _curve_of(name)
    size = limbs_of(name)
    found = np.empty_like(scalars)
    bound = limbs((1 << 64 * size) - 1 if name in MONTGOMERY else curve.order, size)
    kernel.curves.multiples(limbs(curve.p, size), _table(name), bound, scalars, found)
    return np.ascontiguousarray(found[:, 0])


@cache
def _table(name: str) -> Limbs:
    assert kernel.curves is not None
    curve, size = _curve_of(name), limbs_of(name)
    generator = MONTGOMERY[name].generator if name in MONTGOMERY else point_of(name, 1)
    assert generator is not None
    bits = 64 * size if name in MONTGOMERY else curve.order.bit_length()
    rows = np.empty(-(-bits // 8) * _POINT * size, np.uint64)
    kernel.curves.table(
        limbs(curve.p, size), limbs(curve.a % curve.p, size), *(limbs(v, size) for v in generator), rows
    )
    return rows
