"""Reading fields one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from dumpscan.asn1 import Buffer


@dataclass(slots=True)
class Cursor:
    """A place in data; once a field does not fit, ``good`` is false and every further field is empty."""

    data: Buffer
    pos: int
    limit: int
    good: bool = True

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if not self.good or size > self.limit - self.pos:
            self.good = False
            return b""
        self.pos += size
        return bytes(self.data[self.pos - size : self.pos])

    def number(self, size: int) -> int:
        """The next ``size`` bytes as a big-endian number."""
        return int.from_bytes(self.take(size), "big")
