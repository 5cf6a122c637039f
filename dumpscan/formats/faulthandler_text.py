"""What Python's ``faulthandler`` writes: stacks of all threads, as text."""

from __future__ import annotations

import re

from dumpscan.model import Layout, Region
from dumpscan.source import Source

_START = re.compile(
    rb"\s*(?:Fatal Python error: |(?:Current thread|Thread) 0x[0-9a-f]{8,16}[^\n]*\(most recent call first\):"
    rb"|Timeout \(\d+:\d\d:\d\d[^\n]*\)!\n)"
)


class FaulthandlerText:
    """The report of a Python interpreter that died, or was asked."""

    name = "python-faulthandler"
    title = "Python faulthandler report"
    handling = "scanned as text; occurrences are overwritten by the character X"

    def sniff(self, head: bytes) -> bool:
        return _START.match(head) is not None

    def layout(self, source: Source) -> Layout:
        return Layout(self.name, (Region(0, source.size, kind="text", name="report"),))
