"""Ed25519, Ed448, X25519 and X448 keys from raw seeds, whose public key is known or stands beside them.

Of Ed25519 some programs keep the scalar and the prefix that follow from the seed (RFC 8032, section 5.1.5), and not the
seed: ring, Tor, wallets with derived keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain, islice

import numpy as np

from dumpscan import kernel
from dumpscan.keys import ed25519_scalar_key, okp_key, okp_public, okp_seed_size
from dumpscan.matchers.likeness import random_like
from dumpscan.model import Candidate, Clues, PublicKey, all_clues
from dumpscan.prove.beside import beside
from dumpscan.prove.lone import LoneValues
from dumpscan.prove.means import Means, batches
from dumpscan.prove.montgomery import low_x_of_publics, low_x_of_seeds, u_of_edwards
from dumpscan.prove.multiples import Limbs, among

MAX_TESTS = 500_000
"""Public keys of one algorithm that are derived for one dump, 10 to 100 µs each, with AVX-512 IFMA 2 to 10, without a
compiler 50 to 200; more is a recorded limit."""

_BATCH = 2048
"""Seeds handed out at a time."""

ALGORITHMS = ("ed25519", "x25519", "ed448", "x448")

Read = Callable[[int, int], bytes]

KINDS = ("okp-structure", "octets-alone")
"""The kinds of clues that :func:`prove` takes."""


_SCALAR = "ed25519-scalar"
"""What stands for the algorithm where the scalar of Ed25519 is meant, not the seed."""

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
    known = {a: _Known(a, publics, lone) for a in ALGORITHMS}
    told = dict(_structures(clues, read))
    likely = dict.fromkeys(seed for a in ALGORITHMS for seed in _likely(a, lone, known, means, limits))
    scalars = [octets for algorithm, octets in likely if algorithm == _SCALAR]
    keys = chain(
        _of_seeds(told, [seed for seed in likely if seed[0] != _SCALAR], known, lone),
        _of_scalars(scalars, known["ed25519"], lone, means),
        _expanded(lone),
    )
    found: dict[bytes, Candidate] = {}
    for key in keys:
        found.setdefault(key.identity, key)
    return list(found.values())


class _Known:
    """The public keys of an algorithm: those that are named, and of 32 bytes all lone values, which may be one."""

    def __init__(self, algorithm: str, publics: Sequence[PublicKey], lone: LoneValues) -> None:
        self.algorithm = algorithm
        size = okp_seed_size(algorithm)  # and that of a public key
        named = (key.point for key in publics if key.algorithm == algorithm and len(key.point) == size)
        self.keys = dict.fromkeys(chain(named, lone.of_size(size) if size == 32 else ()))

    @cached_property
    def low_x(self) -> Limbs:
        """See :func:`dumpscan.prove.montgomery.low_x_of_publics`, in order."""
        return np.sort(low_x_of_publics(self.algorithm, list(self.keys)))

    @cached_property
    def by_u(self) -> dict[bytes, bytes]:
        """Those of Ed25519 by what they are as ones of X25519."""
        return dict(zip(u_of_edwards(list(self.keys)), self.keys, strict=True))


def _of_seeds(
    told: Mapping[_Seed, bytes], likely: Iterable[_Seed], known: Mapping[str, _Known], lone: LoneValues
) -> Iterator[Candidate]:
    """The keys of seeds to which a structure tells the public key, or which is known."""
    for algorithm, seed in dict.fromkeys((*told, *likely)):
        public = okp_public(algorithm, seed)
        if public == told.get((algorithm, seed)) or public in known[algorithm].keys:
            key = okp_key(algorithm, seed, public=public, spans=lone.places(seed), encoding="octets")
            if key:
                yield key


def _expanded(lone: LoneValues) -> Iterator[Candidate]:
    """Ed25519 keys of which the prefix stands alone too, as PyCryptodome keeps both: it proves the seed, no public key
    is needed."""
    values = lone.of_size(32)
    for seed in islice(values, MAX_TESTS):
        if hashlib.sha512(seed).digest()[32:] in values:
            key = okp_key(
                "ed25519", seed, public=okp_public("ed25519", seed), spans=lone.places(seed), encoding="octets"
            )
            if key:
                yield replace(key, evidence="prefix derived from the seed")


def _of_scalars(scalars: Iterable[bytes], known: _Known, lone: LoneValues, means: Means) -> Iterator[Candidate]:
    """The keys of ``scalars`` whose public key is in ``known``, with the prefix where it stands behind the scalar."""
    for scalar in scalars:
        public = known.by_u.get(okp_public("x25519", scalar))
        if public is None:
            continue
        places = lone.places(scalar)
        behind = (means.around(place.end, 0, len(scalar))[1] for place in places)
        prefix = next((octets for octets in behind if octets != public and _may_be_prefix(octets)), b"")
        key = ed25519_scalar_key(scalar, public, prefix=prefix, spans=places, encoding="octets")
        if key:
            yield key


def _may_be_prefix(octets: bytes) -> bool:
    return len(octets) == 32 and bool(random_like(np.frombuffer(octets, np.uint8).reshape(1, -1))[0])


def _structures(clues: Clues, read: Read) -> Iterator[tuple[_Seed, bytes]]:
    """Seeds behind pointers, and the public keys that the structures hold."""
    for clue in all_clues(clues, "okp-structure"):
        size = okp_seed_size(clue.encoding)
        seed = read(int.from_bytes(clue.value, "big"), size)
        if len(seed) == size:
            yield (clue.encoding, seed), clue.note


def _likely(
    algorithm: str, lone: LoneValues, known: Mapping[str, _Known], means: Means, limits: list[str]
) -> Iterator[_Seed]:
    """Lone values that may have their public key in ``known``: with the compiled kernel by 64 of its bits.

    What X25519 multiplies with is what Ed25519 does, so that one multiplication tells both.
    """
    mine, edwards = known[algorithm], known["ed25519"]
    seeds = list(lone.of_size(okp_seed_size(algorithm))) if mine.keys else []
    if len(seeds) > MAX_TESTS:
        limits.append("more OKP seeds to test than the limit of one dump")
        del seeds[MAX_TESTS:]
    if not seeds:
        return
    tasks = batches(seeds, _BATCH)
    scalars: Iterable[bytes] = ()
    if kernel.curves is None:
        derived = list(chain.from_iterable(means.spread(partial(_publics, algorithm), tasks)))
        yield from ((algorithm, seed) for seed, public in zip(seeds, derived, strict=True) if public in mine.keys)
        if algorithm == "x25519":
            scalars = (seed for seed, public in zip(seeds, derived, strict=True) if public in edwards.by_u)
    else:
        found = np.concatenate(list(means.spread(partial(low_x_of_seeds, algorithm), tasks)))
        yield from ((algorithm, seeds[at]) for at in among(found, mine.low_x))
        if algorithm == "x25519":
            scalars = (seeds[at] for at in among(found, edwards.low_x))
    yield from ((_SCALAR, seed) for seed in scalars if _is_clamped(seed))


def _is_clamped(scalar: bytes) -> bool:
    """Whether the bits that RFC 8032 fixes are fixed."""
    return scalar[0] & 7 == 0 and scalar[31] >> 6 == 1


def _publics(algorithm: str, seeds: Sequence[bytes]) -> list[bytes]:
    return [okp_public(algorithm, seed) for seed in seeds]
