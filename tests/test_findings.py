"""Secrets and their places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dumpscan.findings import Secrets, _Union
from dumpscan.model import Candidate, Confidence, Span, merged_spans


def candidate(identity: bytes, *spans: Span, confidence: Confidence = Confidence.PROVEN) -> Candidate:
    return Candidate("k", "t", identity, spans, "octets", (), confidence=confidence)


def test_a_secret_behind_a_pointer_stays_though_it_has_no_place_yet() -> None:
    secrets = Secrets()
    secrets.add(candidate(b"placed", Span(0, 32)))
    secrets.add(candidate(b"pointed"))
    secrets.add(candidate(b"vague", Span(8, 16), confidence=Confidence.POSSIBLE))
    assert {secret.best.identity for secret in secrets.settled()} == {b"placed", b"pointed"}


spans = st.builds(lambda start, size: Span(start, start + size), st.integers(0, 60), st.integers(1, 9))


@given(st.lists(spans, max_size=20), st.lists(spans))
def test_a_union_is_the_same_however_it_came_about(added: list[Span], asked: list[Span]) -> None:
    union = _Union()
    for span in added:
        union.add(span)
    whole = merged_spans(added)
    assert [span in union for span in asked] == [
        any(part.start <= span.start and span.end <= part.end for part in whole) for span in asked
    ]


def test_vaguer_views_of_many_secrets_are_left_out() -> None:
    secrets = Secrets()
    for n in range(3000):
        secrets.add(candidate(b"%d" % n, Span(100 * n, 100 * n + 50)))
        secrets.add(candidate(b"part of %d" % n, Span(100 * n + 10, 100 * n + 20), confidence=Confidence.POSSIBLE))
    assert len(secrets.settled()) == 3000
