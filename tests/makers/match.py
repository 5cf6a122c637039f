"""Run one matcher over bytes, its anchors searched the slow way."""

from __future__ import annotations

from dumpscan.matchers.base import Hit, Matcher, View
from dumpscan.model import Candidate, Evidence, Mapped, PublicKey, Span


def run(matcher: Matcher, data: bytes, address: int | None = None) -> list[Evidence]:
    """All that ``matcher`` says of ``data``."""
    hits = []
    for index, anchor in enumerate(matcher.anchors):
        at = data.find(anchor)
        while at >= 0:
            hits.append(Hit(index, at))
            at = data.find(anchor, at + 1)
    hits.sort(key=lambda hit: hit.start)
    mapped = () if address is None else (Mapped(0, address, len(data)),)
    view = View(memoryview(data), (Span(0, len(data)),), address=address, phase=(address or 0) % 64, mapped=mapped)
    return list(matcher.match(view, hits))


def candidates(matcher: Matcher, data: bytes) -> list[Candidate]:
    return [item for item in run(matcher, data) if isinstance(item, Candidate)]


def publics(matcher: Matcher, data: bytes) -> list[PublicKey]:
    return [item for item in run(matcher, data) if isinstance(item, PublicKey)]


def spanned(data: bytes, candidate: Candidate) -> list[bytes]:
    """The bytes at the spans of ``candidate``."""
    return [data[span.start : span.end] for span in candidate.spans]
