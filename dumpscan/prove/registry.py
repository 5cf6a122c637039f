"""The proofs, and what is said of a secret once all of the dump is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from dumpscan.mask import printable
from dumpscan.model import Candidate, Clue, Clues, ClueTable, Confidence, PublicKey, Severity
from dumpscan.prove import ec, finite_field, okp, openssh, rsa, symmetric
from dumpscan.prove.means import Means
from dumpscan.test_keys import known_test_key

ReadMemory = Callable[[int, int], bytes]
"""Up to ``size`` bytes of the dumped process from a virtual address."""

Prover = Callable[[Clues, Sequence[PublicKey], ReadMemory, list[str], Means], Iterable[Candidate]]
"""A proof: keys that follow from clues and public keys. What it had to leave undone it adds to the list."""

PROVERS: tuple[tuple[Prover, tuple[str, ...]], ...] = (
    (rsa.prove, rsa.KINDS),
    (ec.prove, ec.KINDS),
    (okp.prove, okp.KINDS),
    (finite_field.prove, finite_field.KINDS),
    (openssh.prove, openssh.KINDS),
    (symmetric.prove, symmetric.KINDS),
)
"""Each with the kinds of clues that it takes."""


def prove(
    clues: Clues, publics: Sequence[PublicKey], read: ReadMemory, means: Means
) -> tuple[list[Candidate], tuple[str, ...]]:
    """What follows from the clues of all windows together, and the proofs that could not be carried out.

    The provers are run in threads, which share ``read`` and ``means``: one computes while others wait for processes.
    """
    by_kind: dict[str, list[Clue | ClueTable]] = {}
    for clue in clues:
        by_kind.setdefault(clue.kind, []).append(clue)

    def carried_out(entry: tuple[Prover, Sequence[str]]) -> tuple[list[Candidate], list[str]]:
        prover, kinds = entry
        limits: list[str] = []
        try:
            mine = [clue for kind in kinds for clue in by_kind.get(kind, ())]
            return list(prover(mine, publics, read, limits, means)), limits
        except Exception as error:  # its text may quote the dump: only its type is told
            name = prover.__module__.rpartition(".")[2]
            return [], [*limits, f"proof {name} failed ({type(error).__name__})"]

    threads = ThreadPoolExecutor(len(PROVERS))
    try:
        done = list(threads.map(carried_out, PROVERS))
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)  # who interrupts does not wait for a million scalars
        raise
    threads.shutdown()
    return [key for found, _ in done for key in found], tuple(text for _, limits in done for text in limits)


def conclude(candidates: Sequence[Candidate], clues: Clues, publics: Mapping[bytes, PublicKey]) -> Iterator[Candidate]:
    """The candidates of which more can be said now: whose key it is, a generator's state, a published test key."""
    generators = {candidate.identity: candidate for candidate in symmetric.generators(candidates, clues)}
    for candidate in candidates:
        told = _of_test_keys(_with_owner(generators.get(candidate.identity, candidate), publics))
        if told is not candidate:
            yield told


def _with_owner(candidate: Candidate, publics: Mapping[bytes, PublicKey]) -> Candidate:
    """Name the certificate or public key that the private key belongs to: what an incident responder asks first.

    The two prove each other, if nothing did yet.
    """
    public = publics.get(candidate.identity)
    if public is None:
        return candidate
    if not public.label:
        unproven = candidate.confidence < Confidence.PROVEN
        return _proven(candidate, "public key known") if unproven else candidate
    label = printable(public.label)
    return replace(_proven(candidate, f"key of {label}"), public={**candidate.public, "owner": label})


def _proven(candidate: Candidate, evidence: str) -> Candidate:
    told = f"{candidate.evidence}; {evidence}" if candidate.evidence else evidence
    return replace(candidate, confidence=Confidence.PROVEN, evidence=told)


def _of_test_keys(candidate: Candidate) -> Candidate:
    source = known_test_key(candidate)
    if source is None:
        return candidate
    return replace(
        candidate,
        severity=Severity.INFO,
        evidence=f"{candidate.evidence}; published test key: {source}",
        public={**candidate.public, "test_key": source},
    )
