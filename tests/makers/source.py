"""A source whose bytes lie in memory."""

from __future__ import annotations

from dumpscan.formats.base import Format
from dumpscan.model import Layout


class BytesSource:
    """``data`` as a :class:`dumpscan.source.Source`; ``bytes_read`` counts what was asked for and delivered."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.bytes_read = 0

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``, fewer only at the end."""
        assert offset >= 0, "negative offset"
        assert size >= 0, "negative size"
        piece = self.data[offset : offset + size]
        self.bytes_read += len(piece)
        return piece

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``; the range lies inside the source."""
        assert 0 <= offset <= offset + len(buffer) <= self.size
        buffer[:] = self.data[offset : offset + len(buffer)]
        self.bytes_read += len(buffer)

    def close(self) -> None:
        """Nothing to let go of."""


def covering_layout(fmt: Format, data: bytes) -> Layout:
    """What ``fmt`` says of ``data``; its regions cover every byte once."""
    layout = fmt.layout(BytesSource(data))
    position = 0
    for region in layout.regions:
        assert region.offset == position
        position = region.end
    assert position == len(data)
    return layout
