"""Values in the environments and command lines of processes, where the dump says that these are such.

What holds a value is certain there, so neither the look of a name's neighbours nor that of the value has to tell:
a lone variable counts, and a word behind ``--password``. :mod:`dumpscan.matchers.named_values` finds the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.lanes import Lane
from dumpscan.matchers.named_values import Value, commands, inner_values, judged
from dumpscan.model import Evidence, Span
from dumpscan.telling_names import LONGEST_NAME, is_telling

MAX_BLOCK = 1 << 22
"""Bytes of one environment or command line that are read."""

# no spaces: Chromium on Linux writes its command line over the environment, as one string
_VARIABLE = re.compile(rb"([^\0=\s]{1,%d})=([^\0]*)" % LONGEST_NAME)
_LEAD = 12
_OTHER = 0xBF  # what stands for a character above U+00FF: no ASCII, and no end of a value


class ProcessSettings:
    """Reads environments and command lines from end to end."""

    name = "process-settings"
    anchors: Sequence[bytes] = ()
    reach = 256 << 10

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        for spans, read, between in (
            (view.environments, _variables, b"\0"),
            (view.command_lines, _arguments, b"\0 "),
        ):
            for span in spans:
                for lane in _lanes(view, Span(span.start, min(span.end, span.start + MAX_BLOCK))):
                    for value in read(_whole(lane.text, view.data[span.end : span.end + 2], between)):
                        yield from judged(view.data, lane, value, _lead(lane.text, value.start))


def _lead(text: bytes, start: int) -> int:
    """How many characters before ``start`` tell its place elsewhere: of its own string, or of the one before."""
    before = text[max(start - _LEAD, 0) : start]
    return len(before) - (before.rfind(b"\0", 0, max(len(before) - 1, 0)) + 1)


def _whole(text: bytes, behind: memoryview, between: bytes) -> bytes:
    """``text`` without its last part, if what is ``behind`` shows that it does not end there.

    The next page of the process is elsewhere in a dump of physical memory, and another window has both.
    """
    return text if not any(behind) else text[: max(map(text.rfind, (bytes([c]) for c in between))) + 1]


def _lanes(view: View, span: Span) -> Iterator[Lane]:
    """The text of ``span`` at one and at two bytes a character; in the wrong one there are no names."""
    data = bytes(view.data[span.start : span.end])
    yield Lane(data, span.start)
    units = np.frombuffer(data, "<u2", len(data) // 2)
    yield Lane(np.where(units > 0xFF, _OTHER, units).astype(np.uint8).tobytes(), span.start, 2)


def _variables(text: bytes) -> Iterator[Value]:
    """The variables with telling names. Windows also keeps ``=C:=C:\\folder`` there, which has none."""
    for start, end in _strings(text):
        found = _VARIABLE.fullmatch(text, start, end)
        if found and is_telling(found[1]):
            value = found[2]
            first = found.start(2) + len(value) - len(value.lstrip())
            yield from inner_values(found[1], text, first, first + len(value.strip()), "an environment block", True)


_BETWEEN_SPACES = re.compile(rb"(?:[^\s\0\"']|\"[^\"\0]*\"?|'[^'\0]*'?)+")
_ASSIGNED = re.compile(rb"(?:--|-D(?=[a-z])|[-/])?([A-Za-z_][\w.-]{0,127})(?:=|(?<=\w):)([^\0]*)")
_FLAG = re.compile(rb"(?:--?|/)[A-Za-z_][\w.-]{0,127}")


def _arguments(text: bytes) -> Iterator[Value]:
    """The values of ``--name=value``, ``/name:value`` and ``--name value``, where the name tells."""
    text = text.rstrip(b"\0")
    words = list(_strings(text)) if b"\0" in text else [found.span() for found in _BETWEEN_SPACES.finditer(text)]
    for start, end in words:
        found = _ASSIGNED.fullmatch(text, start, end)
        if found and is_telling(found[1]):
            yield from inner_values(found[1], text, *_unquoted(text, *found.span(2)), "a command line", True)
    for before, (start, end) in pairwise(words):
        name = text[slice(*before)]
        if text[start] != 0x2D and _FLAG.fullmatch(name) and is_telling(name.lstrip(b"-/")):
            yield from inner_values(name, text, *_unquoted(text, start, end), "a command line", True)
    yield from commands(text)


def _unquoted(text: bytes, start: int, end: int) -> tuple[int, int]:
    quoted = end - start >= 2 and text[start] in b"\"'" and text[end - 1] == text[start]
    return (start + 1, end - 1) if quoted else (start, end)


def _strings(text: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = text.find(b"\0", start)
        end = len(text) if end < 0 else end
        if end > start:
            yield start, end
        start = end + 1


PROCESS_SETTINGS = ProcessSettings()
