"""Ed25519, X25519, Ed448 and X448 as multiples on Curve25519 and Curve448: the x of private and of public keys.

The Edwards forms are mapped to the Montgomery forms, Ed448 by an isogeny (RFC 7748, sections 4.1 and 4.2); a public
key's sign is lost by that. What agrees is derived again by OpenSSL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from dumpscan import kernel
from dumpscan.prove.multiples import MONTGOMERY, Limbs, limbs, limbs_of, low_x_of_multiples

_CURVE = {"ed25519": "x25519", "x25519": "x25519", "ed448": "x448", "x448": "x448"}
_FORM = {"x25519": 0, "x448": 0, "ed25519": 1, "ed448": 2}
"""As ``public_x`` of the kernel numbers them: u, y of the Edwards form, y of a form that an isogeny leads from."""

_D448 = -39081
"""d of edwards448, x**2 + y**2 = 1 + d * x**2 * y**2."""


def low_x_of_seeds(algorithm: str, seeds: Sequence[bytes]) -> Limbs:
    """The lowest 64 bits of x of what each seed multiplies the generator to (RFC 7748, section 5; RFC 8032, sections
    5.1.5 and 5.2.5)."""
    if algorithm == "ed25519":
        seeds = [hashlib.sha512(seed).digest()[:32] for seed in seeds]
    elif algorithm == "ed448":
        seeds = [hashlib.shake_256(seed).digest(56) for seed in seeds]
    name = _CURVE[algorithm]
    scalars = np.frombuffer(b"".join(seeds), np.uint8).reshape(-1, 8 * limbs_of(name)).copy()
    if name == "x25519":
        scalars[:, 0] &= 248
        scalars[:, 31] = scalars[:, 31] & 127 | 64
    else:
        scalars[:, 0] &= 252
        scalars[:, 55] |= 128
    return low_x_of_multiples(name, scalars.view("<u8"))


def low_x_of_publics(algorithm: str, publics: Sequence[bytes]) -> Limbs:
    """The lowest 64 bits of x of each public key; what is none has some x too, or all ones."""
    assert kernel.curves is not None
    name = _CURVE[algorithm]
    field, size = MONTGOMERY[name], limbs_of(name)
    values = np.frombuffer(b"".join(public[: 8 * size] for public in publics), np.uint8).reshape(-1, 8 * size).copy()
    if name == "x25519":
        values[:, 31] &= 127  # the sign of x, or a bit that is not looked at
    found = np.empty(len(values), np.uint64)
    numbers = (limbs(number % field.curve.p, size) for number in (field.third, _D448))
    kernel.curves.public_x(limbs(field.curve.p, size), *numbers, values.view("<u8"), found, _FORM[algorithm])
    return found


def u_of_edwards(publics: Sequence[bytes]) -> list[bytes]:
    """What Ed25519 public keys are as ones of X25519: u = (1 + y) / (1 - y); what is none has some u too.

    All are divided at once: by the inverse of the product, and by those of the others.
    """
    p = MONTGOMERY["x25519"].curve.p
    ys = [int.from_bytes(public, "little") & (1 << 255) - 1 for public in publics]
    divisors = [(1 - y) % p or 1 for y in ys]
    products = list(accumulate(divisors, lambda a, b: a * b % p, initial=1))
    inverse = pow(products[-1], -1, p)
    found: list[bytes] = []
    for y, divisor, before in zip(ys[::-1], divisors[::-1], products[-2::-1], strict=True):
        found.append(((1 + y) * inverse * before % p).to_bytes(32, "little"))
        inverse = inverse * divisor % p
    return found[::-1]
