"""What stands beside public keys of the dump: a private half amid other random data has no border that tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dumpscan.keys import CURVES, okp_seed_size
from dumpscan.matchers.likeness import random_like
from dumpscan.matchers.randomness import Positions, rows
from dumpscan.model import ClueTable, PublicKey
from dumpscan.prove.means import Means

REACH = 256
"""Bytes before and behind a public key in which its private half is looked for, at every fourth one."""

NEAR = 128
"""Bytes in which it is looked for at every one."""

MAX_KEYS = 2000
"""Places of public keys looked around; more is a recorded limit."""

_STEP = 4


def beside(
    publics: Sequence[PublicKey], algorithms: Sequence[str], means: Means, limits: list[str]
) -> Iterator[ClueTable]:
    """Clues of kind ``octets-alone``: what may be private halves of ``publics``, by their places in the dump.

    Certificates are left out: they are seldom kept beside a private key, and programs hold hundreds of others'.
    """
    near = [key for key in publics if key.algorithm in algorithms and key.start >= 0 and not of_certificate(key)]
    if len(near) > MAX_KEYS:
        limits.append("more public keys to look around than the limit of one dump")
    for key in near[:MAX_KEYS]:
        yield from _around(key, means)


def of_certificate(key: PublicKey) -> bool:
    """Whether the key was met in a certificate."""
    return key.label.startswith("certificate")


def _around(key: PublicKey, means: Means) -> Iterator[ClueTable]:
    if key.algorithm == "ec":
        size = (CURVES[key.curve].key_size + 7) // 8
        whole = 1 + 2 * size
    else:
        size = whole = okp_seed_size(key.algorithm)
    before, after = means.around(key.start, REACH, whole + REACH)
    octets, base = np.frombuffer(before + after, np.uint8), key.start - len(before)
    if len(octets) < size:
        return
    starts = _starts(base, len(octets) - size + 1, len(before), size, whole)
    values = rows(octets, starts, size)
    kept = np.flatnonzero(random_like(values))
    if len(kept):
        yield ClueTable("octets-alone", values[kept].tobytes(), starts[kept] + base, size, "octets")


def _starts(base: int, count: int, first: int, size: int, whole: int) -> Positions:
    """The first ``count`` bytes from ``base``, of which the key is ``whole`` from ``first`` on, where a number of
    ``size`` bytes may begin: near the key anywhere but in its first number, farther off aligned in the dump or with
    either end of the key."""
    at = np.arange(count)
    near = (at >= first - size - NEAR) & (at <= first + whole + NEAR)
    aligned = np.isin(at % _STEP, [-base % _STEP, first % _STEP, (first - size) % _STEP, (first + whole) % _STEP])
    inside = (at > first - size) & (at < first + size)
    starts: Positions = np.flatnonzero((near | aligned) & ~inside)
    return starts
