from __future__ import annotations

import random

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers

from dumpscan import kernel
from dumpscan.model import ClueTable
from dumpscan.prove import rsa, rsa_products
from dumpscan.prove.means import Means
from dumpscan.prove.rsa_integers import Integers
from dumpscan.prove.rsa_products import products
from tests.makers.raw_keys import rsa_numbers

LIMIT = "more products of RSA primes than the limit of one dump"


def table(values: list[int], size: int, first: int = 0) -> ClueTable:
    octets = b"".join(value.to_bytes(size, "big") for value in values)
    starts = first + 512 * np.arange(len(values), dtype=np.int64)
    return ClueTable("rsa-integer", octets, starts, size, "limbs-le")


def others(source: random.Random, count: int, bits: int) -> list[int]:
    return [source.getrandbits(bits) | 1 | 1 << (bits - 1) for _ in range(count)]


def far_apart(key: RSAPrivateNumbers, count: int) -> list[ClueTable]:
    """p, as many other numbers, q; and n amid others."""
    source = random.Random(count)
    primes = [key.p, *others(source, count, 1024), key.q]
    return [
        table(primes, 128),
        table([*others(source, 50, 2048), key.public_numbers.n, *others(source, 50, 2048)], 256, 1 << 30),
    ]


def test_primes_far_apart_of_a_modulus_that_nothing_names() -> None:
    """So they lie in the heap of a process that has looked for primes, Go's above all."""
    key = rsa_numbers(2048)
    limits: list[str] = []
    (found,) = rsa.prove(far_apart(key, 6000), [], lambda address, size: b"", limits)
    assert found.confidence.label == "proven"
    assert not limits


def test_too_many_primes_are_said_and_those_of_structures_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rsa_products, "PAIRS", 100_000)
    key = rsa_numbers(2048)
    clues = far_apart(key, 1000)
    limits: list[str] = []
    assert list(products(Integers(clues), limits, Means())) == []
    assert limits == [LIMIT]
    for pointed in (key.p, key.q):
        assert {n for n, _ in products(Integers(clues, [pointed]), [], Means())} == {key.public_numbers.n}


@pytest.mark.parametrize("compiled", [True, False])
def test_readings_of_the_same_primes_that_differ_before_them(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their products all have the lowest limb of the modulus's readings: none is multiplied in full."""
    if not compiled:
        monkeypatch.setattr(kernel, "native", None)
    elif kernel.native is None:
        pytest.skip("the kernel was built without a compiler")
    key, source = rsa_numbers(2048), random.Random(3)

    def readings(value: int, size: int) -> list[int]:
        return [source.getrandbits(8 * size) >> 1024 << 1024 | 1 << (8 * size - 1) | value for _ in range(300)]

    primes = [*readings(key.p, 192), *readings(key.q, 192)]
    moduli = [source.getrandbits(1023) << 2048 | 1 << 3071 | key.public_numbers.n for _ in range(300)]
    clues = [table(primes, 192), table(moduli, 384, 1 << 30)]
    tried: list[int] = []

    class Counted(Integers):
        def find(self, value: int) -> None:
            tried.append(value)

    assert list(products(Counted(clues), [], Means())) == []
    assert len(tried) < 10


def test_products_in_shares_are_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    key = rsa_numbers(2048)
    clues = far_apart(key, 500)
    whole = sorted(products(Integers(clues), [], Means()))
    monkeypatch.setattr(rsa_products, "_AT_ONCE", 3000)
    assert sorted(products(Integers(clues), [], Means())) == whole == [(key.public_numbers.n, key.p)]
