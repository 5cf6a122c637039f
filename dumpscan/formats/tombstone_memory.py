"""The memory that the text of a tombstone prints as words in hexadecimal, as bytes.

Lines are those of AOSP's ``debuggerd`` (``libdebuggerd/tombstone.cpp`` and ``utility.cpp``)::

    memory near x1 ([anon:libc_malloc]):
        0000007b2f4fd010 6f3475327530726e 0000007b2f4fd020  nr0u2u4o .O/{...
    stack:
             0000007fd8a4bc80  0000000000000000
        #00  0000007fd8a4bc88  0000007b2f4fd010  /system/lib64/libc.so

Words are little-endian, 16 digits each in a process of 64 bits, 8 in one of 32; ``-`` stands where memory could not be
read. The plain bytes are the text as it is, and behind it the memory: one region for each run of lines whose addresses
follow one another. Redaction writes the words again, and the column of characters beside them.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from dumpscan.formats.cover import cover
from dumpscan.model import Layout, Region, Span, Unread
from dumpscan.plain import PlainSource
from dumpscan.source import Source

MAX_WORDS = 1 << 21
"""Words that are decoded: 16 MiB of memory, a hundred times what a tombstone prints."""

MAX_RUNS = 1 << 14

_CHUNK = 1 << 20
_LONGEST_LINE = 4096
_APART = 64  # zeros between runs, so that nothing is found across two
_NEAR = re.compile(
    rb"^ {4}(?P<address>[0-9a-f]{16}|[0-9a-f]{8})(?P<words>(?: (?:[0-9a-f]{16}|-{16})){2}|(?: (?:[0-9a-f]{8}|-{8})){4})"
    rb"(?:  (?P<text>[^\n]{0,16}))?\r?$"
)
_STACK = re.compile(rb"^ {4}(?:#\d\d  | {5})(?P<address>[0-9a-f]{16}|[0-9a-f]{8})  (?P<words>[0-9a-f]+)(?:  .*)?\r?$")
_HEADING = re.compile(rb"^ *(memory near [^\n]{1,200}|stack):\r?$")


class TombstoneMemory(PlainSource):
    """The text of a tombstone and the memory it prints."""

    def __init__(self, base: Source, architecture: str | None) -> None:
        super().__init__(base, _Reopen(architecture))
        self._starts = array("Q")  # of each word: where it lies in the memory, where its digits and characters stand
        self._digits, self._characters = array("Q"), array("Q")
        self._memory = bytearray()
        self._regions: list[Region] = []
        lines: list[Span] = []
        full = self._read_lines(lines)
        self.size = self.stable = base.size + len(self._memory)
        self.rewritten = tuple(lines)
        text = Region(0, base.size, kind="text", name="tombstone")
        reason = f"more than {MAX_WORDS} words or {MAX_RUNS} runs of memory in hexadecimal: the rest is scanned as text"
        self.layout = Layout(
            "android-tombstone",
            cover([text, *self._regions], self.size),
            architecture=architecture,
            pointer_size=4 if self.narrow else 8,
            unread=(Unread(full, 0, reason),) if full else (),
        )

    @property
    def narrow(self) -> bool:
        """Whether the words have 4 bytes."""
        return bool(len(self._starts) > 1 and self._starts[1] - self._starts[0] == 4)

    @property
    def words(self) -> int:
        """How many words there are."""
        return len(self._starts)

    # ------------------------------------------------------------ reading

    def _read_lines(self, lines: list[Span]) -> int:
        """Decode all lines; returns where that stopped at a bound, or 0."""
        heading, following = "memory", -1
        for at, line in _lines(self.base):
            if found := _HEADING.match(line):
                heading, following = found[1].decode("ascii", "replace"), -1
                continue
            found = _NEAR.match(line) or _STACK.match(line)
            if not found or len(found["words"].split()[0]) != len(found["address"]):
                continue
            if self.words >= MAX_WORDS or len(self._regions) >= MAX_RUNS:
                return at
            following = self._take(at, found, heading, following)
            end = at + len(line)
            if lines and lines[-1].end + 1 == at:
                lines[-1] = Span(lines[-1].start, end)
            else:
                lines.append(Span(at, end))
        return 0

    def _take(self, at: int, found: re.Match[bytes], heading: str, following: int) -> int:
        """Append the words of a line; returns the address at which the run goes on."""
        address, digits = int(found["address"], 16), found.start("words")
        column = found.start("text") if "text" in found.re.groupindex and found["text"] else -1
        end = found.end("text") if column >= 0 else -1
        width = len(found["address"]) // 2
        for word in found["words"].split():
            digits = found.string.index(word, digits)
            if not word.startswith(b"-"):
                if address != following:
                    self._begin(address, heading)
                self._starts.append(len(self._memory))
                self._digits.append(at + digits)
                self._characters.append(at + column if 0 <= column <= end - width else 0)
                self._memory += int(word, 16).to_bytes(width, "little")
                last = self._regions[-1]
                self._regions[-1] = Region(last.offset, last.size + width, last.address, "memory", heading)
                following = address + width
            address += width
            digits += len(word)
            column += width if column >= 0 else 0
        return following

    def _begin(self, address: int, heading: str) -> None:
        """Begin a run; it has the alignment of its address, since numbers are looked for where they are aligned."""
        end = self.base.size + len(self._memory) + _APART
        self._memory += bytes(_APART + (address - end) % _APART)
        self._regions.append(Region(self.base.size + len(self._memory), 0, address, "memory", heading))

    def piece(self, offset: int, size: int) -> bytes:
        """See :meth:`dumpscan.plain.PlainSource.piece`."""
        if offset < self.base.size:
            return self.base.read(offset, min(size, self.base.size - offset))
        return bytes(self._memory[offset - self.base.size :][:size])

    # ------------------------------------------------------------ writing

    def write(self, plain: Source, spans: Sequence[Span], path: Path) -> None:
        """See :meth:`dumpscan.plain.PlainSource.write`. Text stays text: what is zero in it becomes ``X``."""
        with path.open("w+b") as out:
            for offset in range(0, self.base.size, _CHUNK):
                data = plain.read(offset, min(_CHUNK, self.base.size - offset))
                if b"\0" in data:
                    data = _without_zeros(data, self.base.read(offset, len(data)))
                out.write(data)
            for index in self._touched(spans):
                start = self._starts[index]
                size = 4 if self.narrow else 8
                value = plain.read(self.base.size + start, size)
                if value == self._memory[start : start + size]:
                    continue
                out.seek(self._digits[index])
                out.write(value[::-1].hex().encode())
                if self._characters[index]:
                    out.seek(self._characters[index])
                    out.write(bytes(byte if 0x20 <= byte < 0x7F else ord(".") for byte in value))

    def _touched(self, spans: Sequence[Span]) -> Iterator[int]:
        """The words in which ``spans`` lie."""
        last = -1
        for span in spans:
            low, high = (max(at - self.base.size, 0) for at in (span.start, span.end))
            if low < high:
                first = max(bisect_right(self._starts, low) - 1, last + 1)
                stop = bisect_left(self._starts, high)
                yield from range(first, stop)
                last = max(last, stop - 1)


class _Reopen:
    """Opens the same file again in another process."""

    def __init__(self, architecture: str | None) -> None:
        self._architecture = architecture

    def __call__(self, base: Source) -> PlainSource:
        return TombstoneMemory(base, self._architecture)


def _without_zeros(data: bytes, before: bytes) -> bytes:
    return bytes(ord("X") if new == 0 and old != 0 else new for new, old in zip(data, before, strict=True))


def _lines(source: Source) -> Iterator[tuple[int, bytes]]:
    """Offset and text of the lines, without their ends; those of more than ``_LONGEST_LINE`` bytes are left out."""
    rest, base = b"", 0
    for offset in range(0, source.size, _CHUNK):
        data = rest + source.read(offset, min(_CHUNK, source.size - offset))
        *whole, rest = data.split(b"\n")
        for line in whole:
            if len(line) <= _LONGEST_LINE:
                yield base, line
            base += len(line) + 1
        if len(rest) > _LONGEST_LINE:  # the end of it is no line of words either
            base += len(rest) - 1
            rest = rest[-1:]
    if rest:
        yield base, rest
