"""Ed25519, Ed448, X25519 and X448 keys from raw seeds, whose public key is known or stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dumpscan.keys import okp_key, okp_public, okp_seed_size
from dumpscan.model import Candidate, Clue, PublicKey, Span

MAX_TESTS = 100_000
"""Public keys derived for one dump, about 50 µs each; more is a recorded limit."""

LONE_TESTS = 10_000
"""Lone values from which public keys are derived that may be other lone values; about one second."""

ALGORITHMS = ("ed25519", "x25519", "ed448", "x448")

Read = Callable[[int, int], bytes]

KINDS = ("okp-structure", "octets-alone")
"""The kinds of clues that :func:`prove` takes."""


def prove(clues: Sequence[Clue], publics: Sequence[PublicKey], read: Read, limits: list[str]) -> list[Candidate]:
    """Keys whose seed is among ``clues`` (kinds ``okp-structure`` and ``octets-alone``)."""
    lone = {clue.value for clue in clues if clue.kind == "octets-alone" and len(clue.value) == 32}
    among = lone if len(lone) <= LONE_TESTS else set()
    known = {a: {k.point for k in publics if k.algorithm == a} for a in ALGORITHMS}
    for algorithm in ("ed25519", "x25519"):
        known[algorithm] |= among
    found: dict[bytes, Candidate] = {}
    tried: set[tuple[str, bytes]] = set()
    for algorithm, seed, public, spans in _seeds(clues, known, read):
        if (algorithm, seed) in tried:
            continue
        tried.add((algorithm, seed))
        if len(tried) > MAX_TESTS:
            limits.append("more OKP seeds to test than the limit of one dump")
            break
        derived = okp_public(algorithm, seed)
        if derived == public or derived in known[algorithm]:
            key = okp_key(algorithm, seed, public=derived, spans=spans, encoding="octets")
            if key:
                found.setdefault(key.identity, key)
    return list(found.values())


def _seeds(
    clues: Sequence[Clue], known: dict[str, set[bytes]], read: Read
) -> Iterator[tuple[str, bytes, bytes, tuple[Span, ...]]]:
    """(algorithm, seed, public key beside it, where), surest first."""
    for clue in clues:
        if clue.kind == "okp-structure":
            algorithm = clue.encoding
            size = okp_seed_size(algorithm)
            seed = read(int.from_bytes(clue.value, "big"), size)
            if len(seed) == size:
                yield algorithm, seed, clue.note, ()
    by_size: dict[int, list[str]] = {}
    for algorithm in ALGORITHMS:
        by_size.setdefault(okp_seed_size(algorithm), []).append(algorithm)
    for clue in clues:
        if clue.kind != "octets-alone":
            continue
        size = len(clue.value)
        pair = len(clue.note) == size
        for algorithm in by_size.get(size, ()):
            if pair or known[algorithm]:
                yield algorithm, clue.value, clue.note if pair else b"", (Span(clue.start, clue.end),)
