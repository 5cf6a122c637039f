"""Ed25519, Ed448, X25519 and X448 keys from raw seeds, whose public key is known or stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial
from itertools import chain

import numpy as np

from dumpscan import kernel
from dumpscan.keys import okp_key, okp_public, okp_seed_size
from dumpscan.model import Candidate, Clues, PublicKey, all_clues
from dumpscan.prove.beside import beside
from dumpscan.prove.lone import LoneValues
from dumpscan.prove.means import Means, batches
from dumpscan.prove.montgomery import low_x_of_publics, low_x_of_seeds
from dumpscan.prove.multiples import among

MAX_TESTS = 500_000
"""Public keys of one algorithm that are derived for one dump, 10 to 100 µs each, with AVX-512 IFMA 2 to 10, without a
compiler 50 to 200; more is a recorded limit."""

_BATCH = 2048
"""Seeds handed out at a time."""

ALGORITHMS = ("ed25519", "x25519", "ed448", "x448")

Read = Callable[[int, int], bytes]

KINDS = ("okp-structure", "octets-alone")
"""The kinds of clues that :func:`prove` takes."""


_Seed = tuple[str, bytes]
"""Algorithm, and what may be a seed of it."""


def prove(
    clues: Clues,
    publics: Sequence[PublicKey],
    read: Read,
    limits: list[str],
    means: Means = Means(),  # noqa: B008 (immutable)
) -> list[Candidate]:
    """Keys whose seed is among ``clues`` (kinds ``okp-structure`` and ``octets-alone``)."""
    lone = LoneValues([*clues, *beside(publics, ALGORITHMS, means, limits)])
    known: dict[str, set[bytes]] = {a: {k.point for k in publics if k.algorithm == a} for a in ALGORITHMS}
    for algorithm in ("ed25519", "x25519"):
        known[algorithm] |= lone.of_size(32).keys()
    told = dict(_structures(clues, read))
    likely = [seed for algorithm in ALGORITHMS for seed in _likely(algorithm, lone, known[algorithm], means, limits)]
    found: dict[bytes, Candidate] = {}
    for algorithm, seed in dict.fromkeys((*told, *likely)):
        public = okp_public(algorithm, seed)
        if public == told.get((algorithm, seed)) or public in known[algorithm]:
            key = okp_key(algorithm, seed, public=public, spans=lone.places(seed), encoding="octets")
            if key:
                found.setdefault(key.identity, key)
    return list(found.values())


def _structures(clues: Clues, read: Read) -> Iterator[tuple[_Seed, bytes]]:
    """Seeds behind pointers, and the public keys that the structures hold."""
    for clue in all_clues(clues, "okp-structure"):
        size = okp_seed_size(clue.encoding)
        seed = read(int.from_bytes(clue.value, "big"), size)
        if len(seed) == size:
            yield (clue.encoding, seed), clue.note


def _likely(algorithm: str, lone: LoneValues, known: Set[bytes], means: Means, limits: list[str]) -> Iterator[_Seed]:
    """Lone values that may have their public key in ``known``: with the compiled kernel by 64 of its bits."""
    size = okp_seed_size(algorithm)  # and that of a public key
    keys = [key for key in known if len(key) == size]
    seeds = list(lone.of_size(size)) if keys else []
    if len(seeds) > MAX_TESTS:
        limits.append("more OKP seeds to test than the limit of one dump")
        del seeds[MAX_TESTS:]
    if not seeds:
        return
    tasks = batches(seeds, _BATCH)
    if kernel.curves is None:
        derived = chain.from_iterable(means.spread(partial(_publics, algorithm), tasks))
        yield from ((algorithm, seed) for seed, public in zip(seeds, derived, strict=True) if public in known)
        return
    found = np.concatenate(list(means.spread(partial(low_x_of_seeds, algorithm), tasks)))
    for index in among(found, np.sort(low_x_of_publics(algorithm, keys))):
        yield algorithm, seeds[index]


def _publics(algorithm: str, seeds: Sequence[bytes]) -> list[bytes]:
    return [okp_public(algorithm, seed) for seed in seeds]
