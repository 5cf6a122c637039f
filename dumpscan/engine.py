"""Matchers over windows: what a worker does, and how work is handed out.

:func:`scan_window` is a picklable function of a job and a window; any :class:`concurrent.futures.Executor` can run
it. A match belongs to the window that owns its first byte, and that rule is applied here, once.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import accumulate, count, islice
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import uuid4

import numpy as np

from dumpscan.keys import public_identity
from dumpscan.literals import literal_search
from dumpscan.matchers.base import MOST_HITS, Hit, Matcher, View
from dumpscan.matchers.registry import build_matchers
from dumpscan.model import COMMAND_LINE, ENVIRONMENT, Candidate, Clue, ClueTable, Evidence, PublicKey, Span
from dumpscan.plain import PlainSource
from dumpscan.source import Source
from dumpscan.windows import PAGE, Reader, Window

_EDGE = 64
"""Bytes around a live stretch that a literal may reach into: anchors can begin or end with zeros."""

MOST_ANCHORS = 100_000
"""Anchors taken in one window: a process that has read /usr/share/doc has more than 40,000. More means a buffer that is
made of anchors; the rest is given up, and said."""

AHEAD = 4
"""Tasks in flight for each worker, with those done before an earlier one: enough to keep it busy, few enough to bound
memory, of which empty windows take none."""

FAR = 64
"""Tasks for each worker that may be in flight where most are of empty windows: one that is full may take as long as a
hundred of them."""

TOGETHER = 4
"""Windows in one task where there are many: most of a large dump's are empty, and to hand one out takes longer."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker has to know, besides the window."""

    source: Source = field(repr=False)
    signature_paths: tuple[Path, ...] = ()
    byte_order: str = "little"
    pointer_size: int = 8
    engine: str | None = None
    now: int = 0
    known_keys: tuple[PublicKey, ...] = ()
    token: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class WindowEvidence:
    """What one window holds, in file offsets; ``empty`` if all of it is zero."""

    owned: int
    zero: int
    candidates: tuple[Candidate, ...] = ()
    publics: tuple[PublicKey, ...] = ()
    clues: tuple[Clue | ClueTable, ...] = ()
    limits: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    empty: bool = False


class Scanner:
    """All matchers and their one literal search; built once in a worker."""

    def __init__(self, matchers: Sequence[Matcher], engine: str | None = None) -> None:
        self._matchers = matchers
        # anchors are numbered through all matchers: tuples of the tens of thousands take long to make
        self._firsts = list(accumulate((len(matcher.anchors) for matcher in matchers), initial=0))
        self._others: dict[int, list[int]] = {}
        numbers: dict[bytes, int] = {}
        for matcher, first in zip(matchers, self._firsts, strict=False):
            mine = dict(zip(matcher.anchors, count(first), strict=False))
            for anchor in numbers.keys() & mine.keys():
                self._others.setdefault(numbers[anchor], []).append(mine[anchor])
                mine[anchor] = numbers[anchor]
            numbers.update(mine)
        self._numbers = array("I", numbers.values())
        self._owners: dict[int, tuple[tuple[int, int], ...]] = {}
        self._search = literal_search(list(numbers), engine, cached=True)

    def prepare(self) -> None:
        """Load what the matchers would load when they first need it."""
        for matcher in self._matchers:
            if (load := getattr(matcher, "prepare", None)) is not None:
                load()

    def evidence(self, view: View, owned: Span, timer: Counter[str], limits: list[str]) -> Iterator[Evidence]:
        """What the matchers say of ``view``, in positions; a matcher that fails is a limit, not a crash.

        What does not begin in ``owned`` may be left out.
        """
        started = time.perf_counter()
        hits = self._hits(view, limits)
        timer["literals"] += int((time.perf_counter() - started) * 1e9)
        for matcher, mine in zip(self._matchers, hits, strict=True):
            if matcher.anchors and not mine:
                continue
            most = getattr(matcher, "most_hits", MOST_HITS)
            if len(mine) > most:
                limits.append(f"more beginnings of {matcher.name} than the limit of one window")
                del mine[most:]
            started = time.perf_counter()
            try:
                yield from matcher.match(view if matcher.anchors else _near(view, owned, matcher.reach), mine)
            except Exception as error:  # text of the error may quote the dump: only its type is told
                limits.append(f"matcher {matcher.name} failed ({type(error).__name__})")
            timer[matcher.name] += int((time.perf_counter() - started) * 1e9)

    def _hits(self, view: View, limits: list[str]) -> list[list[Hit]]:
        """The hits of each matcher, in order."""
        hits: list[list[Hit]] = [[] for _ in self._matchers]
        left = MOST_ANCHORS
        for span in view.live:
            start = max(0, span.start - _EDGE)
            end = min(len(view.data), span.end + _EDGE)
            found, capped = self._search.search(view.data[start:end], left)
            left -= len(found)
            for literal, position in found:
                for m, a in self._owners.get(literal) or self._owners_of(literal):
                    hits[m].append(Hit(a, start + position))
            if capped:
                limits.append("more anchor hits than the limit of one window")
                break
        return hits

    def _owners_of(self, literal: int) -> tuple[tuple[int, int], ...]:
        """The matchers that have the literal with this index, and which of their anchors it is. Few are ever met."""
        number = self._numbers[literal]
        numbers = (number, *self._others.get(number, ()))
        places = ((bisect_right(self._firsts, n) - 1, n) for n in numbers)
        self._owners[literal] = owners = tuple((m, n - self._firsts[m]) for m, n in places)
        return owners


def _near(view: View, owned: Span, reach: int) -> View:
    """``view`` without the live pages that are farther than ``reach`` from the owned span."""
    first, end = max(0, owned.start - reach) // PAGE * PAGE, -(-(owned.end + reach) // PAGE) * PAGE
    live = (Span(max(span.start, first), min(span.end, end)) for span in view.live)
    return replace(view, live=tuple(span for span in live if span.start < span.end))


@lru_cache(maxsize=2)
def _scanner(
    signature_paths: tuple[Path, ...],
    engine: str | None,
    now: int,
    known_keys: tuple[PublicKey, ...],
    byte_order: str,
) -> Scanner:
    return Scanner(build_matchers(signature_paths, now, known_keys, byte_order), engine)


def _scanner_of(job: Job) -> Scanner:
    return _scanner(job.signature_paths, job.engine, job.now, job.known_keys, job.byte_order)


_READERS: dict[str, Reader] = {}


def prepare(job: Job) -> None:
    """Compile what :func:`scan_window` needs: before processes are forked, so that they share it."""
    _scanner_of(job).prepare()


def read_window(job: Job, window: Window) -> tuple[memoryview, tuple[Span, ...], int]:
    """As :meth:`dumpscan.windows.Reader.read`, with one reader for each job in a process."""
    if job.token not in _READERS:
        _READERS.clear()
        _READERS[job.token] = Reader(job.source)
    return _READERS[job.token].read(window)


def scan_window(job: Job, window: Window) -> WindowEvidence:
    """Scan one window of ``job.source``. Raises :class:`dumpscan.errors.SourceError`."""
    timer: Counter[str] = Counter()
    limits: list[str] = []
    started = time.perf_counter()
    data, live, zero = read_window(job, window)
    if isinstance(job.source, PlainSource):
        limits.extend(job.source.problems())
    timer["read"] = int((time.perf_counter() - started) * 1e9)
    owned = 0 if window.seams else sum(len(span) for span in window.offsets(window.owned))
    zero = 0 if window.seams else zero
    if not live:
        return WindowEvidence(owned, zero, limits=tuple(limits), seconds={"read": timer["read"] / 1e9}, empty=True)
    view = View(
        data,
        live,
        job.byte_order,
        job.pointer_size,
        window.address,
        window.phase,
        window.mapped,
        window.holding(ENVIRONMENT),
        window.holding(COMMAND_LINE),
    )
    scanner = _scanner_of(job)
    found = _Sorted()
    for item in scanner.evidence(view, window.owned, timer, limits):
        found.take(window, item)
    limits.extend(found.limits)
    return WindowEvidence(
        owned,
        zero,
        tuple(found.candidates),
        tuple(found.publics.values()),
        tuple(found.clues),
        tuple(limits),
        {name: spent / 1e9 for name, spent in timer.items()},
    )


@dataclass(slots=True)
class _Sorted:
    """The evidence of a window that begins in its owned span, moved from positions to file offsets."""

    candidates: list[Candidate] = field(default_factory=list)
    publics: dict[bytes, PublicKey] = field(default_factory=dict)
    clues: list[Clue | ClueTable] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)

    def take(self, window: Window, item: Evidence) -> None:
        """Add one piece of evidence."""
        if isinstance(item, Clue):
            if item.kind == "limit":
                self.limits.append(item.note.decode("utf-8", "replace"))
            elif _concerns(window, item.start, item.end):
                self._take_clue(window, item)
        elif isinstance(item, Candidate):
            if _concerns(window, min(span.start for span in item.spans), max(span.end for span in item.spans)):
                spans = tuple(part for span in item.spans for part in window.offsets(span))
                self.candidates.append(replace(item, spans=spans))
        elif isinstance(item, ClueTable):
            self._take_table(window, item)
        elif _concerns(window, item.start, item.start + _PUBLIC):
            places = window.offsets(Span(item.start, item.start + 1))
            self.publics[public_identity(item)] = replace(item, start=places[0].start if places else -1)

    def _take_clue(self, window: Window, clue: Clue) -> None:
        if len(window.pieces) == 1:  # the common case, and there can be many thousands
            shift = window.pieces[0].offset - window.pieces[0].position
            start, end = clue.start + shift, max(clue.end, clue.start + 1) + shift
        else:
            places = window.offsets(Span(clue.start, max(clue.end, clue.start + 1)))
            if not places:
                return
            start, end = places[0].start, places[0].end
        self.clues.append(Clue(clue.kind, clue.value, start, end, clue.encoding, clue.note))

    def _take_table(self, window: Window, table: ClueTable) -> None:
        starts = table.starts
        if window.seams:
            rows = [i for i, start in enumerate(starts.tolist()) if _concerns(window, start, start + table.width)]
            table = table.rows(np.array(rows, np.intp), starts[rows])
            starts = table.starts
        owned = (starts >= window.owned.start) & (starts < window.owned.end)
        if not owned.all():
            kept = np.flatnonzero(owned)
            table = table.rows(kept, starts[kept])
            starts = table.starts
        if len(window.pieces) == 1:
            if len(starts):
                self.clues.append(table.placed(starts + (window.pieces[0].offset - window.pieces[0].position)))
            return
        moved, whole = window.moved(starts, table.width)
        if whole.any():
            self.clues.append(table.rows(np.flatnonzero(whole), moved[whole]))
        apart = np.flatnonzero(~whole)
        for clue in table.rows(apart, starts[apart]).clues():
            self._take_clue(window, clue)


_BEFORE = 512
"""Bytes before evidence in which what leads to it stands: the name of a value, the header of a number."""

_PUBLIC = 1024


def _concerns(window: Window, start: int, end: int) -> bool:
    """Whether the evidence at these positions is this window's to tell."""
    if not window.owned.start <= start < window.owned.end:
        return False
    return not window.seams or window.crosses(max(start - _BEFORE, 0), end)


_Result = TypeVar("_Result")


class Windows(Sized, Iterable[Window], Protocol):
    """Windows, and about how many they are."""


def run(
    executor: Executor | None,
    jobs: int,
    work: Callable[[Job, Window], _Result],
    job: Job,
    windows: Windows,
    crowded: Callable[[], bool] = bool,
) -> Iterator[_Result]:
    """The results of ``work(job, window)`` in the order of ``windows``; in this process if ``executor`` is None.

    As long as it is ``crowded`` (by default it never is), one of ``jobs`` processors is left to other work.
    """
    if executor is None:
        for window in windows:
            yield work(job, window)
        return
    task = partial(_several, work, job)
    rest = iter(windows)
    left = len(windows)
    pending: deque[Future[list[_Result]]] = deque()
    while some := list(islice(rest, max(1, min(TOGETHER, left // (8 * jobs))))):
        left -= len(some)  # the last windows go alone, so that all workers end together
        pending.append(executor.submit(task, some))
        while pending and (pending[0].done() or not _room(pending, jobs, crowded())):
            if pending[0].done():
                yield from pending.popleft().result()
            else:
                wait([future for future in pending if not future.done()], return_when=FIRST_COMPLETED)
    while pending:
        yield from pending.popleft().result()


def _room(pending: Iterable[Future[list[_Result]]], jobs: int, crowded: bool) -> bool:
    """Whether one more task may be in flight: where it is ``crowded`` none that is not begun at once."""
    tasks = full = under_way = 0
    for future in pending:
        tasks += 1
        if not future.done():
            under_way += 1
            full += TOGETHER
        elif future.exception() is None:
            full += sum(not getattr(result, "empty", False) for result in future.result())
    if crowded and under_way >= max(jobs - 1, 1):
        return False
    return full < TOGETHER * AHEAD * jobs and tasks < FAR * jobs


def _several(work: Callable[[Job, Window], _Result], job: Job, windows: Sequence[Window]) -> list[_Result]:
    return [work(job, window) for window in windows]
