"""The compiled arithmetic of curves against OpenSSL, and against Python's integers."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator

import numpy as np
import pytest

from dumpscan import kernel
from dumpscan.curves import EQUATIONS
from dumpscan.keys import okp_public, okp_seed_size, point_of
from dumpscan.prove import ec, multiples
from dumpscan.prove.montgomery import low_x_of_publics, low_x_of_seeds, u_of_edwards
from dumpscan.prove.multiples import MONTGOMERY, Limbs, limbs, limbs_of, low_x_of_multiples

LOW = (1 << 64) - 1

pytestmark = pytest.mark.skipif(
    kernel.curves is None and "CI" not in os.environ, reason="the kernel was built without a compiler"
)


@pytest.mark.parametrize("curve", EQUATIONS)
def test_multiples_of_the_generator(curve: str) -> None:
    order, source = EQUATIONS[curve].order, random.Random(curve)
    scalars = [1, 2, 255, 256, 257, 1 << 64, order - 1, order - 256, *(source.randrange(order) for _ in range(1500))]
    found = low_x_of_multiples(curve, np.array([limbs(scalar, limbs_of(curve)) for scalar in scalars]))
    for index in (*range(40), *range(1000, 1060), len(scalars) - 1):
        point = point_of(curve, scalars[index])
        assert point
        assert int(found[index]) == point[0] & LOW


@pytest.mark.parametrize("curve", EQUATIONS)
def test_scalars_outside_the_group(curve: str) -> None:
    order, size = EQUATIONS[curve].order, limbs_of(curve)
    scalars = [0, order, order + 1, (1 << 64 * size) - 1]
    assert low_x_of_multiples(curve, np.array([limbs(scalar, size) for scalar in scalars])).tolist() == [LOW] * 4


@pytest.fixture
def ifma() -> Iterator[None]:
    assert kernel.curves is not None
    if not kernel.curves.use_ifma(True):
        pytest.skip("a processor without AVX-512 IFMA, or a compiler or system that dumpscan does not use it with")
    yield
    kernel.curves.use_ifma(True)


def _multiples(wanted: bool, p: Limbs, rows: Limbs, bound: Limbs, scalars: Limbs) -> list[list[int]]:
    """x of each multiple, all limbs of it, with AVX-512 IFMA or without."""
    assert kernel.curves is not None
    assert kernel.curves.use_ifma(wanted) is wanted
    found = np.zeros_like(scalars)
    kernel.curves.multiples(p, rows, bound, scalars, found)
    return found.tolist()  # type: ignore[no-any-return]


@pytest.mark.usefixtures("ifma")
@pytest.mark.parametrize("name", [*EQUATIONS, *MONTGOMERY])
def test_eight_at_a_time_is_one_at_a_time(name: str) -> None:
    curve, size, source = multiples._curve_of(name), limbs_of(name), random.Random(name)
    order, most = curve.order, (1 << 64 * size) - 1
    edges = [0, 1, 2, 255, 256, 257, 1 << 64, order >> 8, order >> 8 << 8, order - 1, order, order + 1, most]
    sparse = [source.choice(edges) & source.getrandbits(64 * size) for _ in range(200)]
    numbers = [*edges, *sparse, *(source.randrange(order) for _ in range(4300)), *edges]
    scalars = np.array([limbs(number, size) for number in numbers])
    field = limbs(curve.p, size), multiples._table(name)
    singly = _multiples(False, *field, limbs(order, size), scalars)
    assert _multiples(True, *field, limbs(order, size), scalars) == singly
    for count in (0, 1, 7, 8, 9, 1023, 1025, 2048):
        for first in (0, len(numbers) - count):
            some = slice(first, first + count)
            assert _multiples(True, *field, limbs(order, size), scalars[some]) == singly[some]
    unbound = limbs(most, size), scalars[:250]
    assert _multiples(True, *field, *unbound) == _multiples(False, *field, *unbound)


@pytest.mark.usefixtures("ifma")
@pytest.mark.parametrize("name", ["P-256", "P-384", "P-521", "brainpoolP512r1", "x448"])
def test_sums_that_are_wrong_spoil_no_others(name: str) -> None:
    """Rows of a table that are equal: with equal digits a point is added to itself, in others to another."""
    curve, size, source = multiples._curve_of(name), limbs_of(name), random.Random(name)
    row = multiples._table(name)[: 255 * 2 * size].copy()
    opposite = row.copy().reshape(255, 2, size)
    for point in opposite:
        y = curve.p - int.from_bytes(point[1].tobytes(), "little")
        point[1] = limbs(y, size)
    rows = np.concatenate([row, row, opposite.ravel()])
    numbers = [source.randrange(1 << 24) for _ in range(400)]
    numbers += [digit * factor for digit in range(1, 256) for factor in (0x101, 0x10001, 0x10100, 0x10101)]
    source.shuffle(numbers)
    arguments = limbs(curve.p, size), rows, limbs(1 << 24, size), np.array([limbs(number, size) for number in numbers])
    assert _multiples(True, *arguments) == _multiples(False, *arguments)


@pytest.mark.usefixtures("ifma")
def test_primes_of_more_and_of_fewer_bits_than_limbs_of_52_take() -> None:
    source = random.Random(1)
    for size, lengths in {4: (193, 208, 209, 256), 6: (364, 365), 8: (468, 469), 9: (521, 568, 569, 576)}.items():
        for bits in lengths:
            p = next(p for p in range((1 << bits) - 1, 0, -2) if pow(2, p - 1, p) == 1)
            rows = np.concatenate([limbs(source.randrange(p), size) for _ in range(3 * 255 * 2)])
            scalars = np.array([limbs(source.randrange(1 << 24), size) for _ in range(100)])
            arguments = limbs(p, size), rows, limbs(1 << 24, size), scalars
            assert _multiples(True, *arguments) == _multiples(False, *arguments)


@pytest.mark.parametrize("algorithm", ["ed25519", "x25519", "ed448", "x448"])
def test_seeds_and_public_keys_meet(algorithm: str) -> None:
    source = random.Random(algorithm)
    seeds = [source.randbytes(okp_seed_size(algorithm)) for _ in range(100)]
    seeds += [bytes(len(seeds[0])), b"\xff" * len(seeds[0])]
    publics = [okp_public(algorithm, seed) for seed in seeds]
    assert low_x_of_seeds(algorithm, seeds).tolist() == low_x_of_publics(algorithm, publics).tolist()


@pytest.mark.parametrize("algorithm", ["ed25519", "ed448"])
def test_octets_that_are_no_public_key(algorithm: str) -> None:
    size = okp_seed_size(algorithm)
    one = (1).to_bytes(size, "little")  # 1 - y is 0
    assert low_x_of_publics(algorithm, [one, b"\xff" * size, bytes(size)]).tolist().count(LOW) == 1


@pytest.mark.parametrize("curve", EQUATIONS)
def test_both_sides_of_the_equation(curve: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size, source = (EQUATIONS[curve].p.bit_length() + 7) // 8, random.Random(curve)
    values = [bytes(size), b"\xff" * size, *(source.randbytes(size) for _ in range(50))]
    compiled = ec._sides(curve, values).tolist()
    monkeypatch.setattr(kernel, "curves", None)
    assert ec._sides(curve, values).tolist() == compiled


@pytest.mark.parametrize("curve", EQUATIONS)
def test_readings_of_octets(curve: str) -> None:
    size, source = (EQUATIONS[curve].p.bit_length() + 7) // 8, random.Random(curve)
    values = [source.randbytes(size) for _ in range(3)]
    rows = ec._reading_rows(values, limbs_of(curve))
    numbers = [int.from_bytes(row.tobytes(), "little") for row in rows]
    assert numbers == [number for value in values for number, _ in ec._readings(value)]


def test_arrays_that_do_not_fit_are_refused() -> None:
    assert kernel.curves is not None
    four, three, rows = np.ones(4, np.uint64), np.ones(3, np.uint64), np.ones(255 * 2 * 4, np.uint64)
    for arguments in (
        ("table", four, four, four, three, rows),
        ("table", four * np.uint64(2), four, four, four, rows),
        ("table", np.ones(10, np.uint64), *3 * (np.ones(10, np.uint64),), np.ones(5100, np.uint64)),
        ("table", four, four, four, four, rows[1:]),
        ("multiples", four, rows[1:], four, four, four.copy()),
        ("multiples", four, rows, four, three, three.copy()),
        ("multiples", four, rows, four, four, np.ones(8, np.uint64)),
        ("public_x", four, three, four, four, np.ones(1, np.uint64), 0),
        ("public_x", four, four, four, four, np.ones(2, np.uint64), 0),
        ("public_x", four, four, four, four, np.ones(1, np.uint64), 3),
        ("sides", four, four, three, four, np.ones(1, np.uint64), np.ones(1, np.uint64), False),
        ("sides", four, four, four, four, np.ones(2, np.uint64), np.ones(1, np.uint64), False),
    ):
        with pytest.raises(ValueError, match="do not fit"):
            getattr(kernel.curves, arguments[0])(*arguments[1:])


def test_public_keys_of_ed25519_as_those_of_x25519() -> None:
    """By the scalar that both have in common."""
    source = random.Random(5)
    seeds = [source.randbytes(32) for _ in range(20)]
    publics = [okp_public("ed25519", seed) for seed in seeds]
    us = [okp_public("x25519", hashlib.sha512(seed).digest()[:32]) for seed in seeds]
    assert u_of_edwards(publics) == us
    neutral = (1).to_bytes(32, "little")  # of which there is no u
    assert u_of_edwards([*publics, neutral, *publics])[len(us) + 1 :] == us
    assert u_of_edwards([]) == []
