"""Any other file: read whole, without addresses."""

from __future__ import annotations

from dumpscan.model import Layout, Region
from dumpscan.source import Source


class Raw:
    """Bytes without a structure that is known here; the format of last resort."""

    name = "raw"
    title = "any other file"
    handling = "scanned whole as raw bytes; occurrences are overwritten in place"

    def sniff(self, head: bytes) -> bool:
        return True

    def layout(self, source: Source) -> Layout:
        return Layout(self.name, (Region(0, source.size),))
