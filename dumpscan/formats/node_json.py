"""What Node.js writes of itself: diagnostic reports and heap snapshots, both JSON."""

from __future__ import annotations

import re

from dumpscan.formats.cover import cover
from dumpscan.model import Layout, Region, Unread
from dumpscan.source import Source

CHUNK = 4 << 20
_SNAPSHOT = re.compile(rb'\s*\{\s*"snapshot"\s*:\s*\{\s*"meta"\s*:\s*\{')
_REPORT = re.compile(rb'\s*\{\s*"header"\s*:\s*\{\s*"reportVersion"\s*:')
_SECTION = re.compile(rb'"(nodes|edges|strings)":\s*\[')


class NodeReport:
    """A diagnostic report (``node --report-on-fatalerror``)."""

    name = "node-report"
    title = "Node.js diagnostic report"
    handling = "scanned as text; occurrences are overwritten by the character X, and the JSON stays JSON"

    def sniff(self, head: bytes) -> bool:
        return _REPORT.match(head) is not None

    def layout(self, source: Source) -> Layout:
        return Layout(self.name, (Region(0, source.size, kind="text", name="report"),), unread=_cut_off(source))


class HeapSnapshot:
    """A heap snapshot of V8 (``.heapsnapshot``; Chrome's have the same form)."""

    name = "v8-heap-snapshot"
    title = "Node.js and Chrome heap snapshot"
    handling = "strings are scanned, and told with the property that holds them; the JSON stays JSON"

    def sniff(self, head: bytes) -> bool:
        return _SNAPSHOT.match(head) is not None

    def layout(self, source: Source) -> Layout:
        """A region for each of the large arrays. Reads the file once."""
        found = sections(source)
        regions = [Region(start, end - start, kind="text", name=name) for name, (start, end) in found.items()]
        unread = _cut_off(source)
        if "strings" not in found and not unread:
            unread = (Unread(source.size, 0, "heap snapshot without its strings"),)
        return Layout(self.name, cover(regions, source.size, "text"), pointer_size=8, unread=unread)


def sections(source: Source) -> dict[str, tuple[int, int]]:
    """Where the contents of the arrays ``nodes``, ``edges`` and ``strings`` lie, as far as they are there.

    V8 writes them in this order; the strings, whose contents could look like anything, are the last.
    """
    starts: dict[str, int] = {}
    closed: dict[str, int] = {}
    for base in range(0, source.size, CHUNK):
        data = source.read(base, CHUNK + 64)
        for match in _SECTION.finditer(data):
            name = match[1].decode()
            if name not in starts and "strings" not in starts:
                starts[name] = base + match.end()
        for name, start in starts.items():
            if name not in closed and name != "strings":
                at = data.find(b"]", max(0, start - base))
                if at >= 0:
                    closed[name] = base + at
        if "strings" in starts:
            break
    if "strings" in starts:
        closed["strings"] = max(starts["strings"], source.size - len(_ending(source)))
    return {name: (start, closed.get(name, source.size)) for name, start in starts.items()}


def _ending(source: Source) -> bytes:
    found = re.search(rb"\]\s*\}\s*\Z", source.read(max(0, source.size - 64), 64))
    return found[0] if found else b""


def _cut_off(source: Source) -> tuple[Unread, ...]:
    tail = source.read(max(0, source.size - 64), 64).rstrip()
    if tail.endswith(b"}"):
        return ()
    return (Unread(source.size, 0, f"the JSON ends at {source.size:#x}, before its closing brace"),)
