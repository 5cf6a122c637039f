"""Symmetric keys whose owner is known: those of random generators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dumpscan.model import Candidate, Clue, Severity


def generators(candidates: Iterable[Candidate], clues: Iterable[Clue]) -> list[Candidate]:
    """``candidates``, with the AES keys that are also the key of a random generator marked down to ``INFO``.

    Takes clues of kind ``drbg-key``, whose value is the key.
    """
    keys = {b"aes:" + clue.value for clue in clues if clue.kind == "drbg-key"}
    return [_generator(item) if item.kind == "aes-key" and item.identity in keys else item for item in candidates]


def _generator(candidate: Candidate) -> Candidate:
    if candidate.severity == Severity.INFO:
        return candidate
    return replace(
        candidate,
        title=f"{candidate.title} (random generator)",
        severity=Severity.INFO,
        evidence=f"{candidate.evidence} + key of OpenSSL's CTR_DRBG",
    )
