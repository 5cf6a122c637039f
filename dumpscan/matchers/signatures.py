"""Signatures in every form that memory holds text in.

The engine finds the signatures' anchors, as ASCII, UTF-16, UTF-32, hex and base64. Here the surroundings of each hit
are turned into plain text, and the pieces of a window go through YARA together, so that a window full of anchors costs
little more than one with a few.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import marshal
import os
import platform
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple

import yara

from dumpscan import cache
from dumpscan.documentation_examples import is_documentation
from dumpscan.matchers.asked_anchors import asked_anchors
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.text_layers import (
    BASE64,
    BASE64_BASE64,
    BASE64_WIDE,
    Form,
    Piece,
    decoded_run,
    inner_runs,
    merged,
    narrowed,
    plain,
    text_follows,
    unescaped,
)
from dumpscan.model import Candidate, Clue, Component, Confidence, Evidence, Span
from dumpscan.plausibility import harmlessly_named, is_placeholder
from dumpscan.signatures_loader import BOUNDARIES, TAILS, Ruleset, Signature
from dumpscan.validators import VALIDATORS
from dumpscan.verdicts import Match, Verdict

_GAP = b"\0\0\0\0"
_CHUNK = 1 << 19
_RUN = 2048
_AROUND = 64
"""Bytes on either side of a match that its judgement may depend on, at least."""

MOST_JUDGED = 8_000
"""Different matches of all rules judged in one window, some 10 µs each; more is a recorded limit. What stands inside a
longer run, or is called a harmless key, is refused before and costs a fifth of that."""

MOST_MATCHES = 50_000
"""Matches in one window, the same ones too; no more are judged, and that is a recorded limit."""

_FORM_WIDTH = {Form.ASCII: 1, Form.UTF16: 2, Form.UTF32: 4}


class _Place(NamedTuple):
    """What an anchor asks for: text of a form (``width`` 0: encoded, with ``shift`` bytes modulo three before it), and
    ``need`` characters of it on either side, as the rules have it that share the anchor. If more text must follow the
    anchor in base64, ``leads`` is the number of its characters, else 0."""

    form: Form
    width: int
    shift: int
    need: int
    leads: int


class SignatureMatcher:
    """Finds what the signatures of a ruleset describe."""

    name = "signatures"
    most_hits = 1 << 30  # YARA judges many places together; what it finds is bounded in _run

    def __init__(self, ruleset: Ruleset) -> None:
        self.rules: tuple[Signature, ...] = ruleset.rules
        self._asked = asked_anchors(ruleset.rules)
        self.anchors: Sequence[bytes] = self._asked.literals
        self._places: dict[int, tuple[_Place, ...]] = {}
        self._sources = tuple(rule.source for rule in ruleset.rules)
        longest = max((r.longest + r.reach for r in ruleset.rules), default=0)
        self.reach = max(4 * longest, 2 * longest * 4 // 3, _RUN) + _RUN + 64

    def prepare(self) -> None:
        """Have YARA's rules, which the first hit needs."""
        _together(self._sources)

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        """Judge the surroundings of ``hits``; positions count from the start of ``view.data``."""
        asked: dict[tuple[Form, int], dict[int, int]] = {}
        for anchor, start in hits:
            for form, width, shift, need, leads in self._places.get(anchor) or self._places_of(anchor):
                if leads and not text_follows(view.data, start, shift, leads):
                    continue
                wanted = asked.setdefault((form, start % width if width else shift), {})
                if wanted.get(start, 0) < need:
                    wanted[start] = need
        pieces: list[Piece] = []
        inner: dict[tuple[int, int], Piece] = {}
        for (form, phase), wanted in asked.items():
            for piece in _pieces(view.data, form, phase, sorted(wanted.items())):
                if form in (BASE64, BASE64_WIDE, BASE64_BASE64):
                    inner[piece.base, len(piece.text)] = piece
                if form is not BASE64_BASE64:
                    pieces.append(piece)
        judge = _Judge()
        found = [c for some in _batches(chain(pieces, _inside(inner.values()))) for c in self._run(some, judge)]
        limits = (Clue("limit", b"", 0, 0, "", text.encode()) for text in judge.limits)
        return [*_settled(_one_reading(found)), *limits]

    def _places_of(self, anchor: int) -> tuple[_Place, ...]:
        """What the anchor with this index asks for. Few of them are ever met, so they are made when they are."""
        rows: dict[tuple[Form, int], list[tuple[int, int]]] = {}
        for form, shift, need, leads in self._asked.of(anchor):
            rows.setdefault((form, shift), []).append((need, leads if form is BASE64 else 0))
        places = tuple(
            _Place(
                form, _FORM_WIDTH.get(form, 0), shift, max(need for need, _ in some), min(leads for _, leads in some)
            )
            for (form, shift), some in rows.items()
        )
        self._places[anchor] = places
        return places

    def _run(self, pieces: Sequence[Piece], judge: _Judge) -> Iterator[Candidate]:
        """Run the signatures over pieces laid end to end; a match across two pieces is none."""
        if judge.matches > MOST_MATCHES:
            return
        starts, size = [], 0
        for piece in pieces:
            starts.append(size)
            size += len(piece.text) + len(_GAP)
        for match in _together(self._sources).match(data=_GAP.join(piece.text for piece in pieces)):
            rule = self.rules[int(match.namespace)]
            end = -1
            for offset, length in _instances(match):
                judge.matches += 1
                if judge.matches > MOST_MATCHES:
                    judge.limits.add("more matches of signatures than the limit of one window")
                    return
                if judge.judged >= MOST_JUDGED:
                    judge.limits.add(f"more matches of {rule.id} than the limit of one window")
                    break
                index = bisect_right(starts, offset) - 1
                piece, low = pieces[index], offset - starts[index]
                if offset < end or low + length > len(piece.text):
                    continue
                candidate = judge(rule, piece, low, low + length)
                if candidate is not None:
                    end = offset + length
                    yield candidate


@lru_cache(maxsize=2)
def _together(sources: tuple[str, ...]) -> Any:
    """All rules in one ``yara.Rules``, of which each takes 8 MiB, however small; the namespace is the rule's index."""
    if len(sources) < cache.WORTH_KEEPING:
        return _compiled(sources)
    digest = hashlib.sha256(marshal.dumps(sources, 2)).hexdigest()  # 2: what is equal gives the same bytes
    key = f"yara {digest} {yara.YARA_VERSION} {yara.__version__} {platform.machine()} {sys.platform}"
    return cache.kept(key, partial(_compiled, sources), _saved, _loaded, (yara.Error,))


def _compiled(sources: Sequence[str]) -> Any:
    return yara.compile(sources={str(index): source for index, source in enumerate(sources)}, includes=False)


def _saved(rules: Any) -> bytes:
    saved = io.BytesIO()
    rules.save(file=saved)
    return saved.getvalue()


def _loaded(stored: bytes) -> Any:
    """The rules that were saved. YARA reads what has a path three times as fast as a file object: in 39,000 calls."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("rules"), "wb", buffering=0) as file, contextlib.suppress(yara.Error):
            file.write(stored)
            return yara.load(f"/proc/self/fd/{file.fileno()}")
    return yara.load(file=io.BytesIO(stored))


def _pieces(data: memoryview, form: Form, phase: int, wanted: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    """The plain text around anchors of one form: ``wanted`` are their starts, and the characters needed around each."""
    width = _FORM_WIDTH.get(form)
    if width:  # escaped characters take three places; some are to be expected
        around = [(start - need * width, start + need * width * 3 // 2) for start, need in wanted]
        for low, high in merged(around, len(data), _CHUNK):
            for text in plain(data, low, high, width, phase):
                yield text
                yield from unescaped(text)
        return
    ratio = 4 if form is BASE64_WIDE else 2
    covered = -1
    for start, need in wanted:
        if start < covered:
            continue
        piece, covered = decoded_run(data, start, form, phase, max(need * ratio, _RUN))
        if piece is not None:
            yield from narrowed(piece) if form is BASE64_WIDE else (piece,)


def _batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """The pieces, as many at a time as YARA is to judge in one go."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.text) + len(_GAP)
        if size > _CHUNK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _inside(outer: Iterable[Piece]) -> Iterator[Piece]:
    """Base64 within decoded base64, and that once more."""
    budget = 1 << 18
    for piece in outer:
        for run in inner_runs(piece):
            budget -= len(run.text)
            if budget < 0:
                return
            yield run
            yield from narrowed(run)


@dataclass(slots=True)
class _Judge:
    """Judges the matches of one window: what stands there again and again once, and only so many different ones."""

    known: dict[tuple[str, bytes], tuple[Candidate, int, int] | None] = field(default_factory=dict, repr=False)
    matches: int = 0
    judged: int = 0
    limits: set[str] = field(default_factory=set)

    def __call__(self, rule: Signature, piece: Piece, start: int, end: int) -> Candidate | None:
        around = max(rule.reach, _AROUND)
        key = (rule.id + piece.encoding, piece.text[max(0, start - around) : end + around])
        if key not in self.known:
            value = _value_of(rule, piece, start, end)
            self.judged += value is not None
            at = value and _judge(rule, piece, *value)
            self.known[key] = at and (at[0], at[1] - start, at[2] - start)
        again = self.known[key]
        if again is None:
            return None
        candidate, first, last = again
        return replace(candidate, spans=(Span(*piece.outer(start + first, start + last)),))


def _instances(match: Any) -> list[tuple[int, int]]:
    """(offset, length) of all that a rule matched, the leftmost first and of those the longest."""
    found = {(i.offset, i.matched_length) for string in match.strings for i in string.instances}
    return sorted(found, key=lambda item: (item[0], -item[1]))


_ESCAPE_BEFORE = re.compile(rb"(?:%[0-9A-Fa-f]{2}|\\[nrtbf]|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2})\Z")


@lru_cache(maxsize=16)
def _alphabet(name: str) -> frozenset[int]:
    expression = BOUNDARIES[name]
    return frozenset(i for i in range(256) if expression and re.match(b"[" + expression + b"]", bytes([i])))


def _bounded(name: str, text: bytes, start: int, end: int) -> bool:
    """Whether the match stands alone, rather than inside a longer run of its own alphabet."""
    alphabet = _alphabet(name)
    if start and text[start] in alphabet and text[start - 1] in alphabet:
        padding = text[start - 1] == 0x3D  # key=value: what pads base64 ends a run, it does not continue one
        if not padding and not _ESCAPE_BEFORE.search(text[max(0, start - 6) : start]):
            return False
    if end >= len(text) or text[end - 1] not in alphabet:
        return True
    return text[end] not in alphabet or (text[end] == 0x3D and text[end - 1] == 0x3D)


@lru_cache(maxsize=2048)
def _value(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("latin-1"), re.S)


@lru_cache(maxsize=16)
def _tail(name: str) -> re.Pattern[bytes]:
    return re.compile(b"[" + TAILS[name] + b"]*")


def _value_of(rule: Signature, piece: Piece, start: int, end: int) -> tuple[int, int] | None:
    """Where the value of a match begins and ends in the piece; None if it is seen at once to be none."""
    if rule.value:
        inside = _value(rule.value).search(piece.text[start:end])
        if inside is None or inside.start(1) < 0:
            return None
        start, end = start + inside.start(1), start + inside.end(1)
    if rule.tail and (rest := _tail(rule.tail).match(piece.text, end, end + rule.reach)):
        end = rest.end()
    if start == end or not _bounded(rule.boundary, piece.text, start, end):
        return None
    if rule.validator == "named-token" and harmlessly_named(Match(piece.text, start, end)):
        return None
    return start, end


def _judge(rule: Signature, piece: Piece, start: int, end: int) -> tuple[Candidate, int, int] | None:
    """The candidate that a value is, and where it begins and ends in the piece; None if it is none."""
    value = piece.text[start:end]
    if is_documentation(value) or (not rule.placeholders and is_placeholder(value)):
        return None
    verdict: Verdict | None = Verdict()
    if rule.validator:
        verdict = VALIDATORS[rule.validator](Match(piece.text, start, end))
    if verdict is None:
        return None
    if verdict.span:
        start, end = verdict.span
        value = piece.text[start:end]
        if is_documentation(value):
            return None
    return _candidate(rule, piece, value, (start, end), verdict), start, end


def _candidate(rule: Signature, piece: Piece, value: bytes, at: tuple[int, int], verdict: Verdict) -> Candidate:
    components = [Component("value", value, "text")]
    if verdict.password:
        components.append(Component("password", verdict.password, "text"))
    return Candidate(
        kind=verdict.kind or rule.kind,
        title=verdict.title or rule.title,
        identity=value,
        spans=(Span(*piece.outer(*at)),),
        encoding=piece.encoding,
        components=tuple(components),
        severity=rule.severity if verdict.severity is None else verdict.severity,
        confidence=rule.confidence if verdict.confidence is None else verdict.confidence,
        evidence=verdict.evidence or "documented format",
        signature=rule.id,
        public=verdict.public,
        preview=_preview(rule, value),
    )


def _preview(rule: Signature, value: bytes) -> str:
    text = value.decode("latin-1")
    prefix = max((a for a in rule.anchors if text.startswith(a) and len(text) >= len(a) + 8), key=len, default="")
    return f"{prefix}… ({len(value)} characters)"


def _one_reading(found: Iterable[Candidate]) -> list[Candidate]:
    """Of overlapping little- and big-endian readings of one wide text, the longer; of equals, the little-endian.

    UTF-16LE after a zero byte, or UTF-16BE before one, reads alike both ways. Big-endian text is rare in memory.
    """
    wide: dict[tuple[str | None, str], list[Candidate]] = {}
    kept: list[Candidate] = []
    for candidate in found:
        if candidate.encoding in ("utf-16le", "utf-16be", "utf-32le", "utf-32be"):
            wide.setdefault((candidate.signature, candidate.encoding[:6]), []).append(candidate)
        else:
            kept.append(candidate)
    for group in wide.values():
        chosen: list[Candidate] = []
        for candidate in sorted(group, key=lambda c: (c.spans[0].start, c.spans[0].end)):
            if not chosen or candidate.spans[0].start >= chosen[-1].spans[0].end:
                chosen.append(candidate)
            elif _likelier(candidate) > _likelier(chosen[-1]):
                chosen[-1] = candidate
        kept += chosen
    return kept


def _likelier(candidate: Candidate) -> tuple[int, bool]:
    return len(candidate.identity), candidate.encoding.endswith("le")


def _settled(found: Iterable[Candidate]) -> list[Candidate]:
    """One candidate for one place: the surer, with what others tell; a generic guess gives way to a named format."""
    best: dict[tuple[int, int], Candidate] = {}
    for candidate in found:
        span = candidate.spans[0]
        key = (span.start, span.end)
        other = best.get(key)
        if other is None:
            best[key] = candidate
        else:
            less, more = sorted((candidate, other), key=_rank)
            best[key] = replace(more, public={**less.public, **more.public}) if less.public else more
    kept: list[Candidate] = []
    sure = sorted((c.spans[0] for c in best.values() if c.confidence > Confidence.POSSIBLE), key=lambda s: s.start)
    begins = [s.start for s in sure]
    for candidate in sorted(best.values(), key=lambda c: (c.spans[0].start, c.spans[0].end)):
        span = candidate.spans[0]
        near = sure[max(0, bisect_right(begins, span.end) - 8) : bisect_right(begins, span.end)]
        if candidate.confidence > Confidence.POSSIBLE or not any(
            s.start < span.end and span.start < s.end for s in near
        ):
            kept.append(candidate)
    return kept


def _rank(candidate: Candidate) -> tuple[int, int, str]:
    return candidate.confidence, candidate.severity, candidate.signature or ""
