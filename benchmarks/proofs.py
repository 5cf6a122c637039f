"""What it costs to try one number as the private half of a known public key: for each curve and algorithm.

    python -m benchmarks.proofs [COUNT]

Microseconds of processor time a number, of COUNT (default 20,000): by OpenSSL one by one, as the proofs do it where
there is no compiler, and as they do it with the compiled kernel, without AVX-512 IFMA and with it (the best of three
runs each, and without the table of a curve, which is made once).
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

import numpy as np

from dumpscan import kernel
from dumpscan.curves import EQUATIONS
from dumpscan.keys import CURVES, okp_public, okp_seed_size, point_of
from dumpscan.prove.comb import width_for, x_coordinates
from dumpscan.prove.ec import COMB_FROM
from dumpscan.prove.montgomery import low_x_of_seeds
from dumpscan.prove.multiples import limbs, limbs_of, low_x_of_multiples

_SINGLE = 200


def cost(work: Callable[[], object], count: int) -> float:
    """Microseconds of processor time for each of ``count`` numbers."""
    started = time.process_time()
    work()
    return (time.process_time() - started) / count * 1e6


def compiled(work: Callable[[], object], count: int) -> str:
    """Two cells of the table: with the kernel, without AVX-512 IFMA and with it, where it can be used."""
    assert kernel.curves is not None
    cells = []
    for wanted in (False, True):
        used = kernel.curves.use_ifma(wanted) is wanted
        cells.append(f"{min(cost(work, count) for _ in range(3)):.1f}" if used else "")
    return " | ".join(cells)


def main(count: int) -> None:
    """Print the table."""
    source = random.Random(1)
    print("| curve or algorithm | OpenSSL, µs | without a compiler, µs | without AVX-512 IFMA, µs | dumpscan, µs |")
    print("|---|---|---|---|---|")
    for curve, equation in EQUATIONS.items():
        scalars = [source.randrange(1, equation.order) for _ in range(count)]
        single = cost(lambda c=curve, s=scalars: [point_of(c, v) for v in s[:_SINGLE]], _SINGLE)  # type: ignore[misc]
        python = single
        if count >= COMB_FROM.get(curve, count + 1):
            width = width_for(curve, count)
            python = cost(lambda c=curve, s=scalars, w=width: x_coordinates(c, s, w), count)  # type: ignore[misc]
        rows = np.array([limbs(scalar, limbs_of(curve)) for scalar in scalars])
        ours = compiled(lambda c=curve, r=rows: low_x_of_multiples(c, r), count)  # type: ignore[misc]
        print(f"| {curve} ({CURVES[curve].key_size} bits) | {single:.0f} | {python:.0f} | {ours} |", flush=True)
    for algorithm in ("ed25519", "x25519", "ed448", "x448"):
        seeds = [source.randbytes(okp_seed_size(algorithm)) for _ in range(count)]
        single = cost(lambda a=algorithm, s=seeds[:_SINGLE]: [okp_public(a, v) for v in s], _SINGLE)  # type: ignore[misc]
        ours = compiled(lambda a=algorithm, s=seeds: low_x_of_seeds(a, s), count)  # type: ignore[misc]
        print(f"| {algorithm} | {single:.0f} | {single:.0f} | {ours} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
