"""Ed25519, Ed448, X25519 and X448 keys from raw seeds, whose public key is known or stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import chain, groupby

import numpy as np

from dumpscan import kernel
from dumpscan.keys import okp_key, okp_public, okp_seed_size
from dumpscan.model import Candidate, Clues, PublicKey, all_clues
from dumpscan.prove.beside import beside
from dumpscan.prove.lone import LoneValues
from dumpscan.prove.means import Means, batches
from dumpscan.prove.montgomery import low_x_of_publics, low_x_of_seeds
from dumpscan.prove.multiples import Limbs, among

MAX_TESTS = 1_000_000
"""Public keys derived for one dump, some 20 µs each, without a compiler 50 to 200; more is a recorded limit."""

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
    seeds = list(_alone(lone, known))
    if len(seeds) > MAX_TESTS:
        limits.append("more OKP seeds to test than the limit of one dump")
        del seeds[MAX_TESTS:]
    found: dict[bytes, Candidate] = {}
    for algorithm, seed in dict.fromkeys((*told, *_likely(seeds, known, means))):
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


def _alone(lone: LoneValues, known: dict[str, set[bytes]]) -> Iterator[_Seed]:
    """Lone values, for the algorithms of which there is a public key."""
    for algorithm in ALGORITHMS:
        if known[algorithm]:
            yield from ((algorithm, value) for value in lone.of_size(okp_seed_size(algorithm)))


def _likely(seeds: Sequence[_Seed], known: Mapping[str, Set[bytes]], means: Means) -> Iterator[_Seed]:
    """Those of ``seeds`` that may have their public key in ``known``: with the compiled kernel by 64 of its bits."""
    if kernel.curves is None:
        work: Callable[[Sequence[_Seed]], list[_Seed]] = partial(_with_public, known)
    else:
        work = partial(_with_low_x, {a: np.sort(low_x_of_publics(a, list(keys))) for a, keys in known.items()})
    yield from chain.from_iterable(means.spread(work, batches(seeds, _BATCH)))


def _with_public(known: Mapping[str, Set[bytes]], seeds: Sequence[_Seed]) -> list[_Seed]:
    return [(algorithm, seed) for algorithm, seed in seeds if okp_public(algorithm, seed) in known[algorithm]]


def _with_low_x(known: Mapping[str, Limbs], seeds: Sequence[_Seed]) -> list[_Seed]:
    likely: list[_Seed] = []
    for algorithm, some in groupby(seeds, lambda seed: seed[0]):
        group = list(some)
        found = low_x_of_seeds(algorithm, [seed for _, seed in group])
        likely.extend(group[index] for index in among(found, known[algorithm]))
    return likely
