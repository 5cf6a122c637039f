"""The values of ``octets-alone`` clues that a key may be: each once, by width, with the places where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dumpscan.matchers.likeness import random_like
from dumpscan.model import Clue, Span

MOST_PLACES = 16
"""Of one value; the sweep finds the others."""

_ROWS = 1 << 14

Places = dict[bytes, tuple[Span, ...]]


def lone_values(clues: Iterable[Clue]) -> dict[int, Places]:
    """Width in bytes -> value in memory order -> places, without what does not look random."""
    by_width: dict[int, list[Clue]] = {}
    for clue in clues:
        if clue.kind == "octets-alone":
            by_width.setdefault(len(clue.value), []).append(clue)
    return {width: _places(some, width) for width, some in by_width.items()}


def _places(clues: Sequence[Clue], width: int) -> Places:
    found: Places = {}
    for start in range(0, len(clues), _ROWS):
        some = clues[start : start + _ROWS]
        table = np.frombuffer(b"".join(clue.value for clue in some), np.uint8).reshape(-1, width)
        for index in np.flatnonzero(random_like(table)).tolist():
            clue = some[index]
            known = found.get(clue.value, ())
            span = Span(clue.start, clue.end)
            if len(known) < MOST_PLACES and span not in known:
                found[clue.value] = (*known, span)
    return found
