"""Reading the fields of a 7z archive's directory."""

from __future__ import annotations

from dumpscan.decoders import Damage


class Fields:
    """The fields of a directory, one after the other; :class:`Damage` where they end early."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise Damage("is damaged: its directory ends inside a field")
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def byte(self) -> int:
        return self.take(1)[0]

    def fixed(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def number(self) -> int:
        """A number whose first byte says by its leading ones how many more follow."""
        first = self.byte()
        more = 0
        while more < 8 and first & 0x80 >> more:
            more += 1
        high = first & (0x7F >> more)
        return self.fixed(more) | high << 8 * more

    def count(self, most: int, what: str) -> int:
        number = self.number()
        if number > most:
            raise Damage(f"states {number} {what}")
        return number

    def bits(self, count: int) -> list[bool]:
        data = self.take((count + 7) // 8)
        return [bool(data[i // 8] & 0x80 >> i % 8) for i in range(count)]

    def defined(self, count: int) -> list[bool]:
        """Which of ``count`` things have a value; one byte says that all do."""
        return [True] * count if self.byte() else self.bits(count)

    def checksums(self, count: int) -> list[int | None]:
        return [self.fixed(4) if here else None for here in self.defined(count)]

    def inside(self) -> None:
        """Expect that what follows lies here, and not in another stream, as no program writes it."""
        if self.byte():
            raise Damage("has a directory in several streams")

    def expect(self, kind: int) -> None:
        if (found := self.number()) != kind:
            raise Damage(f"is damaged: its directory has {found} where {kind} should be")
