"""From candidates of many windows to findings: one secret, one finding, every place."""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from dumpscan.formats.pe_image import Images
from dumpscan.model import Candidate, Component, Finding, Layout, Occurrence, Span
from dumpscan.source import Source

WHOLE = "key"
"""What the component of a place is called that holds several."""


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes of the file that hold a component of a secret in some encoding."""

    span: Span
    component: str
    encoding: str


@dataclass(slots=True)
class Secret:
    """One secret while its places are collected. ``best`` is the candidate that says most of it."""

    best: Candidate
    places: dict[tuple[int, int], Place] = field(default_factory=dict, repr=False)
    components: dict[tuple[str, bytes], Component] = field(default_factory=dict, repr=False)

    def add(self, candidate: Candidate) -> None:
        """Take in another sighting of the same secret."""
        for part in candidate.components:
            self.components.setdefault((part.form, part.value), part)
        names = {part.name for part in candidate.components}
        name = names.pop() if len(names) == 1 else WHOLE
        for span in candidate.spans:
            self.place(Place(span, name, candidate.encoding))
        if _rank(candidate) > _rank(self.best):
            self.best = candidate

    def place(self, place: Place) -> None:
        """Note a place, once; the name of a single component says more than that of the whole."""
        spot = place.span.start, place.span.end
        known = self.places.get(spot)
        if len(place.span) and (known is None or known.component == WHOLE):
            self.places[spot] = place

    def tidy(self) -> list[Place]:
        """The places in order and without overlap: what lies inside another is left out, what overlaps is joined."""
        kept: list[Place] = []
        for place in sorted(self.places.values(), key=lambda p: (p.span.start, -p.span.end)):
            last = kept[-1] if kept else None
            if last is None or place.span.start >= last.span.end:
                kept.append(place)
            elif place.span.end > last.span.end:
                kept[-1] = replace(last, span=Span(last.span.start, place.span.end))
        return kept


def _rank(candidate: Candidate) -> tuple[int, int, int]:
    return candidate.confidence, candidate.severity, len(candidate.public)


class Secrets:
    """All secrets of a dump by identity."""

    def __init__(self) -> None:
        self._by_identity: dict[bytes, Secret] = {}

    def add(self, candidate: Candidate) -> None:
        """File ``candidate`` under its secret."""
        secret = self._by_identity.get(candidate.identity)
        if secret is None:
            secret = self._by_identity[candidate.identity] = Secret(candidate)
        secret.add(candidate)

    def __len__(self) -> int:
        return len(self._by_identity)

    def candidates(self) -> list[Candidate]:
        """The best candidate of each secret."""
        return [secret.best for secret in self._by_identity.values()]

    def replace(self, candidates: Iterable[Candidate]) -> None:
        """Let later knowledge (a known test key, a generator's key) change what is said of secrets."""
        for candidate in candidates:
            self._by_identity[candidate.identity].best = candidate

    def settled(self) -> list[Secret]:
        """The secrets, without those that are only a vaguer view of another's bytes.

        One that was proved through a pointer has no place before the sweep, and stays.
        """
        secrets = sorted(self._by_identity.values(), key=lambda s: _rank(s.best), reverse=True)
        taken = _Union()
        kept: list[Secret] = []
        for secret in secrets:
            spans = [place.span for place in secret.tidy()]
            if spans and all(span in taken for span in spans):
                continue
            kept.append(secret)
            for span in spans:
                taken.add(span)
        return kept


class _Union:
    """A union of spans, to which more are added."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __contains__(self, span: Span) -> bool:
        at = bisect_right(self._starts, span.start) - 1
        return at >= 0 and span.end <= self._ends[at]

    def add(self, span: Span) -> None:
        first, end = bisect_left(self._ends, span.start), bisect_right(self._starts, span.end)
        touched = slice(first, end)
        self._starts[touched] = [min([span.start, *self._starts[touched]])]
        self._ends[touched] = [max([span.end, *self._ends[touched]])]


class Objects(Protocol):
    """The objects of a heap dump."""

    def owners(self, offsets: Sequence[int]) -> dict[int, str]:
        """What holds the bytes at these file offsets, as far as it is known."""
        ...


class Locator:
    """Says of a file offset where in the dumped process it lies; of a heap dump, with its ``heap``, in which object."""

    def __init__(self, source: Source, layout: Layout, heap: Objects | None = None) -> None:
        self._heap = heap
        self._objects: dict[int, str] = {}
        self._regions = layout.regions
        self._starts = [region.offset for region in layout.regions]
        self._images = Images(source, layout)
        self._spaces = layout.spaces

    def prepare(self, offsets: Sequence[int]) -> None:
        """Find out, at once, what holds the bytes at ``offsets``: it takes a walk over the heap."""
        if self._heap is not None and offsets:
            self._objects = self._heap.owners(offsets)

    def occurrence(self, place: Place) -> Occurrence:
        """``place`` with address, region, module and thread, as far as they are known."""
        span = place.span
        found = Occurrence(span.start, len(span), place.component, place.encoding)
        at = bisect_right(self._starts, span.start) - 1
        if at < 0:
            return found
        region = self._regions[at]
        address = None if region.address is None else region.address + span.start - region.offset
        virtual = next((v for s in self._spaces if (v := s.address_of(span.start)) is not None), None)
        mapped = virtual if self._spaces else address
        return replace(
            found,
            address=address,
            region=region.name or region.kind,
            module=None if mapped is None else self._images.describe(mapped),
            thread=region.thread,
            virtual=virtual,
            object=self._objects.get(span.start),
        )


def fingerprint(key: bytes, identity: bytes) -> str:
    """The keyed fingerprint of a secret: HMAC-SHA-256 of its identity."""
    return "hmac-sha256:" + hmac.new(key, identity, hashlib.sha256).hexdigest()


def findings(secrets: Sequence[Secret], locator: Locator, key: bytes) -> tuple[Finding, ...]:
    """Findings, the worst first, and in the order of the file among equals."""
    kept = [(secret.best, places) for secret in secrets if (places := secret.tidy())]
    locator.prepare([place.span.start for _, places in kept for place in places])
    made = [(best, tuple(locator.occurrence(place) for place in places)) for best, places in kept]
    made.sort(key=lambda pair: (-pair[0].severity, -pair[0].confidence, pair[1][0].offset, pair[0].kind))
    return tuple(
        Finding(
            id=f"F{number}",
            kind=best.kind,
            title=best.title,
            severity=best.severity,
            confidence=best.confidence,
            evidence=best.evidence,
            fingerprint=fingerprint(key, best.identity),
            occurrences=occurrences,
            signature=best.signature,
            public=_public(best.public),
            preview=best.preview,
        )
        for number, (best, occurrences) in enumerate(made, 1)
    )


def _public(public: Mapping[str, str]) -> dict[str, str]:
    return {name: public[name] for name in sorted(public)}
