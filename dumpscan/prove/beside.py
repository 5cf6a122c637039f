"""What stands beside public keys of the dump: a private half amid other random data has no border that tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dumpscan.keys import CURVES, okp_seed_size
from dumpscan.model import Clue, PublicKey
from dumpscan.prove.means import Means

REACH = 256
"""Bytes before and behind a public key in which its private half is looked for, at every fourth one."""

MAX_KEYS = 2000
"""Public keys looked around; more is a recorded limit."""

_STEP = 4


def beside(publics: Sequence[PublicKey], algorithms: Sequence[str], means: Means, limits: list[str]) -> Iterator[Clue]:
    """Clues of kind ``octets-alone``: what may be private halves of ``publics``, by their places in the dump.

    Certificates are left out: they are seldom kept beside a private key, and programs hold hundreds of others'.
    """
    near = [key for key in publics if key.algorithm in algorithms and key.start >= 0 and not _of_certificate(key)]
    if len(near) > MAX_KEYS:
        limits.append("more public keys to look around than the limit of one dump")
    for key in near[:MAX_KEYS]:
        yield from _around(key, means)


def _of_certificate(key: PublicKey) -> bool:
    return key.label.startswith("certificate")


def _around(key: PublicKey, means: Means) -> Iterator[Clue]:
    if key.algorithm == "ec":
        size = (CURVES[key.curve].key_size + 7) // 8
        whole = 1 + 2 * size
    else:
        size = whole = okp_seed_size(key.algorithm)
    before, after = means.around(key.start, REACH, whole + REACH)
    octets, base = before + after, key.start - len(before)
    aligned = {-base % _STEP, len(before) % _STEP, (len(before) - size) % _STEP, (len(before) + whole) % _STEP}
    for at in range(len(octets) - size + 1):  # aligned in the dump, with the public key, or with the end of either
        if at % _STEP in aligned:
            yield Clue("octets-alone", octets[at : at + size], base + at, base + at + size, "octets")
