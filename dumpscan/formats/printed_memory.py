"""Memory and registers that a file holds in digits, or in numbers of varying length: as bytes.

The plain bytes are the file as it is, and behind it what it prints: one region for each run of memory whose addresses
follow one another, and for each thread's registers. Redaction writes what was changed back where it came from.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from dumpscan.model import Region, Span
from dumpscan.plain import PlainSource
from dumpscan.source import Source

MAX_PARTS = 1 << 21
"""Words or lines that are decoded: of words of 8 bytes 16 MiB, a hundred times what a report prints."""

MAX_MEMORY = 64 << 20
MAX_RUNS = 1 << 14

LONGEST_LINE = 4096
_CHUNK = 1 << 20
_APART = 64  # zeros between runs, so that nothing is found across two


class PrintedMemory(PlainSource):
    """A file and the memory it prints; who derives from it reads the file with ``begin`` and ``add``.

    ``hides_digits`` where digits are bytes in their order: what is ``taken`` reads as ``0`` then, as it would be found
    a second time in the text, and what is put in its place there would be no digits.
    """

    is_text = True
    hides_digits = False

    def __init__(self, base: Source, reopen: Callable[[Source], PlainSource]) -> None:
        super().__init__(base, reopen)
        self._starts, self._sizes, self._places = array("Q"), array("I"), array("Q")
        self._memory = bytearray()
        self._runs: list[Region] = []
        self._lines: list[Span] = []

    @property
    def parts(self) -> int:
        """How much was decoded: words, lines or registers."""
        return len(self._starts)

    @property
    def full(self) -> bool:
        """Whether a bound is reached, and nothing more may be added."""
        return self.parts >= MAX_PARTS or len(self._runs) >= MAX_RUNS or len(self._memory) >= MAX_MEMORY

    @abstractmethod
    def patches(self, index: int, place: int, old: bytes, new: bytes) -> Iterator[tuple[int, bytes]]:
        """What is to be written where in the file for the part ``index`` at ``place`` to hold ``new``, not ``old``."""

    # ------------------------------------------------------------ reading

    def begin(self, address: int | None, kind: str, name: str, thread: int | None = None) -> None:
        """Begin a run; it has the alignment of its address, since numbers are looked for where they are aligned."""
        end = self.base.size + len(self._memory) + _APART
        self._memory += bytes(_APART + ((address or 0) - end) % _APART)
        self._runs.append(Region(self.base.size + len(self._memory), 0, address, kind, name, None, thread))

    def add(self, value: bytes, place: int) -> None:
        """Append bytes to the run, which come from ``place`` in the file."""
        self._starts.append(len(self._memory))
        self._sizes.append(len(value))
        self._places.append(place)
        self._memory += value
        self._runs[-1] = replace(self._runs[-1], size=self._runs[-1].size + len(value))

    def taken(self, start: int, end: int) -> None:
        """Note that the bytes from ``start`` to ``end`` of the file are written anew."""
        if self._lines and self._lines[-1].end + 1 >= start:
            self._lines[-1] = Span(self._lines[-1].start, end)
        else:
            self._lines.append(Span(start, end))

    def finish(self) -> list[Region]:
        """Fix the size; returns the regions of the decoded bytes, without runs that stayed empty."""
        self.size = self.stable = self.base.size + len(self._memory)
        self.rewritten = tuple(self._lines)
        return [run for run in self._runs if run.size]

    def piece(self, offset: int, size: int) -> bytes:
        """See :meth:`dumpscan.plain.PlainSource.piece`."""
        if offset < self.base.size:
            data = self.base.read(offset, min(size, self.base.size - offset))
            return self._digits_from(offset, data, None) if self.hides_digits else data
        return bytes(self._memory[offset - self.base.size :][:size])

    # ------------------------------------------------------------ writing

    def write(self, plain: Source, spans: Sequence[Span], path: Path) -> None:
        """See :meth:`dumpscan.plain.PlainSource.write`. Text stays text: what is zero in it becomes ``X``."""
        with path.open("w+b") as out:
            for offset in range(0, self.base.size, _CHUNK):
                data = plain.read(offset, min(_CHUNK, self.base.size - offset))
                if self.hides_digits:
                    data = self._digits_from(offset, data, self.base)
                if self.is_text and b"\0" in data:
                    data = _without_zeros(data, self.base.read(offset, len(data)))
                out.write(data)
            for index in self._touched(spans):
                self._write_part(plain, index, out)

    def _digits_from(self, offset: int, data: bytes, source: Source | None) -> bytes:
        """``data``, which stands at ``offset``, with the digits of ``source`` in what is taken, or with zeros."""
        end, changed = offset + len(data), bytearray(data)
        for index in range(
            max(bisect_right(self._lines, offset, key=lambda line: line.start) - 1, 0), len(self._lines)
        ):
            start, stop = max(self._lines[index].start, offset), min(self._lines[index].end, end)
            if start >= end:
                break
            if start < stop:
                digits = source.read(start, stop - start) if source else b"0" * (stop - start)
                changed[start - offset : stop - offset] = digits
        return bytes(changed)

    def _write_part(self, plain: Source, index: int, out: BinaryIO) -> None:
        start, size = self._starts[index], self._sizes[index]
        old, new = bytes(self._memory[start : start + size]), plain.read(self.base.size + start, size)
        if old != new:
            for offset, data in self.patches(index, self._places[index], old, new):
                out.seek(offset)
                out.write(data)

    def _touched(self, spans: Sequence[Span]) -> Iterator[int]:
        """The parts in which ``spans`` lie."""
        last = -1
        for span in spans:
            low, high = (max(at - self.base.size, 0) for at in (span.start, span.end))
            if low < high:
                first = max(bisect_right(self._starts, low) - 1, last + 1)
                stop = bisect_left(self._starts, high)
                yield from range(first, stop)
                last = max(last, stop - 1)


def _without_zeros(data: bytes, before: bytes) -> bytes:
    return bytes(ord("X") if new == 0 and old != 0 else new for new, old in zip(data, before, strict=True))


def lines_of(source: Source) -> Iterator[tuple[int, bytes]]:
    """Offset and text of the lines, without their ends; those of more than ``LONGEST_LINE`` bytes are left out."""
    rest, base = b"", 0
    for offset in range(0, source.size, _CHUNK):
        data = rest + source.read(offset, min(_CHUNK, source.size - offset))
        *whole, rest = data.split(b"\n")
        for line in whole:
            if len(line) <= LONGEST_LINE:
                yield base, line
            base += len(line) + 1
        if len(rest) > LONGEST_LINE:  # the end of it is no line of words either
            base += len(rest) - 1
            rest = rest[-1:]
    if rest:
        yield base, rest
