from __future__ import annotations

import random

import pytest

from dumpscan.curves import EQUATIONS
from dumpscan.keys import point_of
from dumpscan.prove.comb import WIDEST, width_for, x_coordinates


@pytest.mark.parametrize("curve", EQUATIONS)
@pytest.mark.parametrize("width", [3, 4, 7])
def test_as_openssl_multiplies(curve: str, width: int) -> None:
    order = EQUATIONS[curve].order
    source = random.Random(curve)
    scalars = [source.randrange(1, order) for _ in range(20)]
    scalars += [1, 2, 1 << width, (1 << width) - 1, (1 << width) + 1, 1 << 200, order - 1, order - 2, order // 2]
    expected = [point[0] for scalar in scalars if (point := point_of(curve, scalar))]
    assert x_coordinates(curve, scalars, width) == expected


def test_out_of_range() -> None:
    for curve, equation in EQUATIONS.items():
        assert x_coordinates(curve, [0, equation.order, equation.order + 1, 1 << 600, -1], 4) == [-1] * 5
        assert point_of(curve, equation.order) is None
        generator, opposite = point_of(curve, 1), point_of(curve, equation.order - 1)
        assert generator and opposite == (generator[0], equation.p - generator[1])
    assert x_coordinates("secp256k1", [], 4) == []


def test_width_grows_with_the_batch() -> None:
    widths = [width_for("P-384", count) for count in (1, 300, 10_000, 1_000_000)]
    assert widths == sorted(widths)
    assert widths[0] < 5
    assert widths[-1] == WIDEST
