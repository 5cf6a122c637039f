"""Dumps whose file does not hold memory as it is: compressed page by page, or written out of order.

A :class:`PlainSource` presents the plain bytes of such a file, decoded as they are read: offsets of a scan are
offsets into it. It also writes the file anew around changed bytes, which is how such a dump is redacted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from dumpscan.errors import SourceError
from dumpscan.model import Layout, Span, Unread
from dumpscan.source import Source

RATIO = 1100
"""Plain bytes for each byte of the file, above which a file is refused: deflate cannot do better than 1032."""

_CACHED = 256
_ALIGNMENT = 64

_OPEN: WeakValueDictionary[str, PlainSource] = WeakValueDictionary()
_REOPENED: OrderedDict[str, PlainSource] = OrderedDict()


class DecodeError(Exception):
    """Stored bytes that cannot be decoded; the text says why and quotes nothing."""


class PlainSource(ABC):
    """The plain bytes of ``base``; see :class:`dumpscan.source.Source`.

    ``layout`` says where memory lies in the plain bytes, and is None where they are a dump of another format. The first
    ``stable`` bytes have the same offsets in a copy with other contents; of them, those in ``rewritten`` are the
    business of the encoding. Cheap to pickle: processes that were forked know it already, others open ``base`` again.
    """

    size: int

    def __init__(self, base: Source, reopen: Callable[[Source], PlainSource]) -> None:
        self.base = base
        self.stable = 0
        self.rewritten: tuple[Span, ...] = ()
        self.layout: Layout | None = None
        self.unread: tuple[Unread, ...] = ()
        self._reopen, self._token = reopen, uuid4().hex
        self._problems: Counter[str] = Counter()
        self._cache: OrderedDict[Any, bytes] = OrderedDict()
        _OPEN[self._token] = self

    @abstractmethod
    def piece(self, offset: int, size: int) -> bytes:
        """At least one and at most ``size`` of the bytes at ``offset``, which lies inside."""

    @abstractmethod
    def write(self, plain: Source, spans: Sequence[Span], path: Path) -> None:
        """Write the file anew to ``path``, with the bytes of ``plain``, which differ from these in ``spans`` only.

        Raises :class:`dumpscan.errors.RedactionError` where the file cannot hold them, and OSError.
        """

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`dumpscan.source.Source.read`."""
        buffer = bytearray(max(0, min(size, self.size - offset)))
        with memoryview(buffer) as view:
            self.readinto(offset, view)
        return bytes(buffer)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """See :meth:`dumpscan.source.Source.readinto`."""
        done = 0
        if buffer and not 0 <= offset <= self.size - len(buffer):
            raise SourceError(f"read outside the dump: {len(buffer):#x} bytes at {offset:#x} of {self.size:#x}")
        while done < len(buffer):
            part = self.piece(offset + done, len(buffer) - done)
            buffer[done : done + len(part)] = part
            done += len(part)

    def close(self) -> None:
        """Let go of the cache; ``base`` belongs to who opened it."""
        self._cache.clear()

    def problems(self) -> list[str]:
        """What could not be decoded since the last call; such bytes read as zeros."""
        told = [text for text, count in self._problems.items() for _ in range(count)]
        self._problems.clear()
        return told

    def decoded(self, key: Any, size: int, decode: Callable[[], bytes]) -> bytes:
        """The ``size`` bytes that ``decode`` returns, or the same under ``key`` from before; zeros if it fails."""
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        try:
            data = decode()
        except DecodeError as error:
            self._problems[f"stored pages not readable: {error}"] += 1
            data = b""
        data = data[:size].ljust(size, b"\0")
        self._cache[key] = data
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._token, self.base, self._reopen)


def _reopened(token: str, base: Source, reopen: Callable[[Source], PlainSource]) -> PlainSource:
    known = _OPEN.get(token)
    if known is None:
        known = _REOPENED[token] = _OPEN[token] = reopen(base)
        if len(_REOPENED) > 2:
            _REOPENED.popitem(last=False)
    return known


def bottom(source: Source) -> Source:
    """The file behind ``source``, below all encodings."""
    while isinstance(source, PlainSource):
        source = source.base
    return source


class Chunks:
    """Stretches of plain bytes, one after the other: where each lies in the file, at 25 bytes a stretch.

    ``kinds`` is 0 for bytes as they are, 1 for zeros that the file does not hold, and else up to the format.
    """

    def __init__(self) -> None:
        self.starts, self.places, self.stored = array("Q"), array("Q"), array("Q")
        self.kinds = array("B")
        self.size = 0

    def add(self, plain: int, place: int = 0, stored: int = 0, kind: int = 0) -> None:
        """Append ``plain`` bytes, kept in ``stored`` bytes at ``place``."""
        if plain:
            self.starts.append(self.size)
            self.places.append(place)
            self.stored.append(stored or plain)
            self.kinds.append(kind)
            self.size += plain

    def align(self, place: int, base: int = 0) -> None:
        """Append zeros, so that what comes next has the alignment of its ``place`` in the file.

        Numbers without an address are looked for where they are aligned in the plain bytes, which begin at ``base``.
        """
        self.add((place - self.size - base) % _ALIGNMENT, kind=1)

    def at(self, offset: int) -> tuple[int, int, int]:
        """The stretch that holds ``offset``: its index, its start and its end."""
        index = bisect_right(self.starts, offset) - 1
        end = self.starts[index + 1] if index + 1 < len(self.starts) else self.size
        return index, self.starts[index], end

    def read_plain(self, base: Source, offset: int, size: int) -> bytes | None:
        """Up to ``size`` bytes at ``offset`` of a stretch of kind 0 or 1; None if it is of another."""
        index, start, end = self.at(offset)
        size = min(size, end - offset)
        if self.kinds[index] == 1:
            return bytes(min(size, 1 << 20))
        return base.read(self.places[index] + offset - start, size) if self.kinds[index] == 0 else None
