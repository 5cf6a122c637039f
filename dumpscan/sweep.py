"""The second pass: every copy and every residue of the secrets that are known by now.

Each encoding of each component is cut into *probes*, short literals so placed that any residue holds one whole
probe; one literal search finds the probes, and each hit is extended to both sides as far as the bytes agree.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from uuid import uuid4

from dumpscan.encodings import SIGNED_LIMBS, Encoded, encodings, sweepable
from dumpscan.engine import Job, read_window
from dumpscan.literals import LiteralSearch, literal_search, most_literals
from dumpscan.model import Component, Span
from dumpscan.windows import Window

_EDGE = 64
_MIN_VARIETY = 4
_ZERO = {0}


@dataclass(frozen=True, slots=True)
class Needle:
    """One encoding of one component of the secret with index ``secret``; probes are ``size`` bytes from ``starts``."""

    secret: int
    component: str
    encoded: Encoded = field(repr=False)
    size: int = 0
    starts: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A place of a needle, in file offsets; ``whole`` unless it is a residue."""

    needle: int
    spans: tuple[Span, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A place of a needle in the bytes of a window; ``whole`` unless it is a residue."""

    needle: int
    span: Span
    whole: bool


@dataclass(frozen=True, slots=True)
class Needles:
    """What a sweep looks for; ``token`` stands for it in caches, ``dropped`` secrets did not fit."""

    items: tuple[Needle, ...] = field(compare=False)
    token: str
    dropped: int = field(default=0, compare=False)


def needles_for(secrets: Sequence[Iterable[Component]], big_endian: bool = False) -> Needles:
    """The needles of all components that :func:`sweepable` admits, up to :func:`most_literals` probes.

    Secrets that do not fit are not swept, and that is a limit of the report.
    """
    items: list[Needle] = []
    most = most_literals()
    dropped = 0
    for index, components in enumerate(secrets):
        mine = [
            Needle(index, component.name, encoded, *_probes(encoded))
            for component in components
            if sweepable(component)
            for encoded in encodings(component, big_endian)
        ]
        count = sum(len(needle.starts) for needle in mine)
        if count > most:
            dropped += 1
            continue
        most -= count
        items.extend(mine)
    return Needles(tuple(items), uuid4().hex, dropped)


def _probes(encoded: Encoded) -> tuple[int, list[int]]:
    """The size of its probes, and where in the encoded bytes they begin."""
    data, residue = encoded.data, encoded.residue
    if encoded.wraps and residue > 12:
        size, stride = 6, 6  # a line break may split the residue in two halves
    elif encoded.name in SIGNED_LIMBS or encoded.name.endswith(("utf-16", "utf-32")):
        size = min(16, residue)  # half of these bytes tell little
        stride = max(residue - size + 1, 1)
    else:
        size = min(8, residue)
        stride = max(residue - size + 1, 1)
    whole = residue >= len(data)
    last = max(len(data) - size, 0)
    starts = [0] if whole else range(0, last + 1, stride)
    distinct = [start for start in starts if len({*data[start : start + size]} - _ZERO) >= _MIN_VARIETY]
    if whole and not distinct:  # only the whole counts: any of its parts may lead to it
        distinct = [max(range(last + 1), key=lambda start: len({*data[start : start + size]}))]
    return size, distinct


class Sweeper:
    """The compiled needles."""

    def __init__(self, needles: Needles, engine: str | None = None) -> None:
        self._needles = needles.items
        # a literal for each probe of each needle, though some be the same: to bring those together takes longer
        self._owner, self._start = array("I"), array("I")
        literals: list[bytes] = []
        for index, needle in enumerate(self._needles):
            data, size = needle.encoded.data, needle.size
            literals.extend([data[start : start + size] for start in needle.starts])
            self._owner.extend(repeat(index, len(needle.starts)))
            self._start.extend(needle.starts)
        self._search: LiteralSearch = literal_search(literals, engine)

    def places(self, data: memoryview, live: Iterable[Span]) -> tuple[list[Place], bool]:
        """All places in ``data``, and whether the search was capped."""
        found: list[Place] = []
        done: dict[int, int] = {}
        capped = False
        for span in live:
            start, end = max(0, span.start - _EDGE), min(len(data), span.end + _EDGE)
            hits, cut = self._search.search(data[start:end])
            capped |= cut
            for literal, position in hits:
                self._extend(self._owner[literal], self._start[literal], start + position, data, done, found)
        return found, capped

    def _extend(
        self, index: int, within: int, at: int, data: memoryview, done: dict[int, int], found: list[Place]
    ) -> None:
        if at < done.get(index, -1):
            return  # inside a place that an earlier probe led to
        encoded = self._needles[index].encoded
        span, matched = extend(data, at, encoded, within)
        if matched >= min(encoded.residue, len(encoded.data)):
            found.append(Place(index, Span(span.start + encoded.lead, span.end), matched == len(encoded.data)))
            done[index] = span.end


def extend(data: memoryview, at: int, encoded: Encoded, within: int) -> tuple[Span, int]:
    """The longest agreement of ``data`` around ``at`` with ``encoded.data`` around ``within``.

    Returns the span in ``data`` and the number of encoded bytes that agree (line breaks are in the span, and do
    not count).
    """
    text = encoded.data
    right, matched_right = _forward(data, at, text[within:], encoded.wraps)
    left, matched_left = _backward(data, at, text[:within], encoded.wraps)
    return Span(left, right), matched_left + matched_right


_BREAKS = (b"\n", b"\r\n", b"\\n", b"\\r\\n", b"\\\\n")


def _forward(data: memoryview, at: int, text: bytes, wraps: bool) -> tuple[int, int]:
    done = 0
    end = at
    while True:
        run = _common_prefix(bytes(data[end : end + len(text) - done]), text[done:])
        end, done = end + run, done + run
        if not wraps or done == len(text) or not run:
            return end, done
        following = bytes(data[end : end + 5])
        skip = max((len(b) for b in _BREAKS if following.startswith(b)), default=0)
        if not skip or data[end + skip : end + skip + 1] != text[done : done + 1]:
            return end, done
        end += skip


def _backward(data: memoryview, at: int, text: bytes, wraps: bool) -> tuple[int, int]:
    done = 0
    start = at
    while True:
        wanted = text[: len(text) - done]
        low = max(0, start - len(wanted))
        run = _common_prefix(bytes(data[low:start])[::-1], wanted[::-1])
        start, done = start - run, done + run
        if not wraps or done == len(text) or (not run and start != at):
            return start, done
        before = bytes(data[max(0, start - 5) : start])
        skip = max((len(b) for b in _BREAKS if before.endswith(b)), default=0)
        last = text[len(text) - done - 1 : len(text) - done]
        if not skip or start - skip < 1 or bytes(data[start - skip - 1 : start - skip]) != last:
            return start, done
        start -= skip


def _common_prefix(a: bytes, b: bytes) -> int:
    """How many leading bytes agree."""
    size = min(len(a), len(b))
    if a[:size] == b[:size]:
        return size
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


_HANDED_OVER: dict[str, Needles] = {}


def hand_over(needles: Needles, engine: str | None) -> None:
    """Make ``needles`` known to this process, compiled, so that a task need only name their token."""
    _HANDED_OVER.clear()
    _HANDED_OVER[needles.token] = needles
    _sweeper(needles, engine)


@lru_cache(maxsize=2)
def _sweeper(needles: Needles, engine: str | None) -> Sweeper:
    return Sweeper(needles, engine)


def sweep_window(needles: Needles | str, job: Job, window: Window) -> tuple[list[Found], bool]:
    """All places of the needles that begin in the owned span of ``window``, and whether the search was capped.

    ``needles`` may be the token of needles that were handed over to this process. Raises
    :class:`dumpscan.errors.SourceError`.
    """
    known = _HANDED_OVER[needles] if isinstance(needles, str) else needles
    data, live, _ = read_window(job, window)
    if not live:
        return [], False
    places, capped = _sweeper(known, job.engine).places(data, live)
    owned = window.owned
    mine = [place for place in places if owned.start <= place.span.start < owned.end]
    found = [Found(place.needle, tuple(window.offsets(place.span)), place.whole) for place in mine]
    return [place for place in found if len(place.spans) > 1 or not window.seams], capped
