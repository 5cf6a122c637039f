"""Scanning a dump from its path to its report."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from dumpscan.digest import NO_DIGEST, content_digest
from dumpscan.engine import Job, WindowEvidence, prepare, run, scan_window
from dumpscan.errors import FormatError
from dumpscan.findings import Locator, Objects, Place, Secret, Secrets, findings
from dumpscan.formats.memory_map import AddressMap
from dumpscan.formats.registry import plain_view, read_layout
from dumpscan.heap_values import HEAPS
from dumpscan.keys import public_identity
from dumpscan.model import (
    Candidate,
    Clue,
    Clues,
    ClueTable,
    Confidence,
    Coverage,
    DumpReport,
    Finding,
    Layout,
    PublicKey,
    Severity,
    Unread,
    all_clues,
)
from dumpscan.plain import bottom
from dumpscan.prove.means import Means, here
from dumpscan.prove.registry import conclude, prove
from dumpscan.public_places import components, copies, proven_beside, wanted
from dumpscan.seams import REACH, left_out, seam_stretches, told
from dumpscan.source import Source
from dumpscan.sweep import Found, Needles, hand_over, needles_for, sweep_window
from dumpscan.windows import MARGIN, WINDOW, Window, cut, plan
from dumpscan.workers import aside, pool
from dumpscan.wrappers import open_source

CLUE_CAP = 3_000_000
PLACE_CAP = 2_000_000
"""Clues and places kept for one dump; more than that is a limit of the report."""

MANY_CLUES = 10_000
"""Clues from which proofs are spread over the processes."""

SEAM_RATIO = 2
"""Bytes across page borders that are looked at once more, as a multiple of those of the dump."""

_SEAM_WINDOW = 1 << 20

Progress = Callable[[str, int, int], None]
"""Called with the stage, the bytes done since the last call, and the bytes of the whole stage."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to scan.

    ``jobs`` 0 means one for each processor; ``ignored`` names signatures and kinds that fail no gate; without
    ``digest`` the report has no SHA-256 of the dump (where most of it is zero, that takes the most time);
    ``fingerprint_key`` is made for the run by default; ``now`` (seconds since 1970) decides which tokens have expired.
    """

    jobs: int = 0
    signature_paths: tuple[Path, ...] = ()
    known_keys: tuple[PublicKey, ...] = ()
    min_confidence: Confidence = Confidence.POSSIBLE
    min_severity: Severity = Severity.LOW
    accepted: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    refused: tuple[str, ...] = ()
    digest: bool = True
    fingerprint_key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    window: int = WINDOW
    margin: int = MARGIN
    engine: str | None = None
    now: int = field(default_factory=lambda: int(time.time()))

    @property
    def workers(self) -> int:
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.jobs or available or 1


@dataclass(frozen=True, slots=True)
class Scan:
    """A scanned dump: what is told of it, and the secrets themselves for who has to remove them."""

    report: DumpReport
    secrets: tuple[Secret, ...] = field(repr=False)
    layout: Layout
    seconds: dict[str, float]


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody follows."""


def scan_path(path: str, options: Options, progress: Progress = silent) -> Scan:
    """Scan the dump at ``path`` (``-``: standard input). Raises :class:`dumpscan.errors.SourceError`."""
    with open_source(path) as opened:
        return scan_source(opened.source, path, options, progress, opened.unread)


def scan_source(
    source: Source, path: str, options: Options, progress: Progress = silent, unread: Sequence[Unread] = ()
) -> Scan:
    """Scan plain bytes; ``path`` is only what the report calls them."""
    source = plain_view(source)
    layout = read_layout(source)
    job = Job(
        source,
        options.signature_paths,
        layout.byte_order,
        layout.pointer_size,
        options.engine,
        options.now,
        options.known_keys,
    )
    windows = _Windows(source, layout, options)
    hashing = partial(content_digest, bottom(source))
    risky = partial(content_digest, bottom(source), mapped=True) if options.workers > 1 and len(windows) > 1 else None
    with aside(hashing, risky) if options.digest else nullcontext(NO_DIGEST) as digest:
        with pool(options.workers, windows, partial(prepare, job)) as executor:
            state = _first_pass(executor, job, windows, options, progress, digest.running)
            if windows.left_out:
                state.limits["page borders of the virtual memory too many to be looked across"] += windows.left_out
            heap = _read_heap(state, source, layout)
            _prove(state, source, layout, options, executor)
        started = time.perf_counter()
        _sweep(state, job, windows, options, layout, progress)
        state.seconds["sweep"] += time.perf_counter() - started  # type: ignore[assignment]
        return _finish(state, source, path, layout, options, (*layout.unread, *unread), digest.result(), heap)


class _Windows:
    """The windows of a scan: those that own the file, then those across the seams of virtual memory."""

    def __init__(self, source: Source, layout: Layout, options: Options) -> None:
        self._owning = list(plan(layout.regions, options.window, options.margin))
        self._spaces, self._budget = layout.spaces, SEAM_RATIO * source.size
        self._told = [region for region in layout.regions if region.holds] if layout.spaces else []
        self.left_out = left_out(self._spaces, self._budget)

    def __len__(self) -> int:
        return len(self._owning) + (sum(map(len, self._spaces)) >> 10)

    def __iter__(self) -> Iterator[Window]:
        yield from self._owning
        for window in cut(seam_stretches(self._spaces, self._budget), _SEAM_WINDOW, REACH):
            yield replace(told(window, self._told), seams=True)


class _Rest:
    """Windows without those that are known to be empty, by their indices."""

    def __init__(self, windows: _Windows, empty: Set[int]) -> None:
        self._windows, self._empty = windows, empty

    def __len__(self) -> int:
        return max(len(self._windows) - len(self._empty), 0)

    def __iter__(self) -> Iterator[Window]:
        return (window for index, window in enumerate(self._windows) if index not in self._empty)


@dataclass(slots=True)
class _State:
    secrets: Secrets = field(default_factory=Secrets)
    publics: dict[bytes, PublicKey] = field(default_factory=dict)
    tables: list[Clue | ClueTable] = field(default_factory=list, repr=False)
    clues: int = 0
    limits: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    owned: int = 0
    zero: int = 0
    places: int = 0
    empty: set[int] = field(default_factory=set)
    empty_bytes: int = 0

    def take(self, evidence: WindowEvidence) -> None:
        """Add what a window holds."""
        self.owned += evidence.owned
        self.zero += evidence.zero
        self.limits.update(evidence.limits)
        for name, spent in evidence.seconds.items():
            self.seconds[name] += spent  # type: ignore[assignment]
        for candidate in evidence.candidates:
            self.secrets.add(candidate)
        for public in evidence.publics:
            known = self.publics.get(public_identity(public))
            if known is None or len(public.label) > len(known.label):
                self.publics[public_identity(public)] = public
        self.clues += sum(len(item.starts) if isinstance(item, ClueTable) else 1 for item in evidence.clues)
        if self.clues > CLUE_CAP:
            self.limits["more key candidates than can be kept"] += 1
        else:
            self.tables.extend(evidence.clues)

    def named(self, known: Sequence[PublicKey]) -> dict[bytes, PublicKey]:
        """The public keys of the dump and those of the user, by identity."""
        return {public_identity(key): key for key in (*self.publics.values(), *known)}


def _first_pass(
    executor: Executor | None,
    job: Job,
    windows: _Windows,
    options: Options,
    progress: Progress,
    crowded: Callable[[], bool],
) -> _State:
    state = _State()
    total = job.source.size
    for index, evidence in enumerate(run(executor, options.workers, scan_window, job, windows, crowded)):
        state.take(evidence)
        if evidence.empty:
            state.empty.add(index)
            state.empty_bytes += evidence.owned
        progress("scan", evidence.owned, total)
    return state


def _read_heap(state: _State, source: Source, layout: Layout) -> Objects | None:
    """The objects of a heap dump, and the secrets that the names of their fields tell."""
    if layout.format not in HEAPS:
        return None
    started = time.perf_counter()
    try:
        heap, values = HEAPS[layout.format](source)
    except FormatError as error:
        state.limits[f"the objects are not told apart: {error}"] += 1
        return None
    for candidate in values:
        state.secrets.add(candidate)
    state.limits.update(heap.limits)
    state.seconds["objects"] += time.perf_counter() - started  # type: ignore[assignment]
    return heap


def _prove(state: _State, source: Source, layout: Layout, options: Options, executor: Executor | None) -> None:
    started = time.perf_counter()
    memory = AddressMap(layout)
    publics = state.named(options.known_keys)
    # what stands at a seam may have been met in several address spaces
    clues: Clues = tuple(dict.fromkeys(all_clues(state.tables))) if layout.spaces else state.tables
    spread = executor.map if executor and state.clues > MANY_CLUES else here
    lock = threading.Lock()  # provers are threads

    def read(address: int, size: int) -> bytes:
        with lock:
            return memory.read(source, address, size)

    def around(offset: int, before: int, after: int) -> tuple[bytes, bytes]:
        with lock:
            return memory.around(source, offset, before, after)

    proven, limits = prove(clues, tuple(publics.values()), read, Means(around, spread))
    state.limits.update(limits)
    for candidate in proven:
        state.secrets.add(candidate)
    state.secrets.replace(conclude(state.secrets.candidates(), clues, publics))
    state.seconds["proofs"] += time.perf_counter() - started  # type: ignore[assignment]


def _sweep(state: _State, job: Job, windows: _Windows, options: Options, layout: Layout, progress: Progress) -> None:
    """Give every secret the places that a search of the whole dump finds; and those that this search leads to."""
    limits: list[str] = []
    secrets = state.secrets.settled()
    known = {secret.best.identity for secret in secrets}
    keys = wanted(state.publics.values(), options.known_keys, known, limits)
    placed = _search(state, secrets, keys, job, windows, options, layout, progress)
    found: list[Candidate] = []
    if placed:
        memory = AddressMap(layout)
        means = Means(partial(memory.around, job.source))
        found.extend(proven_beside(placed, partial(memory.read, job.source), limits, means))
    state.limits.update(dict.fromkeys(limits, 1))
    for candidate in found:
        state.secrets.add(candidate)
    state.secrets.replace(conclude(found, (), state.named(options.known_keys)))
    fresh = {candidate.identity for candidate in found} - known
    later = [secret for secret in state.secrets.settled() if secret.best.identity in fresh]
    _search(state, later, [], job, windows, options, layout, silent)


def _search(
    state: _State,
    secrets: Sequence[Secret],
    publics: Sequence[PublicKey],
    job: Job,
    windows: _Windows,
    options: Options,
    layout: Layout,
    progress: Progress,
) -> list[PublicKey]:
    """Note the places of ``secrets``; returns those of ``publics``."""
    parts = [*(secret.components.values() for secret in secrets), *(components(key) for key in publics)]
    needles = needles_for(parts, layout.byte_order == "big")
    placed: list[PublicKey] = []
    if needles.dropped:
        state.limits[f"{needles.dropped} secrets too many to be looked for everywhere"] += 1
    if needles.items:
        progress("sweep", state.empty_bytes, job.source.size)
    for found, capped in _swept(needles, job, _Rest(windows, state.empty), options, progress):
        if capped:
            state.limits["more hits of known secrets than the limit of one window"] += 1
        state.places += len(found)
        if state.places > PLACE_CAP:
            state.limits["more occurrences than can be kept"] += 1
            continue
        _note([place for place in found if needles.items[place.needle].secret < len(secrets)], needles, secrets)
        placed.extend(copies(found, needles.items, len(secrets), publics))
    return placed


def _swept(
    needles: Needles, job: Job, windows: _Windows | _Rest, options: Options, progress: Progress
) -> Iterator[tuple[list[Found], bool]]:
    if not needles.items:
        return
    with pool(options.workers, windows, partial(hand_over, needles, options.engine)) as executor:
        work = partial(_sweep_window, needles.token if executor else needles)
        for window, result in zip(windows, run(executor, options.workers, work, job, windows), strict=True):
            yield result
            progress("sweep", 0 if window.seams else len(window.owned), job.source.size)


def needles_of(secrets: Sequence[Secret], layout: Layout) -> Needles:
    """What a sweep for ``secrets`` looks for in a dump like that of ``layout``."""
    return needles_for([secret.components.values() for secret in secrets], layout.byte_order == "big")


def sweep_source(
    source: Source, layout: Layout, secrets: Sequence[Secret], options: Options, needles: Needles | None = None
) -> list[Secret]:
    """Look in ``source``, laid out as ``layout`` says, for secrets known from elsewhere; returns those with places.

    ``needles`` spare the work of making them, if they were made of the same secrets before.
    """
    source = plain_view(source)
    fresh = [Secret(secret.best) for secret in secrets]
    job = Job(source, byte_order=layout.byte_order, engine=options.engine)
    windows = _Windows(source, layout, options)
    needles = needles or needles_of(secrets, layout)
    for found, _ in _swept(needles, job, windows, options, silent):
        _note(found, needles, fresh)
    return [secret for secret in fresh if secret.places]


def _sweep_window(needles: Needles | str, job: Job, window: Window) -> tuple[list[Found], bool]:
    return sweep_window(needles, job, window)


def _note(found: Sequence[Found], needles: Needles, secrets: Sequence[Secret]) -> None:
    for place in found:
        needle = needles.items[place.needle]
        encoding = needle.encoded.name if place.whole else f"{needle.encoded.name} (residue)"
        for span in place.spans:
            secrets[needle.secret].place(Place(span, needle.component, encoding))


def _finish(
    state: _State,
    source: Source,
    path: str,
    layout: Layout,
    options: Options,
    unread: tuple[Unread, ...],
    sha256: str,
    heap: Objects | None,
) -> Scan:
    secrets = tuple(s for s in state.secrets.settled() if s.best.confidence >= options.min_confidence)
    found = findings(secrets, Locator(source, layout, heap), options.fingerprint_key)
    state.limits.update(options.refused)
    limits = tuple(f"{text} ({count}x)" if count > 1 else text for text, count in sorted(state.limits.items()))
    report = DumpReport(
        path=path,
        size=bottom(source).size,
        sha256=sha256,
        format=layout.format,
        architecture=layout.architecture,
        verdict=verdict(found, bool(unread or limits or state.owned != source.size), options),
        coverage=Coverage(source.size, state.owned - state.zero, state.zero, unread, limits),
        findings=found,
    )
    return Scan(report, secrets, layout, dict(state.seconds))


def verdict(found: Sequence[Finding], incomplete: bool, options: Options) -> str:
    """What is to be said of a dump in which ``found`` was found."""
    if incomplete:
        return "inconclusive"
    return "findings" if any(counts(finding, options) for finding in found) else "clean"


def counts(finding: Finding, options: Options) -> bool:
    """Whether ``finding`` fails a gate: at or above the thresholds, not merely informative, not accepted."""
    return (
        finding.severity >= max(options.min_severity, Severity.LOW)
        and finding.confidence >= options.min_confidence
        and finding.fingerprint not in options.accepted
        and options.ignored.isdisjoint((finding.kind, finding.signature or finding.kind))
    )
