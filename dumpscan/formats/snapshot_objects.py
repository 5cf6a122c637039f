"""Which strings of a V8 heap snapshot are held by properties, and of what.

Source of format facts: V8's ``heap-snapshot-generator.cc``, and the names of fields that each snapshot states itself.
Nine bytes are kept for each node, 24 for each property that holds a string, and twelve for each string. Strings that V8
has joined or cut (``concatenated string``, ``sliced string``) are told only where their parts are.
"""

from __future__ import annotations

import json
import re
import warnings
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dumpscan.errors import FormatError
from dumpscan.formats.node_json import CHUNK, sections
from dumpscan.source import Source

MAX_NUMBERS = 1 << 28
"""Numbers in one of the arrays that are read: 100 million edges are 300 million."""

MAX_STRINGS = 1 << 25
MAX_OWNED = 1 << 22
"""Strings, and properties that hold strings, that are kept."""

_LONGEST = 16 << 20
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.S)
_NUMBERS = re.compile(rb"[\d,\s-]*\Z")

Numbers = NDArray[np.int64]


class SnapshotIndex:
    """Answers which property holds a string. ``limits`` tells what was left out.

    Raises :class:`FormatError` if the snapshot does not state its own fields, or not all arrays are there.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.limits: set[str] = set()
        self._sections = sections(source)
        if len(self._sections) < 3:
            raise FormatError("heap snapshot without nodes, edges or strings")
        self._meta = self._read_meta()
        self._starts, self._sizes = array("Q"), array("I")
        self._read_strings()
        self._properties = self._read_properties()

    # ------------------------------------------------------------ reading

    def _read_meta(self) -> dict[str, Any]:
        head = self._source.read(0, min(self._sections["nodes"][0], 1 << 16))
        text = head[: head.rfind(b'"nodes"')].rstrip().rstrip(b",") + b"}"
        try:
            meta: dict[str, Any] = json.loads(text)["snapshot"]["meta"]
            types = meta["node_types"][0], meta["edge_types"][0]
            wanted = (
                [meta["node_fields"].index(name) for name in ("type", "name", "edge_count")],
                [meta["edge_fields"].index(name) for name in ("type", "name_or_index", "to_node")],
                [types[0].index("string"), types[1].index("property")],
            )
            return {"node": wanted[0], "edge": wanted[1], "string": wanted[2][0], "property": wanted[2][1],
                    "node_size": len(meta["node_fields"]), "edge_size": len(meta["edge_fields"])}  # fmt: skip
        except (ValueError, KeyError, IndexError, TypeError, RecursionError, AttributeError):
            raise FormatError("heap snapshot that does not state its fields") from None

    def _rows(self, section: str, width: int) -> Iterator[Numbers]:
        """The rows of an array of numbers, some at a time."""
        start, end = self._sections[section]
        rest, left = b"", np.zeros(0, np.int64)
        total = 0
        for base in range(start, end, CHUNK):
            text = rest + self._source.read(base, min(CHUNK, end - base))
            cut = len(text) if base + CHUNK >= end else text.rfind(b",") + 1
            rest, text = text[cut:], text[:cut].rstrip(b", \r\n\t")
            if not _NUMBERS.match(text) or len(rest) > 64:
                self.limits.add(f"the {section} of a heap snapshot are not all numbers")
                return
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # NumPy only warns of what is not a number
                    numbers = np.fromstring(text.translate(None, b" \r\n\t"), np.int64, sep=",")
            except (ValueError, OverflowError, DeprecationWarning):
                self.limits.add(f"the {section} of a heap snapshot are not all numbers")
                return
            total += len(numbers)
            if total > MAX_NUMBERS:
                self.limits.add(f"more than {MAX_NUMBERS} {section} in a heap snapshot")
                return
            numbers = np.concatenate((left, numbers))
            whole = len(numbers) - len(numbers) % width
            left = numbers[whole:]
            yield numbers[:whole].reshape(-1, width)

    def _read_strings(self) -> None:
        start, end = self._sections["strings"]
        rest, base = b"", start
        for at in range(start, end, CHUNK):
            data = rest + self._source.read(at, min(CHUNK, end - at))
            done = 0
            for match in _STRING.finditer(data):
                self._starts.append(base + match.start(1))
                self._sizes.append(match.end(1) - match.start(1))
                done = match.end()
            rest, base = data[done:], base + done
            if len(self._starts) > MAX_STRINGS or len(rest) > _LONGEST:
                self.limits.add("more or longer strings in a heap snapshot than are told apart")
                return

    def _read_properties(self) -> Numbers:
        """Rows of (string, property's name, holder's name) for the strings that properties hold."""
        meta = self._meta
        kinds, names, counts = [], [], []
        for rows in self._rows("nodes", meta["node_size"]):
            kind, name, count = (rows[:, column] for column in meta["node"])
            kinds.append((kind == meta["string"]).astype(np.bool_))
            names.append(name.astype(np.int32))
            counts.append(count.astype(np.int32))
        if not kinds:
            return np.zeros((0, 3), np.int64)
        is_string, name_of = np.concatenate(kinds), np.concatenate(names)
        first_edge = np.cumsum(np.concatenate(counts), dtype=np.int64)
        found: list[Numbers] = []
        position = kept = 0
        for rows in self._rows("edges", meta["edge_size"]):
            kind, label, target = (rows[:, column] for column in meta["edge"])
            node = target // meta["node_size"]
            fits = (
                (kind == meta["property"]) & (node >= 0) & (node < len(is_string)) & (target % meta["node_size"] == 0)
            )
            fits &= is_string[np.where(fits, node, 0)]
            index = np.flatnonzero(fits)
            holder = np.searchsorted(first_edge, index + position, side="right")
            inside = holder < len(name_of)
            index, holder = index[inside], holder[inside]
            found.append(np.stack((name_of[node[index]], label[index], name_of[holder]), axis=1).astype(np.int64))
            position += len(rows)
            kept += len(index)
            if kept > MAX_OWNED:
                self.limits.add(f"more than {MAX_OWNED} properties of a heap snapshot that hold strings")
                break
        return np.concatenate(found) if found else np.zeros((0, 3), np.int64)

    # ------------------------------------------------------------ asking

    def _text(self, number: int, most: int = 128) -> str:
        if not 0 <= number < len(self._starts):
            return "?"
        raw = self._source.read(self._starts[number], min(self._sizes[number], most))
        return "".join(c if c.isprintable() else "?" for c in raw.decode("utf-8", "replace"))

    def named_values(self) -> Iterator[tuple[int, int, str]]:
        """File offset, length and ``Holder.property`` of each string that a property holds, in its JSON spelling."""
        cache: dict[int, str] = {}
        for string, label, holder in np.unique(self._properties, axis=0).tolist():
            if 0 <= string < len(self._starts) and self._sizes[string]:
                for number in (label, holder):
                    if number not in cache:
                        cache[number] = self._text(number)
                yield self._starts[string], self._sizes[string], f"{cache[holder]}.{cache[label]}"

    def owners(self, offsets: Sequence[int]) -> dict[int, str]:
        """``Holder.property`` of the strings that hold these bytes."""
        holders: dict[int, tuple[int, int]] = {}
        for string, label, holder in self._properties.tolist() if offsets else ():
            holders.setdefault(string, (label, holder))
        answers: dict[int, str] = {}
        for offset in offsets:
            at = bisect_right(self._starts, offset) - 1
            if at in holders and offset < self._starts[at] + self._sizes[at]:
                label, holder = holders[at]
                answers[offset] = f"{self._text(holder)}.{self._text(label)} (string)"
        return answers
