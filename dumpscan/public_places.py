"""Where raw copies of public keys stand: their private halves may be beside any of them, behind no border.

The first pass meets a public key once, where a structure tells it. Its other copies are bare octets (the second half of
libsodium's secret keys, the coordinates of a point), and are searched for together with the secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from dumpscan.keys import CURVES, octets, point_of, public_identity
from dumpscan.model import Candidate, Component, PublicKey
from dumpscan.prove import ec, okp
from dumpscan.prove.beside import MAX_KEYS, of_certificate
from dumpscan.prove.means import Means
from dumpscan.sweep import Found, Needle

MAX_WANTED = 1000
"""Public keys whose copies are searched for; more is a recorded limit."""

_Read = Callable[[int, int], bytes]


def wanted(
    publics: Iterable[PublicKey], known: Iterable[PublicKey], proven: Collection[bytes], limits: list[str]
) -> list[PublicKey]:
    """Keys of the user (``known``), and those of the dump outside certificates, whose private half is not proven."""
    some = [*(key for key in publics if not of_certificate(key)), *known]
    keys = {public_identity(key): key for key in some if _has_copies(key)}
    found = [key for identity, key in keys.items() if identity not in proven]
    if len(found) > MAX_WANTED:
        limits.append("more public keys whose copies to look for than the limit of one dump")
    return found[:MAX_WANTED]


def _has_copies(key: PublicKey) -> bool:
    if key.algorithm in okp.ALGORITHMS:
        return True
    known_curve = key.algorithm == "ec" and key.curve in CURVES and len(key.numbers) == 2
    return known_curve and point_of(key.curve, 1) != key.numbers  # G stands in every library


def components(key: PublicKey) -> tuple[Component, ...]:
    """What is searched for: the octets of a public key, x of a point in either order."""
    if key.algorithm != "ec":
        return (Component("public", key.point, "raw"),)
    x = octets(key.numbers[0], (CURVES[key.curve].key_size + 7) // 8)
    return (Component("04", x, "raw"), Component("x", x[::-1], "raw"))


def copies(found: Iterable[Found], needles: Sequence[Needle], first: int, keys: Sequence[PublicKey]) -> list[PublicKey]:
    """The keys at the places ``found``; their needles are those of the secrets from number ``first`` on."""
    placed = []
    for place in found:
        needle = needles[place.needle]
        if place.whole and needle.secret >= first:
            before = 1 if needle.component == "04" else 0  # the byte that says that the point is not compressed
            start = max(place.spans[0].start - before, 0)
            placed.append(replace(keys[needle.secret - first], start=start, label=""))
    return placed


def proven_beside(placed: Sequence[PublicKey], read: _Read, limits: list[str], means: Means) -> Iterator[Candidate]:
    """Private halves beside ``placed`` keys."""
    if len(placed) > MAX_KEYS:
        limits.append("more public keys to look around than the limit of one dump")
    for prover in (ec.prove, okp.prove):
        yield from prover((), placed[:MAX_KEYS], read, limits, means)
