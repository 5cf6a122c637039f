"""Symmetric keys that structures point to, and those whose owner is known: random generators'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from dumpscan.matchers.cng_symmetric import symmetric_key, varied
from dumpscan.matchers.kerberos import kerberos_secret
from dumpscan.model import Candidate, Clues, Confidence, PublicKey, Severity, all_clues
from dumpscan.prove.means import Means

MAX_POINTERS = 10_000
"""Keys that are read through pointers in one dump."""

KINDS = ("key-pointer",)
"""The kinds of clues that :func:`prove` takes."""


def prove(
    clues: Clues,
    publics: Sequence[PublicKey],
    read: Callable[[int, int], bytes],
    limits: list[str],
    means: Means = Means(),  # noqa: B008 (immutable)
) -> list[Candidate]:
    """The keys that ``key-pointer`` clues lead to; where they stand, the sweep finds. The rest is for others."""
    places = dict.fromkeys((clue.value, clue.note, clue.encoding) for clue in all_clues(clues, "key-pointer"))
    if len(places) > MAX_POINTERS:
        limits.append("more key objects than the limit of one dump")
    found = []
    for address, size, kind in list(places)[:MAX_POINTERS]:
        key = read(int.from_bytes(address, "big"), size[0])
        if len(key) != size[0] or not varied(key):
            continue
        if kind == "kerberos-key":
            how = "krb5's key object points to it"
            found.append(kerberos_secret(kind, "Kerberos key", key, (), how))
        else:
            how = "Wine's bcrypt key object points to it"
            found.append(symmetric_key(kind, key, None, "octets", Confidence.VALIDATED, how))
    return found


def generators(candidates: Iterable[Candidate], clues: Clues) -> list[Candidate]:
    """``candidates``, with the keys that are also the key of a random generator marked down to ``INFO``.

    Takes clues whose value is a key: ``drbg-key``, whose note names the generator; ``drbg-frame``, which counts where
    there is a ``drbg-key`` with its note; and ``schedule-call``, where a ``drbg-call`` has its note as the value.
    """
    given = list(all_clues(clues, "drbg-key"))
    calls = {clue.value: clue.note for clue in all_clues(clues, "drbg-call")}
    present = {clue.note for clue in given}
    keys = {c.value: calls[c.note] for c in all_clues(clues, "schedule-call") if c.note in calls}
    keys.update((c.value, c.note) for c in all_clues(clues, "drbg-frame") if c.note in present)
    keys.update((c.value, c.note) for c in given)
    owners = {prefix + key: owner for key, owner in keys.items() for prefix in _PREFIXES}
    return [_generator(item, owners[item.identity]) if item.identity in owners else item for item in candidates]


_PREFIXES = (b"aes:", b"chacha20:")


def _generator(candidate: Candidate, owner: bytes) -> Candidate:
    if candidate.severity == Severity.INFO:
        return candidate
    return replace(
        candidate,
        title=f"{candidate.title} (random generator)",
        severity=Severity.INFO,
        evidence=f"{candidate.evidence} + key of {owner.decode('ascii')}",
    )
