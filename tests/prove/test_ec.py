"""Points and scalars that no structure joins."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys

from dumpscan.keys import CURVES, okp_public, point_of
from dumpscan.matchers.curves import EQUATIONS
from dumpscan.model import Clue
from dumpscan.prove import ec, okp, rsa


def alone(value: bytes, start: int) -> Clue:
    return Clue("octets-alone", value, start, start + len(value), "octets")


def nothing(address: int, size: int) -> bytes:
    return b""


@pytest.mark.parametrize("montgomery", [False, True])
@pytest.mark.parametrize("curve", ["P-256", "P-384", "secp256k1", "brainpoolP256r1"])
def test_coordinates_apart_from_each_other(curve: str, montgomery: bool) -> None:
    source = random.Random(curve)
    size, p = CURVES[curve].key_size // 8, EQUATIONS[curve].p
    scalar = source.getrandbits(8 * size - 2) | 1 << 8 * size - 3
    point = point_of(curve, scalar)
    assert point is not None
    unit = 1 << 8 * size if montgomery else 1
    x, y = (value * unit % p for value in point)
    values = [y, source.getrandbits(8 * size - 2), scalar, x]
    clues = [alone(value.to_bytes(size, "little"), 1000 * at) for at, value in enumerate(values)]
    limits: list[str] = []
    (key,) = ec.prove(clues, [], nothing, limits)
    assert (key.title, key.confidence.label, key.spans[0].start) == (f"EC private key ({curve})", "proven", 2000)
    assert ec.prove([clue for clue in clues if clue.start != 2000], [], nothing, limits) == []
    assert ec.prove(clues[:-1], [], nothing, limits) == []
    assert limits == []


@pytest.mark.parametrize("algorithm", ["ed25519", "x25519"])
def test_a_seed_and_its_public_key_apart_from_each_other(algorithm: str) -> None:
    seed = random.Random(algorithm).randbytes(32)
    clues = [alone(okp_public(algorithm, seed), 0), alone(random.Random(1).randbytes(32), 100), alone(seed, 200)]
    (key,) = okp.prove(clues, [], nothing, [])
    assert key.kind == f"{algorithm}-private-key"
    assert okp.prove(clues[:2], [], nothing, []) == []


def test_a_damaged_modulus_with_the_same_lowest_limb_hides_no_key() -> None:
    key = rsa_keys.generate_private_key(65537, 1024).private_numbers()
    n = key.public_numbers.n
    damaged = n ^ 1 << 700
    clues = [
        Clue("rsa-integer", value.to_bytes(size, "big"), 1000 * at, 1000 * at + size, "limbs-le")
        for at, (value, size) in enumerate([(n, 128), (key.p, 64), (key.q, 64), (damaged, 128)])
    ]
    (found,) = rsa.prove(clues, [], nothing, [])
    assert found.confidence.label == "proven"
