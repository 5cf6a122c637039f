"""AES key schedules, in every order in which libraries keep them.

The words of a schedule are linear in each other but for one in ``nk`` (two for AES-256): w[i] = w[i-1] ^ w[i-nk]. That
holds for big- and little-endian words alike, and, InvMixColumns being linear, for decryption schedules. One XOR of
neighbouring words serves six comparisons (three key sizes, two orders of round keys); where one holds, the non-linear
step with its round constant is checked, which also tells the place in the schedule; what remains is expanded.

Which library keeps what (read in their sources): encryption is ``forward`` everywhere. Decryption is ``reversed`` and
mixed in OpenSSL, Linux, Go, mbedTLS, wolfSSL and with AES-NI, ``forward`` and mixed in libgcrypt's portable code,
``rotated`` and mixed in Java. Words are swapped in Java, wolfSSL and table-driven C (OpenSSL's portable code too).
Not seen: schedules in another basis (OpenSSL's vpaes, bit-sliced code), which only processors without AES
instructions use.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dumpscan import aes, kernel
from dumpscan.matchers import boringssl_drbg
from dumpscan.matchers.base import Hit, View
from dumpscan.model import Candidate, Clue, Component, Confidence, Evidence, Severity, Span

_BLOCK = 32768
"""64-bit words scanned at a time: 256 KiB, which with the XORs and flags fits an L2 cache of 1 MiB."""
_MARGIN = 16
"""64-bit words beyond a block that its comparisons reach."""
_REPEATS = 14
"""Comparisons beyond a block: a relation must repeat."""
_GAP = 64 << 10
"""Zero bytes that cost less to scan than a second block costs to start."""
_MOST_HITS = 131072
"""Words of one window for which the linear relation may hold before the rest is left alone: eleven of a schedule."""
_MOST_FOUND = 16384
"""Schedules of one window that are reported before the rest is left alone."""
_MOST_BYTES = 4 * aes.words(8)

_KNOWN_KEYS = frozenset(
    {bytes(range(size)) for size in (16, 24, 32)}
    | {
        bytes.fromhex(key)
        for key in (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        )
    }
)
"""Keys that are public: FIPS 197, appendices A and C; NIST SP 800-38A, appendix F; 00 01 .. 1f is also the fixed key of
the block cipher derivation function of a CTR_DRBG (NIST SP 800-90A, section 10.3.2)."""


@dataclass(frozen=True, slots=True)
class _Relation:
    """A linear relation, and where it puts a schedule.

    It compares the XOR of neighbouring words, at ``xor``, with the word at ``plain`` (both counted from the word where
    a comparison starts; pairs of words when ``pairs``). ``phases`` are the possible distances, in words, from there to
    a word whose index in the schedule is a multiple of ``nk``; ``before`` and ``back`` lead from that word to the one
    before it and to the one ``nk`` before it. ``repeats`` are the later comparisons, in pairs or words, that must hold
    as well: the same columns of the next round keys.
    """

    nk: int
    orders: tuple[str, ...]
    xor: int
    plain: int
    pairs: bool
    phases: tuple[int, ...]
    before: int
    back: int
    repeats: tuple[int, ...] = (2, 4)


_RELATIONS = (
    _Relation(4, ("forward",), 2, 0, True, (3, 2), -1, -4),
    _Relation(6, ("forward",), 4, 0, True, (5, 4), -1, -6, (3, 6)),
    _Relation(8, ("forward",), 6, 0, True, (7, 6), -1, -8),
    _Relation(4, ("reversed", "rotated"), 0, 6, True, (1, 0), 7, 4),
    _Relation(6, ("reversed", "rotated"), 0, 4, False, (8,), 7, 10, (1, 8, 9, 12, 13)),
    _Relation(8, ("reversed", "rotated"), 0, 10, True, (1, 0), 7, 8),
)
"""For pairs, neighbours' XOR number k is that of words k + 1 and k + 2, so that both sides are aligned."""

Words = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to store a schedule."""

    nk: int
    order: str
    mixed: bool
    swapped: bool

    @property
    def encoding(self) -> str:
        order = "" if self.order == "forward" else f"-{self.order}"
        return f"aes-schedule{order}{'-mixed' if self.mixed else ''}{'-swapped' if self.swapped else ''}"


_PLAIN_256 = _Form(8, "forward", False, False)


@dataclass(frozen=True, slots=True)
class _Found:
    """A schedule of ``form`` that starts at word ``start`` (negative: before the window); ``equal`` is by round key."""

    form: _Form
    start: int
    key: bytes
    equal: Flags


class _Scratch:
    """Buffers of one scan, so that blocks do not allocate."""

    def __init__(self) -> None:
        size = _BLOCK + _MARGIN
        self.copy = np.empty(size, np.uint64)
        self.xor = np.empty(2 * size, np.uint32)
        self.live = np.empty(2 * size, np.bool_)
        self.flags = np.empty(2 * size, np.bool_)
        self.places = np.empty(len(_RELATIONS) * 2 * size, np.int64)


class AesSchedules:
    """Finds AES key schedules at any address that is a multiple of four.

    Where bytes have no address and the dump is big-endian (a Java heap dump, whose arrays follow each other without
    padding) every byte may start a schedule.
    """

    name = "aes-schedules"
    anchors: Sequence[bytes] = ()
    reach = 512

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        del hits
        packed = view.address is None and view.byte_order == "big"
        for skip in range(4) if packed else (-view.phase % 4,):
            yield from _scan(view, skip)


def _scan(view: View, skip: int) -> Iterator[Evidence]:
    """Schedules whose words stand ``skip`` bytes after a multiple of four of the window."""
    found = yield from _search(view, skip)
    parts = _components(found.values())
    for item in found.values():
        yield _candidate(item, skip, parts[item.key])
        start = skip + 4 * item.start
        if item.form == _PLAIN_256:
            yield from boringssl_drbg.clues(view, item.key, start)


def _search(view: View, skip: int) -> Generator[Clue, None, dict[tuple[int, int], _Found]]:
    """Collect the schedules of a window; yields a clue where it gives up."""
    count = (len(view.data) - skip) // 4
    if count < 16:
        return {}
    memory = np.frombuffer(view.data, "<u4", count, skip)
    scratch = _Scratch()
    budget = _MOST_HITS
    found: dict[tuple[int, int], _Found] = {}
    for start, end in _merged(view.live, skip, count):
        for block in range(start, end, 2 * _BLOCK):
            stop = min(block + 2 * _BLOCK, end)
            for relation, places in _related(memory, block, stop, scratch):
                _collect(found, _expanded(memory, relation, places[: max(budget, 0)]))
                budget -= len(places)
            if budget < 0 or len(found) > _MOST_FOUND:
                note = b"too many likenesses of AES key schedules in one window"
                yield Clue("limit", b"", skip + 4 * block, skip + 4 * count, "aes-schedule", note)
                return found
    return found


def _merged(live: Iterable[Span], skip: int, count: int) -> list[tuple[int, int]]:
    """Stretches to scan, in words, short gaps closed; each starts at an even word, so that pairs are aligned."""
    merged: list[tuple[int, int]] = []
    for span in live:
        start, end = max(span.start - skip, 0) // 8 * 2, min(max(span.end - skip + 3, 0) // 4, count)
        if merged and start - merged[-1][1] < _GAP // 4:
            merged[-1] = merged[-1][0], end
        elif start < end:
            merged.append((start, end))
    return merged


def _pairs(memory: Words, start: int, end: int, scratch: _Scratch) -> npt.NDArray[np.uint64]:
    """The words of a block and its margin as aligned 64-bit words; past the end of the window there are zeros."""
    size = (end - start + 1) // 2 + _MARGIN
    if memory[start:].ctypes.data % 8 == 0 and start + 2 * size <= len(memory):
        return memory[start : start + 2 * size].view(np.uint64)
    out = scratch.copy[:size]
    some = memory[start : start + 2 * size]
    out.view(np.uint32)[: len(some)] = some
    out.view(np.uint32)[len(some) :] = 0
    return out


def _related(memory: Words, start: int, end: int, scratch: _Scratch) -> Iterator[tuple[_Relation, Indices]]:
    if kernel.native is None:
        yield from _linear(memory, start, end, scratch)
        return
    found = scratch.places[: kernel.native.aes_relations(memory, scratch.places, start, end)]
    for number, relation in enumerate(_RELATIONS if len(found) else ()):
        places = found[found % 8 == number] // 8
        if len(places):
            yield relation, places


def _linear(memory: Words, start: int, end: int, scratch: _Scratch) -> Iterator[tuple[_Relation, Indices]]:
    """For each relation that holds somewhere in a block, the words where it does."""
    pairs = _pairs(memory, start, end, scratch)
    singles = pairs.view(np.uint32)
    size = len(singles) - 2 * _MARGIN
    neighbours = scratch.xor[: len(singles) - 2]
    np.bitwise_xor(singles[1:-1], singles[2:], out=neighbours)
    live = scratch.live[: len(singles)]
    np.not_equal(singles, 0, out=live)
    full = live.view(np.uint16) == 0x0101
    for relation in _RELATIONS:
        if relation.pairs:
            flags = scratch.flags[: size // 2 + _REPEATS // 2]
            left, right = neighbours.view(np.uint64)[relation.xor // 2 :], pairs[relation.plain // 2 :]
            np.equal(left[: len(flags)], right[: len(flags)], out=flags)
        else:
            flags = scratch.flags[: size + _REPEATS]
            np.equal(neighbours[: len(flags)], singles[relation.plain : relation.plain + len(flags)], out=flags)
        if flags.any():
            places = _plausible(relation, flags, full if relation.pairs else live, singles)
            if len(places):
                yield relation, places + start


def _plausible(relation: _Relation, flags: Flags, live: Flags, words: Words) -> Indices:
    """Places in a block where the relation holds again and again, and not for want of content.

    Of the words that are compared none is zero and neither half of the first ones is: small numbers satisfy any
    relation, and one word in 32,768 of a true schedule costs one of its places, not the schedule.
    """
    plain, size = relation.plain, len(flags) - (_REPEATS // 2 if relation.pairs else _REPEATS)
    for part in (plain // 2,) if relation.pairs else (1, 2, plain):
        flags &= live[part : part + len(flags)]
    if not flags.any():
        return np.empty(0, np.intp)
    kept = flags[:size].copy()
    for repeat in relation.repeats:
        kept &= flags[repeat : repeat + size]
    places: Indices = np.flatnonzero(kept) * (2 if relation.pairs else 1)
    compared = np.stack([words[places + plain], words[places + plain + 1]])
    full: Flags = ((compared >> 16 != 0) & (compared & 0xFFFF != 0)).all(axis=0)
    return np.compress(full, places)


def _octets(memory: Words, places: Indices) -> aes.Octets:
    """The words at ``places`` (any shape) as octets in the order of memory; zeros where there is no memory."""
    inside = (places >= 0) & (places < len(memory))
    picked = np.where(inside, memory[np.clip(places, 0, len(memory) - 1)], 0).astype("<u4")
    return picked.view(np.uint8).reshape(*places.shape, 4)


def _expanded(memory: Words, relation: _Relation, places: Indices) -> Iterator[_Found]:
    """Check the non-linear step around each place; expand what passes, in each order."""
    for phase in relation.phases:
        at = places + phase
        step = np.stack([at, at + relation.before, at + relation.back], axis=1)
        around = _octets(memory, step)
        for mixed in (False, True):
            for swapped in (False, True):
                some = around[..., ::-1] if swapped else around
                some = aes.mix_columns(some) if mixed else some
                rest = some[:, 0] ^ aes.rotated_sub(some[:, 1]) ^ some[:, 2]
                passed = np.flatnonzero(_TURN[rest[:, 0]].astype(np.bool_) & ~rest[:, 1:].any(axis=1))
                for order in relation.orders if len(passed) else ():
                    form = _Form(relation.nk, order, mixed, swapped)
                    yield from _exact(memory, form, at[passed], _TURN[rest[passed, 0]])


def _turns() -> aes.Octets:
    turns = np.zeros(256, np.uint8)
    for turn in range(1, len(aes.RCON)):
        turns[aes.RCON[turn]] = turn
    return turns


_TURN = _turns()
"""Round constant -> its number; 0 for what is none."""


def _exact(memory: Words, form: _Form, at: Indices, turns: aes.Octets) -> Iterator[_Found]:
    """Schedules of ``form`` whose word ``nk * turn`` stands at ``at``: expand, compare, keep what agrees widely."""
    nk, count = form.nk, aes.words(form.nk)
    where = aes.order(nk, form.order)
    starts = at - where[np.minimum(nk * turns.astype(np.intp), count - 1)]
    done: set[int] = set()
    for turn in sorted(set(turns.tolist())):
        if nk * turn >= count:
            continue
        fresh = np.array(sorted({*starts[turns == turn].tolist()} - done), np.intp)
        held = _octets(memory, fresh[:, None] + np.arange(count))
        held = aes.restored(held, form.order, mixed=form.mixed, swapped=form.swapped)
        keys = aes.rewind(held[:, nk * (turn - 1) : nk * turn], int(turn) - 1)
        equal = (aes.expand(keys) == held).reshape(len(fresh), count // 4, 16).all(axis=2)
        first = fresh[:, None] + where[::4]
        equal &= (first >= 0) & (first + 4 <= len(memory))
        done.update(fresh[equal.all(axis=1)].tolist())
        for row in np.flatnonzero(equal.sum(axis=1) >= _fewest(nk)):
            yield _Found(form, int(fresh[row]), keys[row].tobytes(), equal[row])


def _fewest(nk: int) -> int:
    """Round keys that must agree: those that make up the key and at least three (384 bits) that follow from it."""
    return (nk + 3) // 4 + 3


def _collect(found: dict[tuple[int, int], _Found], new: Iterable[_Found]) -> None:
    """Keep the fullest reading of what starts at one place; ``rotated`` starts one round key before ``reversed``."""
    for item in new:
        place = item.form.nk, item.start + (4 if item.form.order == "rotated" else 0)
        best = found.get(place)
        if best is None or item.equal.sum() > best.equal.sum():
            found[place] = item


def _candidate(found: _Found, skip: int, parts: tuple[Component, ...]) -> Candidate:
    form, known = found.form, _is_public(found.key)
    whole = bool(found.equal.all())
    bits, total, agreed = 32 * form.nk, aes.words(form.nk), int(found.equal.sum())
    title = f"AES-{bits} key schedule"
    if known:
        title += " (generator's fixed key)" if found.key == bytes(range(32)) else " (public test key)"
    return Candidate(
        kind="aes-key",
        title=title if whole else f"{title}, incomplete",
        identity=b"aes:" + found.key,
        spans=_spans(found, skip),
        encoding=form.encoding,
        components=parts,
        severity=Severity.INFO if known else Severity.MEDIUM,
        confidence=Confidence.PROVEN if whole else Confidence.VALIDATED,
        evidence=f"all {total} words follow from the first {form.nk}"
        if whole
        else f"{agreed} of {len(found.equal)} round keys follow from one key",
        preview=f"AES-{bits}",
    )


def _is_public(key: bytes) -> bool:
    """Whether a key is nobody's secret: a published one, or a single byte over and over."""
    return key in _KNOWN_KEYS or len(set(key)) == 1


def _spans(found: _Found, skip: int) -> tuple[Span, ...]:
    """The bytes of the round keys that agree, neighbours joined."""
    where = aes.order(found.form.nk, found.form.order)[::4]
    spans: list[Span] = []
    for word in sorted(int(place) for place, equal in zip(where, found.equal, strict=True) if equal):
        start = skip + 4 * (found.start + word)
        if spans and spans[-1].end == start:
            start = spans.pop().start
            spans.append(Span(start, skip + 4 * (found.start + word) + 16))
        else:
            spans.append(Span(start, start + 16))
    return tuple(spans)


def _components(found: Iterable[_Found]) -> dict[bytes, tuple[Component, ...]]:
    """The keys and their schedules, in the plain form and in those found.

    Every form of 240 bytes costs the sweep some 500 probes, hence not all of them. Of a public key only what follows
    from it: its own octets (00 01 02 …) stand in many an innocent table.
    """
    forms: dict[_Form, set[bytes]] = {}
    for item in found:
        for form in (_Form(item.form.nk, "forward", False, False), item.form):
            forms.setdefault(form, set()).add(item.key)
    parts: dict[bytes, tuple[Component, ...]] = {}
    for form, keys in forms.items():
        schedules = aes.expand(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, form.nk, 4))
        stored = aes.stored(schedules, form.order, mixed=form.mixed, swapped=form.swapped)
        first = aes.order(form.nk, form.order)[: form.nk]
        for key, memory in zip(keys, stored, strict=True):
            public = _is_public(key)
            kept = np.delete(memory, first, axis=0) if public else memory
            start = () if public else (Component("key", key),)
            parts[key] = (*parts.get(key, start), Component("schedule", kept.tobytes(), "raw"))
    return parts
