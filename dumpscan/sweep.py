"""The second pass: every copy and every residue of the secrets that are known by now.

Each encoding of each component is cut into *probes*, short literals so placed that any residue holds one whole
probe; one literal search finds the probes, and each hit is extended to both sides as far as the bytes agree.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from uuid import uuid4

from dumpscan import kernel
from dumpscan.encodings import SIGNED_LIMBS, Encoded, encodings, is_telling, sweepable
from dumpscan.engine import Job, read_window
from dumpscan.literals import LiteralSearch, literal_search, most_literals
from dumpscan.model import Component, Span, merged_spans
from dumpscan.windows import Window

MOST_SHARED = 8
"""Secrets that may have a part of their text in common for it to be a residue of each. What more of them share, as the
tokens of one issuer do their header, tells none of them; nor is one text looked for on behalf of more secrets."""

_MORE = 2
"""Probes that are made, as a multiple of those that are looked for: texts have some in common."""

_PIECE = 4
"""Characters of a short text that must not survive beside a residue of it."""

_NEARBY = 64
"""Bytes on each side of a residue where such pieces are looked for: hash functions keep a block of so many."""

_EDGE = 64
_MIN_VARIETY = 4


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
    most = most_literals()
    room = _MORE * most
    each: list[list[_Cut]] = []
    for components in secrets:
        each.append([
            (component, encoded, *_probes(encoded))
            for component in components
            if sweepable(component)
            for encoded in encodings(component, big_endian)
        ])  # fmt: skip
        room -= sum(len(starts) for *_, starts in each[-1])
        if room < 0:
            break
    telling = _telling(each)
    items: list[Needle] = []
    dropped = len(secrets) - len(each)
    for index, mine in enumerate(each):
        needles = [
            Needle(index, component.name, encoded, size, kept)
            for component, encoded, size, starts in mine
            if (kept := telling(component, encoded, size, starts))
        ]
        count = sum(len(needle.starts) for needle in needles)
        if count > most:
            dropped += 1
            continue
        most -= count
        items.extend(needles)
    return Needles(tuple(items), uuid4().hex, dropped)


_Cut = tuple[Component, Encoded, int, list[int]]
"""A component in one encoding, the size of its probes, and where in the encoded bytes they begin."""


def _telling(each: Sequence[Sequence[_Cut]]) -> Callable[[Component, Encoded, int, list[int]], list[int]]:
    """Tells which of the probes of a text to look for: without those that too many secrets have.

    If they have all of them they have the text in common, and it is looked for on behalf of some.
    """
    counts: Counter[bytes] = Counter()
    wholes: Counter[bytes] = Counter()
    for mine in each if len(each) > MOST_SHARED else ():
        counts.update({
            probe
            for component, encoded, size, starts in mine
            if component.form in _TEXTS
            for probe in _cut(encoded, size, starts)
        })  # fmt: skip

    def telling(component: Component, encoded: Encoded, size: int, starts: list[int]) -> list[int]:
        if component.form not in _TEXTS or not counts:
            return starts
        probes = _cut(encoded, size, starts)
        rare = [start for start, probe in zip(starts, probes, strict=True) if counts[probe] <= MOST_SHARED]
        if rare:
            return rare
        wholes[encoded.data] += 1
        return starts if wholes[encoded.data] <= MOST_SHARED else []

    return telling


_TEXTS = ("text", "raw")
"""Forms of components that may have something in common with others; numbers have not."""


def _cut(encoded: Encoded, size: int, starts: Iterable[int]) -> list[bytes]:
    return [encoded.data[start : start + size] for start in starts]


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
    size = min(size, len(data))
    if residue < len(data):
        return size, _varied(data, size, stride)
    if starts := _varied(data[:size], size, 1):
        return size, starts
    # only the whole counts: any of its parts may lead to it
    return size, [max(range(len(data) - size + 1), key=lambda start: len({*data[start : start + size]}))]


def _varied(data: bytes, size: int, stride: int) -> list[int]:
    """Every ``stride``-th place from which ``size`` bytes tell something."""
    if kernel.literals is not None:
        places: list[int] = kernel.literals.varied(data, size, stride, _MIN_VARIETY)
        return places
    places = [*range(0, len(data) - size + 1, stride)]
    return [start for start in places if len({*data[start : start + size]} - {0}) >= _MIN_VARIETY]


class Sweeper:
    """The compiled needles."""

    def __init__(self, needles: Needles, engine: str | None = None) -> None:
        self._needles = needles.items
        # a literal for each probe of each needle, though some be the same: to bring those together takes longer
        self._owner, self._start = array("I"), array("I")
        literals: list[bytes] = []
        for index, needle in enumerate(self._needles):
            literals.extend(_cut(needle.encoded, needle.size, needle.starts))
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
        if matched < min(encoded.residue, len(encoded.data)):
            return
        whole = matched == len(encoded.data)
        place = Place(index, Span(span.start + encoded.lead, span.end), whole)
        if not whole and encoded.pieces:
            first = span.start + (at - within - span.start) % encoded.pieces
            if not is_telling(bytes(data[first : span.end : encoded.pieces])):
                return
            found.extend(Place(index, piece, False) for piece in _pieces(data, span, encoded))
        found.append(place)
        done[index] = span.end


def _pieces(data: memoryview, around: Span, encoded: Encoded) -> list[Span]:
    """Pieces of a text on both sides of a residue of it: a password is hashed in blocks that repeat it."""
    size = _PIECE * encoded.pieces
    known = {encoded.data[at : at + size] for at in range(0, len(encoded.data) - size + 1, encoded.pieces)}
    low, high = max(0, around.start - _NEARBY), min(around.end + _NEARBY, len(data))
    starts = (*range(low, around.start - size + 1), *range(around.end, high - size + 1))
    return merged_spans(Span(at, at + size) for at in starts if bytes(data[at : at + size]) in known)


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
