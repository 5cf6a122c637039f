"""Symmetric keys whose owner is known: those of random generators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dumpscan.model import Candidate, Clue, Severity


def generators(candidates: Iterable[Candidate], clues: Iterable[Clue]) -> list[Candidate]:
    """``candidates``, with the keys that are also the key of a random generator marked down to ``INFO``.

    Takes clues of kind ``drbg-key``, whose value is the key, and whose note names the generator.
    """
    owners = {prefix + clue.value: clue.note for clue in clues if clue.kind == "drbg-key" for prefix in _PREFIXES}
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
