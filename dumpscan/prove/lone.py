"""The values of ``octets-alone`` clues that a key may be: each once, by width, with the places where it stands."""

from __future__ import annotations

from collections.abc import Iterable

from dumpscan.model import Clue, Span

MOST_PLACES = 16
"""Of one value; the sweep finds the others."""

Places = dict[bytes, tuple[Span, ...]]


def lone_values(clues: Iterable[Clue]) -> dict[int, Places]:
    """Width in bytes -> value in memory order -> places."""
    found: dict[int, Places] = {}
    for clue in clues:
        if clue.kind == "octets-alone":
            places = found.setdefault(len(clue.value), {})
            known = places.get(clue.value, ())
            span = Span(clue.start, clue.end)
            if len(known) < MOST_PLACES and span not in known:
                places[clue.value] = (*known, span)
    return found
