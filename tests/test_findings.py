"""Secrets and their places."""

from __future__ import annotations

from dumpscan.findings import Secrets
from dumpscan.model import Candidate, Confidence, Span


def candidate(identity: bytes, *spans: Span, confidence: Confidence = Confidence.PROVEN) -> Candidate:
    return Candidate("k", "t", identity, spans, "octets", (), confidence=confidence)


def test_a_secret_behind_a_pointer_stays_though_it_has_no_place_yet() -> None:
    secrets = Secrets()
    secrets.add(candidate(b"placed", Span(0, 32)))
    secrets.add(candidate(b"pointed"))
    secrets.add(candidate(b"vague", Span(8, 16), confidence=Confidence.POSSIBLE))
    assert {secret.best.identity for secret in secrets.settled()} == {b"placed", b"pointed"}
