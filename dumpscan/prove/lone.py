"""The values of ``octets-alone`` clues that a key may be: each once, by width, with the places where it stands."""

from __future__ import annotations

import numpy as np

from dumpscan.model import Clue, Clues, ClueTable, Span

MOST_PLACES = 16
"""Of one value; the sweep finds the others."""


class LoneValues:
    """The values of all clues of kind ``octets-alone``, in memory order."""

    def __init__(self, clues: Clues) -> None:
        self._by_size: dict[int, list[Clue | ClueTable]] = {}
        self._values: dict[int, dict[bytes, None]] = {}
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
        found: dict[Span, None] = {}
        for item in self._by_size.get(len(value), ()):
            if isinstance(item, ClueTable):
                rows = np.frombuffer(item.values, np.uint8).reshape(-1, len(value))
                same = np.flatnonzero((rows == np.frombuffer(value, np.uint8)).all(axis=1))
                found.update((Span(start, start + len(value)), None) for start in item.starts[same].tolist())
            elif item.value == value:
                found[Span(item.start, item.end)] = None
        return tuple(found)[:MOST_PLACES]
