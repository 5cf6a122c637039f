"""The compiled arithmetic of curves against OpenSSL, and against Python's integers."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from dumpscan import kernel
from dumpscan.keys import okp_public, okp_seed_size, point_of
from dumpscan.matchers.curves import EQUATIONS
from dumpscan.prove import ec
from dumpscan.prove.montgomery import low_x_of_publics, low_x_of_seeds
from dumpscan.prove.multiples import limbs, limbs_of, low_x_of_multiples

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
