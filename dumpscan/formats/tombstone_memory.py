"""The memory and the registers that the text of a tombstone prints as words in hexadecimal, as bytes.

Lines are those of AOSP's ``debuggerd`` (``libdebuggerd/tombstone.cpp``, ``tombstone_proto_to_text.cpp`` and
``utility.cpp``; registers before Android 8: ``debuggerd/*/Machine.cpp``)::

    pid: 17946, tid: 17949, name: Binder  >>> com.example.app <<<
        x0  0000000000000000  x1  000000000000461d  x2  0000000000000006  x3  0000007b2f4fd010
        v0  00000000000000000000000000000000  v1  40280000000000004028000000000000
    memory near x1 ([anon:libc_malloc]):
        0000007b2f4fd010 6f3475327530726e 0000007b2f4fd020  nr0u2u4o .O/{...
    stack:
             0000007fd8a4bc80  0000000000000000
        #00  0000007fd8a4bc88  0000007b2f4fd010  /system/lib64/libc.so

Words are little-endian, 16 digits each in a process of 64 bits, 8 in one of 32; ``-`` stands where memory could not be
read. Registers are longer than that where they hold vectors, highest digit first. Redaction writes the words again,
and the column of characters beside them.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator

from dumpscan.formats.cover import cover
from dumpscan.formats.printed_memory import MAX_PARTS, MAX_RUNS, PrintedMemory, lines_of
from dumpscan.model import Layout, Region, Thread, Unread
from dumpscan.plain import PlainSource
from dumpscan.source import Source

MAX_THREADS = 1 << 16

_NEAR = re.compile(
    rb"^ {4}(?P<address>[0-9a-f]{16}|[0-9a-f]{8})(?P<words>(?: (?:[0-9a-f]{16}|-{16})){2}|(?: (?:[0-9a-f]{8}|-{8})){4})"
    rb"(?:  (?P<text>[^\n]{0,16}))?\r?$"
)
_STACK = re.compile(rb"^ {4}(?:#\d\d  | {5})(?P<address>[0-9a-f]{16}|[0-9a-f]{8})  (?P<words>[0-9a-f]+)(?:  .*)?\r?$")
_HEADING = re.compile(rb"^ *(memory near [^\n]{1,200}|stack):\r?$")
_VALUE = rb"[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8}"
_REGISTERS = re.compile(rb"^ {4}(?:(?:  )?[a-z][a-z0-9]{0,6} {1,4}(?:%b)(?= |\r?$))+ *\r?$" % _VALUE)
_REGISTER = re.compile(rb"[a-z][a-z0-9]{0,6} {1,4}(%b)" % _VALUE)
_THREAD = re.compile(rb"^(?:pid: \d+, )?tid: (\d{1,10}), name: ([^\n]{0,64}?)  >>>")
_NARROW = ("arm", "x86", "mips")


class TombstoneMemory(PrintedMemory):
    """The text of a tombstone and what it prints."""

    def __init__(self, base: Source, architecture: str | None) -> None:
        super().__init__(base, _Reopen(architecture))
        self._characters = array("Q")
        self._register_width = 4 if architecture in _NARROW else 8
        self._width = 0
        self._threads: dict[int, Thread] = {}
        full = self._read_lines()
        regions = self.finish()
        text = Region(0, base.size, kind="text", name="tombstone")
        reason = f"more than {MAX_PARTS} words or {MAX_RUNS} runs of memory in hexadecimal: the rest is scanned as text"
        self.layout = Layout(
            "android-tombstone",
            cover([text, *regions], self.size),
            architecture=architecture,
            pointer_size=self._width or self._register_width,
            threads=tuple(self._threads.values()),
            unread=(Unread(full, 0, reason),) if full else (),
        )

    # ------------------------------------------------------------ reading

    def _read_lines(self) -> int:
        """Decode all lines; returns where that stopped at a bound, or 0."""
        heading, following, thread, registers = "memory", -1, None, -1
        for at, line in lines_of(self.base):
            if found := _HEADING.match(line):
                heading, following = found[1].decode("ascii", "replace"), -1
            elif found := _THREAD.match(line):
                thread = int(found[1])
                if len(self._threads) < MAX_THREADS:
                    name = found[2].decode("utf-8", "replace") or None
                    self._threads.setdefault(thread, Thread(thread, name=name))
            elif found := _NEAR.match(line) or _STACK.match(line):
                if len(found["words"].split()[0]) != len(found["address"]):
                    continue
                if self.full:
                    return at
                following = self._take(at, found, heading, following)
                self.taken(at, at + len(line))
            elif _REGISTERS.match(line):
                if self.full:
                    return at
                if registers != at:
                    self.begin(None, "registers", "registers", thread)
                self._take_registers(at, line)
                self.taken(at, at + len(line))
                registers = at + len(line) + 1
        return 0

    def _take(self, at: int, found: re.Match[bytes], heading: str, following: int) -> int:
        """Append the words of a line; returns the address at which the run goes on."""
        address, digits = int(found["address"], 16), found.start("words")
        column = found.start("text") if "text" in found.re.groupindex and found["text"] else -1
        end = found.end("text") if column >= 0 else -1
        width = self._width = len(found["address"]) // 2
        for word in found["words"].split():
            digits = found.string.index(word, digits)
            if not word.startswith(b"-"):
                if address != following:
                    self.begin(address, "memory", heading)
                self._word(word, at + digits, at + column if 0 <= column <= end - width else 0)
                following = address + width
            address += width
            digits += len(word)
            column += width if column >= 0 else 0
        return following

    def _take_registers(self, at: int, line: bytes) -> None:
        """Append the registers of a line, as they would lie in memory: the last digits first."""
        for found in _REGISTER.finditer(line):
            step = min(len(found[1]), 2 * self._register_width)
            for start in range(found.end(1) - step, found.start(1) - 1, -step):
                self._word(line[start : start + step], at + start, 0)

    def _word(self, digits: bytes, place: int, character: int) -> None:
        self._characters.append(character)
        self.add(int(digits, 16).to_bytes(len(digits) // 2, "little"), place)

    # ------------------------------------------------------------ writing

    def patches(self, index: int, place: int, old: bytes, new: bytes) -> Iterator[tuple[int, bytes]]:
        """See :meth:`PrintedMemory.patches`."""
        yield place, new[::-1].hex().encode()
        if self._characters[index]:
            yield self._characters[index], bytes(byte if 0x20 <= byte < 0x7F else ord(".") for byte in new)


class _Reopen:
    """Opens the same file again in another process."""

    def __init__(self, architecture: str | None) -> None:
        self._architecture = architecture

    def __call__(self, base: Source) -> PlainSource:
        return TombstoneMemory(base, self._architecture)
