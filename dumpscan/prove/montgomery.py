"""Ed25519, X25519, Ed448 and X448 as multiples on Curve25519 and Curve448: the x of private and of public keys.

The Edwards forms are mapped to the Montgomery forms, Ed448 by an isogeny (RFC 7748, sections 4.1 and 4.2); a public
key's sign is lost by that. What agrees is derived again by OpenSSL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from dumpscan.prove.multiples import MONTGOMERY, Limbs, limbs_of, low_x_of_multiples

_CURVE = {"ed25519": "x25519", "x25519": "x25519", "ed448": "x448", "x448": "x448"}
_D448 = -39081
"""d of edwards448, x**2 + y**2 = 1 + d * x**2 * y**2."""

_LOW = (1 << 64) - 1


def low_x_of_seeds(algorithm: str, seeds: Sequence[bytes]) -> Limbs:
    """The lowest 64 bits of x of what each seed multiplies the generator to."""
    name = _CURVE[algorithm]
    order, size = MONTGOMERY[name].curve.order, 8 * limbs_of(name)
    scalars = b"".join((_scalar(algorithm, seed) % order).to_bytes(size, "little") for seed in seeds)
    return low_x_of_multiples(name, np.frombuffer(scalars, "<u8").reshape(len(seeds), -1))


def _scalar(algorithm: str, seed: bytes) -> int:
    """RFC 7748, section 5; RFC 8032, sections 5.1.5 and 5.2.5."""
    if algorithm == "ed25519":
        seed = hashlib.sha512(seed).digest()[:32]
    elif algorithm == "ed448":
        seed = hashlib.shake_256(seed).digest(56)
    number = int.from_bytes(seed, "little")
    if len(seed) == 32:
        return number & (1 << 255) - 8 | 1 << 254
    return number & (1 << 448) - 4 | 1 << 447


def low_x_of_publics(algorithm: str, publics: Sequence[bytes]) -> Limbs:
    """The lowest 64 bits of x of each public key, in any order; what is none has some x too, or is left out."""
    field = MONTGOMERY[_CURVE[algorithm]]
    p = field.curve.p
    numbers = [int.from_bytes(public, "little") & (1 << p.bit_length()) - 1 for public in publics]
    us = numbers if algorithm.startswith("x") else _from_edwards(numbers, p)
    return np.array([field.x(u) & _LOW for u in us], np.uint64)


def _from_edwards(ys: Sequence[int], p: int) -> Iterator[int]:
    """u of the Montgomery form for y of the Edwards form."""
    if p.bit_length() == 255:
        fractions = [(1 + y, 1 - y) for y in ys]
    else:
        fractions = [(y * y * (1 - _D448 * y * y), 1 - y * y) for y in ys]
    kept = [(above, below % p) for above, below in fractions if below % p]
    inverses = _inverses([below for _, below in kept], p)
    return ((above * inverse) % p for (above, _), inverse in zip(kept, inverses, strict=True))


def _inverses(values: Sequence[int], p: int) -> list[int]:
    """1 / value of each, with one inversion (Montgomery's trick)."""
    product, before = 1, []
    for value in values:
        before.append(product)
        product = product * value % p
    inverse = pow(product, -1, p)
    found = []
    for value, earlier in zip(reversed(values), reversed(before), strict=True):
        found.append(inverse * earlier % p)
        inverse = inverse * value % p
    return found[::-1]
