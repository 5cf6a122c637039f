"""Ed25519, Ed448, X25519 and X448 keys from raw seeds, whose public key is known or stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from dumpscan.keys import okp_key, okp_public, okp_seed_size
from dumpscan.model import Candidate, Clue, PublicKey
from dumpscan.prove.beside import beside
from dumpscan.prove.lone import Places, lone_values
from dumpscan.prove.means import Means, batches

MAX_TESTS = 500_000
"""Public keys derived for one dump, 50 to 200 µs each; more is a recorded limit."""

_BATCH = 2048
"""Seeds handed out at a time."""

ALGORITHMS = ("ed25519", "x25519", "ed448", "x448")

Read = Callable[[int, int], bytes]

KINDS = ("okp-structure", "octets-alone")
"""The kinds of clues that :func:`prove` takes."""


_Seed = tuple[str, bytes]
"""Algorithm, and what may be a seed of it."""


def prove(
    clues: Sequence[Clue],
    publics: Sequence[PublicKey],
    read: Read,
    limits: list[str],
    means: Means = Means(),  # noqa: B008 (immutable)
) -> list[Candidate]:
    """Keys whose seed is among ``clues`` (kinds ``okp-structure`` and ``octets-alone``)."""
    lone = lone_values([*clues, *beside(publics, ALGORITHMS, means, limits)])
    known = {a: {k.point for k in publics if k.algorithm == a} for a in ALGORITHMS}
    for algorithm in ("ed25519", "x25519"):
        known[algorithm] |= lone.get(32, {}).keys()
    told = dict(_structures(clues, read))
    spans = {seed: places for values in lone.values() for seed, places in values.items()}
    seeds = list(dict.fromkeys((*told, *_alone(lone, known))))
    if len(seeds) > MAX_TESTS:
        limits.append("more OKP seeds to test than the limit of one dump")
        del seeds[MAX_TESTS:]
    found: dict[bytes, Candidate] = {}
    derived = chain.from_iterable(means.spread(_publics, batches(seeds, _BATCH)))
    for (algorithm, seed), public in zip(seeds, derived, strict=True):
        if public == told.get((algorithm, seed)) or public in known[algorithm]:
            key = okp_key(algorithm, seed, public=public, spans=spans.get(seed, ()), encoding="octets")
            if key:
                found.setdefault(key.identity, key)
    return list(found.values())


def _structures(clues: Sequence[Clue], read: Read) -> Iterator[tuple[_Seed, bytes]]:
    """Seeds behind pointers, and the public keys that the structures hold."""
    for clue in clues:
        if clue.kind == "okp-structure":
            size = okp_seed_size(clue.encoding)
            seed = read(int.from_bytes(clue.value, "big"), size)
            if len(seed) == size:
                yield (clue.encoding, seed), clue.note


def _alone(lone: dict[int, Places], known: dict[str, set[bytes]]) -> Iterator[_Seed]:
    """Lone values, for the algorithms of which there is a public key."""
    for algorithm in ALGORITHMS:
        if known[algorithm]:
            yield from ((algorithm, value) for value in lone.get(okp_seed_size(algorithm), ()))


def _publics(seeds: Sequence[_Seed]) -> list[bytes]:
    return [okp_public(algorithm, seed) for algorithm, seed in seeds]
