"""Many multiples of a curve's generator at once, in affine coordinates with one inversion for a whole batch.

Six multiplications an addition, against a generic ladder of OpenSSL for each scalar: on the curves for which OpenSSL
has no code of its own a batch is some six times as fast (benchmarks/proofs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from dumpscan.curves import EQUATIONS
from dumpscan.keys import point_of

_Point = tuple[int, int]
_Row = list[_Point]

WIDEST = 11
"""Bits of a digit at most: the table of brainpoolP512r1 then takes 20 MB and a second."""


def x_coordinates(curve: str, scalars: Sequence[int], width: int = WIDEST) -> list[int]:
    """x of ``scalar`` * G for each scalar; -1 for those outside 1 to the order - 1. ``width``: bits of a digit."""
    field, order = EQUATIONS[curve].p, EQUATIONS[curve].order
    lanes = [i for i, scalar in enumerate(scalars) if 0 < scalar < order]
    sums: list[_Point | None] = [None] * len(lanes)
    mask = (1 << width) - 1
    for row_index, row in enumerate(_table(curve, width)):
        shift = width * row_index
        terms = [(k, row[digit]) for k, i in enumerate(lanes) if (digit := scalars[i] >> shift & mask)]
        # What is summed so far is less than the term's multiple, and both together are below the order: the two points
        # are neither equal nor opposite.
        both = [(k, old, term) for k, term in terms if (old := sums[k]) is not None]
        totals = _added([(old, term) for _, old, term in both], field)
        sums_now = {k: total for (k, _, _), total in zip(both, totals, strict=True)}
        for k, term in terms:
            sums[k] = sums_now.get(k, term)
    found = [-1] * len(scalars)
    for i, point in zip(lanes, sums, strict=True):
        found[i] = point[0] if point else -1
    return found


def width_for(curve: str, count: int) -> int:
    """The bits of a digit with which ``count`` multiples cost least, the table included."""
    bits = EQUATIONS[curve].p.bit_length()
    return min(range(3, WIDEST + 1), key=lambda width: -(-bits // width) * (count + (1 << width)))


@cache
def _table(curve: str, width: int) -> list[_Row]:
    """Row i holds the multiples 1 to 2**width of 2**(width * i) * G, behind one entry that is never used."""
    field, coefficient, _, order = EQUATIONS[curve]
    generator = point_of(curve, 1)
    assert generator is not None
    bases = [generator]
    for _ in range(-(-order.bit_length() // width) - 1):
        base = bases[-1]
        for _ in range(width):
            base = _doubled(base, field, coefficient)
        bases.append(base)
    rows: list[_Row] = [[(0, 0), base, _doubled(base, field, coefficient)] for base in bases]
    known = 2
    while known < 1 << width:
        new = _added([(row[known], row[i]) for row in rows for i in range(1, known)], field)
        for index, row in enumerate(rows):
            twice = _doubled(row[known], field, coefficient)
            row.extend(new[index * (known - 1) : (index + 1) * (known - 1)])
            row.append(twice)
        known *= 2
    return rows


def _doubled(point: _Point, field: int, coefficient: int) -> _Point:
    x, y = point
    slope = (3 * x * x + coefficient) * pow(2 * y, -1, field) % field
    third = (slope * slope - 2 * x) % field
    return third, (slope * (x - third) - y) % field


def _added(pairs: Sequence[tuple[_Point, _Point]], field: int) -> list[_Point]:
    """The sums of pairs of different, not opposite points. One inversion for all (Montgomery's trick)."""
    if not pairs:
        return []
    product = 1
    before = []
    for (x1, _), (x2, _) in pairs:
        before.append(product)
        product = product * (x2 - x1) % field
    inverse = pow(product, -1, field)
    sums: list[_Point] = []
    for (first, second), earlier in zip(reversed(pairs), reversed(before), strict=True):
        x1, y1 = first
        x2, y2 = second
        slope = (y2 - y1) * (inverse * earlier % field) % field
        inverse = inverse * (x2 - x1) % field
        x3 = (slope * slope - x1 - x2) % field
        sums.append((x3, (slope * (x1 - x3) - y1) % field))
    sums.reverse()
    return sums
