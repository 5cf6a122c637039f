from __future__ import annotations

import random

import numpy as np

from dumpscan.matchers.sieve import GROUPS, without_small_factor

PRIMES = [p for _, group in GROUPS for p in group]


def test_agrees_with_division() -> None:
    source = random.Random(3)
    for size in (64, 128, 512):
        values = [source.getrandbits(8 * size) | 1 for _ in range(600)]
        values += [2 ** (8 * size) - 1, 1, 0]
        table = np.frombuffer(b"".join(v.to_bytes(size, "little") for v in values), np.uint8).reshape(-1, size)
        expected = [all(v % p for p in PRIMES) for v in values]
        assert without_small_factor(table).tolist() == expected
        assert without_small_factor(table[:40]).tolist() == expected[:40]
