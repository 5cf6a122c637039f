"""The values of ``octets-alone`` clues that a key may be: each once, by width, with the places where it stands."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dumpscan.model import Clue, Clues, ClueTable, NumberedClues, Span

MOST_PLACES = 16
"""Of one value; the sweep finds the others."""


class LoneValues:
    """The values of all clues of kind ``octets-alone``, in memory order."""

    def __init__(self, clues: Clues) -> None:
        self._by_size: dict[int, list[Clue | ClueTable]] = {}
        self._values: dict[int, dict[bytes, None]] = {}
        self._heads: dict[int, _Heads] = {}
        for item in clues:
            if item.kind == "octets-alone":
                size = len(item.value) if isinstance(item, Clue) else item.width
                self._by_size.setdefault(size, []).append(item)

    def of_size(self, size: int) -> dict[bytes, None]:
        """Those of ``size`` bytes, each once. Not to be changed: who asks again gets the same."""
        if size in self._values:
            return self._values[size]
        found = self._values[size] = {}
        for item in self._by_size.get(size, ()):
            if isinstance(item, Clue):
                found[item.value] = None
            else:
                values = item.values
                found.update((values[at : at + size], None) for at in range(0, len(values), size))
        return found

    def places(self, value: bytes) -> tuple[Span, ...]:
        """Where ``value`` stands."""
        size = len(value)
        if size not in self._heads:
            self._heads[size] = _Heads(self._by_size.get(size, ()), size)
        found = dict.fromkeys(self._heads[size].of(value))
        return tuple(found)[:MOST_PLACES]


class _Heads(NumberedClues):
    """The values of one size, by their first eight bytes."""

    def __init__(self, items: Clues, size: int) -> None:
        super().__init__(items)
        parts = [item.value if isinstance(item, Clue) else item.values for item in items]
        rows = [np.frombuffer(part, np.uint8).reshape(-1, size)[:, :8] for part in parts]
        heads = np.concatenate([np.zeros((0, 8), np.uint8), *rows]).view(np.uint64)[:, 0]
        self._order = np.argsort(heads, kind="stable")
        self._heads = heads[self._order]

    def of(self, value: bytes) -> Iterator[Span]:
        """Where ``value`` stands, in the order of the clues."""
        head = np.frombuffer(value[:8], np.uint64)[0]
        first, end = (int(np.searchsorted(self._heads, head, side)) for side in ("left", "right"))
        for clue in map(self.at, self._order[first:end].tolist()):
            if clue.value == value:
                yield Span(clue.start, clue.end)
