"""Ubuntu's crash reports (Apport, ``.crash``): fields of text, and fields in base64, of which one is a core.

A field in base64 is ``Name: base64`` and lines that begin with a space; each line is decoded by itself, and together
they are one gzip stream (Apport's ``problem_report.py``). The text that is left is a member of its own.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from dumpscan.containers.as_file import chunks
from dumpscan.containers.base import Content, Item, Member
from dumpscan.decoders import CHUNK, Damage
from dumpscan.source import Source

TEXT = "fields of text"
"""What the member is called that holds all fields that are not in base64."""

_START = re.compile(rb"ProblemType: [^\n]{1,100}\n")
_FIELD = re.compile(rb"([\w.-]{1,200}): base64\r?\n\Z")
_LINE = 1 << 20
_LONGEST_LINE = 64 << 20


class Apport:
    """The text comes first, with an empty line of its own where a field in base64 was: it has to be read to the end."""

    name = "apport-crash"
    title = "Apport crash report"
    unread = ""

    def sniff(self, source: Source) -> bool:
        return _START.match(source.read(0, 256)) is not None

    def items(self, source: Source) -> Iterator[Item]:
        yield Item(TEXT, "", _text(source), leaf=True)
        for name, start, end in _fields(source):
            yield Item(name, name, _decoded(source, start, end))

    def write(self, members: Sequence[Member], out: BinaryIO, content: Content) -> None:
        fields = list(members[:0:-1])
        text = content(members[0])
        assert text is not None
        with text.open("rb") as lines:
            for line in lines:
                out.write(line)
                found = _FIELD.match(line)
                path = content(fields.pop()) if found and fields else None
                for data in chunks(path) if path else ():
                    for at in range(0, len(data), _LINE):
                        out.write(b" " + base64.b64encode(data[at : at + _LINE]) + b"\n")


def _lines(source: Source, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each line."""
    at, rest = start, b""
    end = source.size if end is None else end
    for base in range(start, end, CHUNK):
        data = rest + source.read(base, min(CHUNK, end - base))
        if len(data) > _LONGEST_LINE:
            raise Damage(f"has a line of more than {_LONGEST_LINE} bytes, at {at}")
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield at, line + b"\n"
            at += len(line) + 1
    if rest:
        yield at, rest


def _text(source: Source) -> Iterator[bytes]:
    inside = False
    for _, line in _lines(source):
        inside = inside and line.startswith(b" ")
        if not inside:
            yield line
            inside = _FIELD.match(line) is not None


def _fields(source: Source) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of the lines of each field in base64."""
    name, start = "", 0
    for at, line in _lines(source):
        if name and not line.startswith(b" "):
            yield name, start, at
            name = ""
        if not name and (found := _FIELD.match(line)):
            name, start = found[1].decode(), at + len(line)
    if name:
        yield name, start, source.size


def _decoded(source: Source, start: int, end: int) -> Iterator[bytes]:
    for at, line in _lines(source, start, end):
        try:
            yield base64.b64decode(line.strip(), validate=True)
        except binascii.Error:
            raise Damage(f"holds something else than base64 at {at}") from None
