"""Breakpad's microdumps: the text that it writes to Android's log, the stack and the registers in hexadecimal.

Lines are those of Breakpad's ``microdump_writer.cc``, behind whatever the log puts before them::

    F/google-breakpad(23467): -----BEGIN BREAKPAD MICRODUMP-----
    F/google-breakpad(23467): O A x86 04 i686 asus/WW_Z00A/Z00A:5.0/LRX21V/2.19.40.22:user/release-keys
    F/google-breakpad(23467): S 0 FFB44BD0 FFB44000 00004000
    F/google-breakpad(23467): S FFB44000 A4C46FF7E429FAF30000000046BD6DF7…
    F/google-breakpad(23467): C 0F00010000000000…
    F/google-breakpad(23467): M F77C5000 00000000 0000D000 50D89C8096239F07B843A4C5C35923170 app_process32

Digits of ``S`` (stack, from an address) and ``C`` (the processor's context, as in a minidump) are bytes in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dumpscan.formats.base import HEAD_SIZE
from dumpscan.formats.cover import cover
from dumpscan.formats.printed_memory import MAX_PARTS, MAX_RUNS, PrintedMemory, lines_of
from dumpscan.model import Layout, Module, Region, Unread
from dumpscan.plain import PlainSource
from dumpscan.source import Source

MAX_MODULES = 1 << 16
SEARCHED = 256 << 20
"""How far into a log a microdump may begin; Android's logd keeps no more of one (``LOG_BUFFER_MAX_SIZE``)."""

_PIECE = 1 << 20

_BEGIN = b"-----BEGIN BREAKPAD MICRODUMP-----"
_LINE = re.compile(rb"(?:\A|: )(?P<key>[SCMO]) (?P<rest>[^\n]*)\Z")
_STACK = re.compile(rb"([0-9A-Fa-f]{16}|[0-9A-Fa-f]{8}) ((?:[0-9A-Fa-f]{2})+)")
_CONTEXT = re.compile(rb"((?:[0-9A-Fa-f]{2})+)")
_MODULE = re.compile(rb"([0-9A-Fa-f]{8,16}) [0-9A-Fa-f]{8,16} ([0-9A-Fa-f]{8,16}) [0-9A-Fa-f]+ ([^\r\n]+)")
_SYSTEM = re.compile(rb"\w (\w{1,16}) ")
_ARCHITECTURES = {"arm64": "aarch64"}


class Microdump:
    """A microdump, alone or among other lines of a log, and any number of them."""

    name = "breakpad-microdump"
    title = "Breakpad microdump (text)"
    handling = (
        "scanned as text, and the stack and the registers that it prints in hexadecimal as memory; occurrences are "
        "overwritten by X, in hexadecimal too"
    )

    def sniff(self, head: bytes) -> bool:
        return _BEGIN in head

    def lies_in(self, source: Source) -> bool:
        """Look through a text."""
        end = min(source.size, SEARCHED)
        if b"\0" in source.read(0, min(HEAD_SIZE, end)):
            return False
        step = _PIECE - len(_BEGIN)  # so that pieces overlap
        return any(_BEGIN in source.read(at, min(_PIECE, end - at)) for at in range(0, end, step))

    def open(self, source: Source) -> PlainSource:
        """The text, and the memory in it."""
        return MicrodumpMemory(source)

    def layout(self, source: Source) -> Layout:
        """One region of text, and regions of what is printed in it. Reads the file once."""
        view = MicrodumpMemory(source)
        assert view.layout is not None
        return view.layout


class MicrodumpMemory(PrintedMemory):
    """The text of a microdump and the memory it prints."""

    hides_digits = True

    def __init__(self, base: Source) -> None:
        super().__init__(base, MicrodumpMemory)
        self._modules: list[Module] = []
        self._architecture: str | None = None
        self._pointer = 8
        self._following = -1
        full = 0
        for at, line in lines_of(base):
            if self.full:
                full = at
                break
            if found := _LINE.search(line.rstrip(b"\r")):
                self._take(at, found)
        regions = self.finish()
        text = Region(0, base.size, kind="text", name="microdump")
        reason = f"more than {MAX_PARTS} lines or {MAX_RUNS} runs of memory in hexadecimal: the rest is scanned as text"
        self.layout = Layout(
            Microdump.name,
            cover([text, *regions], self.size),
            architecture=self._architecture,
            pointer_size=self._pointer,
            modules=tuple(sorted(self._modules, key=lambda module: module.start)),
            unread=(Unread(full, 0, reason),) if full else (),
        )

    def _take(self, at: int, line: re.Match[bytes]) -> None:
        at, rest = at + line.start("rest"), line["rest"]
        if line["key"] == b"S" and (found := _STACK.match(rest)):
            address = int(found[1], 16)
            self._pointer = len(found[1]) // 2
            if address != self._following:
                self.begin(address, "memory", "stack")
            self._following = address + len(found[2]) // 2
            self._hex(at + found.start(2), found[2])
        elif line["key"] == b"C" and (found := _CONTEXT.match(rest)):
            self.begin(None, "registers", "context")
            self._hex(at, found[1])
        elif line["key"] == b"M" and (found := _MODULE.match(rest)) and len(self._modules) < MAX_MODULES:
            start, size = int(found[1], 16), int(found[2], 16)
            if size and start + size <= 1 << 64:
                self._modules.append(Module(found[3].decode("utf-8", "replace"), start, start + size))
        elif line["key"] == b"O" and (found := _SYSTEM.match(rest)) and self._architecture is None:
            name = found[1].decode("ascii", "replace")
            self._architecture = _ARCHITECTURES.get(name, name)

    def _hex(self, at: int, digits: bytes) -> None:
        self.add(bytes.fromhex(digits.decode()), at)
        self.taken(at, at + len(digits))

    def patches(self, index: int, place: int, old: bytes, new: bytes) -> Iterator[tuple[int, bytes]]:
        """See :meth:`PrintedMemory.patches`."""
        for at, (before, after) in enumerate(zip(old, new, strict=True)):
            if before != after:
                yield place + 2 * at, b"%02X" % after
