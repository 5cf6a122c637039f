"""The nouns of dumpscan: frozen values, secrets kept out of every ``repr``.

Offsets are bytes from the start of the (decompressed) dump file; addresses are virtual addresses (or physical
ones, where the format has no others); sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dumpscan.mappings import AddressSpace


class Confidence(IntEnum):
    """How sure a finding is, weakest first."""

    POSSIBLE = 0
    VALIDATED = 1
    PROVEN = 2

    @property
    def label(self) -> str:
        return self.name.lower()


class Severity(IntEnum):
    """How bad a leak of the secret would be, mildest first; ``INFO`` never fails a gate."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of bytes."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def merged_spans(spans: Iterable[Span]) -> list[Span]:
    """The union of ``spans``, in order and without overlap."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: s.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(span.end, merged[-1].end))
        else:
            merged.append(span)
    return merged


@dataclass(frozen=True, slots=True)
class Mapped:
    """``size`` bytes from ``position`` of a window that the process had at ``address``."""

    position: int
    address: int
    size: int


# ---------------------------------------------------------------- the dump

ENVIRONMENT, COMMAND_LINE = "environment", "command line"
"""Names of memory that holds the variables, or the arguments, of a process."""


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of the file with one meaning.

    ``kind`` is one of ``memory``, ``registers``, ``environment``, ``command-line``, ``names``, ``text``,
    ``stream``, ``notes``, ``header``, ``raw``. ``address`` is the virtual address of the first byte, ``None``
    where the bytes have none. ``name`` is what a person would call the region (a mapped file, a stream's name,
    ``stack``), ``perms`` is like ``rw-``.
    """

    offset: int
    size: int
    address: int | None = None
    kind: str = "raw"
    name: str | None = None
    perms: str | None = None
    thread: int | None = None

    @property
    def end(self) -> int:
        return self.offset + self.size

    @property
    def holds(self) -> str | None:
        """:data:`ENVIRONMENT` or :data:`COMMAND_LINE` if that is what the bytes are, in memory or in a stream."""
        if self.kind == "environment" or (self.kind == "memory" and self.name == ENVIRONMENT):
            return ENVIRONMENT
        if self.kind == "command-line" or (self.kind == "memory" and self.name == COMMAND_LINE):
            return COMMAND_LINE
        return None


@dataclass(frozen=True, slots=True)
class Module:
    """A file mapped at ``[start, end)`` of the dumped address space."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of the dumped process; ``stack_pointer`` is 0 when unknown."""

    id: int
    stack_pointer: int = 0
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """Bytes that were not scanned, and why. ``length`` 0 means that the extent is not known."""

    offset: int
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where memory lies in a dump.

    ``regions`` are ordered by offset, do not overlap, and together cover the file from 0 to its end: bytes that
    no structure claims are regions too. ``unread`` says what the format promises but the file does not hold, or
    what could not be parsed. A dump of physical memory has physical addresses in its regions, and in ``spaces`` the
    virtual ones, that of pointers first.
    """

    format: str
    regions: tuple[Region, ...]
    architecture: str | None = None
    byte_order: str = "little"
    pointer_size: int = 8
    modules: tuple[Module, ...] = ()
    threads: tuple[Thread, ...] = ()
    unread: tuple[Unread, ...] = ()
    spaces: tuple[AddressSpace, ...] = ()


# ---------------------------------------------------------------- evidence: what matchers return


@dataclass(frozen=True, slots=True)
class Component:
    """One private part of a secret.

    ``form`` says how ``value`` may appear elsewhere: ``integer`` (big-endian, at its full width: limbs of any
    size, either order, hex, base64), ``number`` (the same, but nobody writes it out: no text), ``limbs`` (big-endian,
    and met as words only, lowest or highest first), ``octets`` (raw bytes, hex, base64), ``scalar`` (the same of a
    little-endian number), ``raw`` (these very bytes), ``whole`` (all of them but for a few: what is hashed), ``text``
    (UTF-8; also UTF-16, UTF-32, base64, hex, JSON and URL escapes).

    The first ``lead`` bytes of a text are no part of the secret: they stand before one that is too short to be looked
    for by itself (the name of a variable, an option).
    """

    name: str
    value: bytes = field(repr=False)
    form: str = "octets"
    lead: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that a matcher proposes as a secret.

    ``identity`` tells two copies of one secret from two secrets: canonical bytes, equal for equal secrets, from
    whatever encoding they came (``rsa:`` + n, ``ec:`` + curve + point, a token's UTF-8). ``spans`` are the bytes
    to be redacted, in window positions when a matcher returns it and in file offsets once the engine has it.
    ``public`` is what may be told of the secret (hashes of public keys, a token's issuer), ``preview`` a text
    without secret characters.
    """

    kind: str
    title: str
    identity: bytes = field(repr=False)
    spans: tuple[Span, ...]
    encoding: str
    components: tuple[Component, ...]
    severity: Severity = Severity.HIGH
    confidence: Confidence = Confidence.VALIDATED
    evidence: str = ""
    signature: str | None = None
    public: Mapping[str, str] = field(default_factory=dict)
    preview: str = ""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key met in the dump or given by the user: material for proofs.

    ``algorithm``: ``rsa`` (``numbers`` = n, e), ``ec`` (``curve`` set; ``numbers`` = x, y), ``dsa`` (``numbers`` =
    p, q, g, y), ``dh`` (p, g, y) or ``ed25519``, ``ed448``, ``x25519``, ``x448`` (``point`` = the raw public key).
    ``label`` is made for people: ``certificate CN=example, issuer CN=…, to 2027-01-01`` or ``JWK kid=…``.
    """

    algorithm: str
    numbers: tuple[int, ...] = ()
    point: bytes = b""
    curve: str = ""
    label: str = ""
    start: int = -1


class Clue(NamedTuple):
    """Bytes that may be part of a key and can only be judged together with what other windows hold.

    ``kind`` names the proof that takes it (``rsa-factor``, ``ec-scalar``, ``ed25519-seed``, ``sshkey-prekey``,
    …); ``value`` is the number in big-endian order or the raw octets; ``start`` and ``end`` are where it lies.
    ``note`` is whatever the proof needs beside it (an adjacent public key, a curve name).
    """

    kind: str
    value: bytes
    start: int
    end: int
    encoding: str
    note: bytes = b""

    def __repr__(self) -> str:
        return f"Clue({self.kind!r}, start={self.start}, end={self.end}, encoding={self.encoding!r})"


@dataclass(frozen=True, slots=True)
class ClueTable:
    """Many clues of one kind and width, ``len(starts)`` of them: matchers and workers handle them together.

    ``values`` holds their values one after the other, ``notes`` their notes, all of one length. ``width`` is what one
    takes in the dump, ``starts`` (int64) where they lie.
    """

    kind: str
    values: bytes = field(repr=False)
    starts: NDArray[np.int64] = field(repr=False)
    width: int
    encoding: str
    notes: bytes = field(default=b"", repr=False)

    def clues(self) -> Iterator[Clue]:
        """The clues, one by one."""
        return map(self.at, range(len(self.starts)))

    def at(self, index: int) -> Clue:
        """The clue in row ``index``."""
        count, start = len(self.starts), int(self.starts[index])
        size, more = len(self.values) // count, len(self.notes) // count
        value = self.values[index * size : (index + 1) * size]
        note = self.notes[index * more : (index + 1) * more]
        return Clue(self.kind, value, start, start + self.width, self.encoding, note)

    def rows(self, kept: NDArray[np.intp], starts: NDArray[np.int64]) -> ClueTable:
        """The clues with the indices ``kept``, at new ``starts``."""

        def some(data: bytes) -> bytes:
            size = len(data) // max(len(self.starts), 1)
            return np.frombuffer(data, np.uint8).reshape(-1, size)[kept].tobytes() if size else b""

        if len(kept) == len(self.starts):
            return self.placed(starts)
        return ClueTable(self.kind, some(self.values), starts, self.width, self.encoding, some(self.notes))

    def placed(self, starts: NDArray[np.int64]) -> ClueTable:
        """The same clues, at new ``starts``."""
        return ClueTable(self.kind, self.values, starts, self.width, self.encoding, self.notes)


Clues = Sequence[Clue | ClueTable]
"""Clues, many of them in tables."""


class NumberedClues:
    """Clues and those of tables, numbered through."""

    def __init__(self, items: Clues) -> None:
        self._items = items
        self._ends = np.cumsum([1 if isinstance(item, Clue) else len(item.starts) for item in items])

    def at(self, index: int) -> Clue:
        """The clue with this number."""
        which = int(np.searchsorted(self._ends, index, "right"))
        item = self._items[which]
        return item if isinstance(item, Clue) else item.at(index - int(self._ends[which]) + len(item.starts))


Evidence = Candidate | PublicKey | Clue | ClueTable


def all_clues(evidence: Iterable[Evidence], *kinds: str) -> Iterator[Clue]:
    """The clues in ``evidence``, those of tables one by one; of all kinds if none is named."""
    for item in evidence:
        if isinstance(item, (Candidate, PublicKey)) or (kinds and item.kind not in kinds):
            continue
        if isinstance(item, Clue):
            yield item
        else:
            yield from item.clues()


# ---------------------------------------------------------------- the result


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place of one encoding of one component of a secret, in the dump file.

    ``virtual`` is set where ``address`` is a physical address, and a page table of the dump maps it.
    ``object`` is what holds it where the dump is of objects: a field with its class, a path. ``member`` is the file in
    a container, from whose start ``offset`` then counts.
    """

    offset: int
    length: int
    component: str
    encoding: str
    address: int | None = None
    region: str | None = None
    module: str | None = None
    thread: int | None = None
    virtual: int | None = None
    object: str | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One secret; its value is gone."""

    id: str
    kind: str
    title: str
    severity: Severity
    confidence: Confidence
    evidence: str
    fingerprint: str
    occurrences: tuple[Occurrence, ...]
    signature: str | None = None
    public: Mapping[str, str] = field(default_factory=dict)
    preview: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was looked at. ``size`` = ``scanned`` + ``zero`` + the lengths in ``unread`` that lie in the file."""

    size: int
    scanned: int
    zero: int
    unread: tuple[Unread, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DumpReport:
    """All that is said of one dump. ``verdict`` is ``clean``, ``findings`` or ``inconclusive``."""

    path: str
    size: int
    sha256: str
    format: str
    architecture: str | None
    verdict: str
    coverage: Coverage
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run over one or more dumps: what every writer takes."""

    tool_version: str
    ruleset: str
    dumps: tuple[DumpReport, ...]
