"""Text of a window at one, two or four bytes a character, as plain bytes with a way back to window positions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dumpscan.matchers.base import View
from dumpscan.model import Span
from dumpscan.windows import MARGIN


@dataclass(frozen=True, slots=True)
class Lane:
    """Every ``width``-th byte of a window from ``base`` on; characters above U+00FF became NUL."""

    text: bytes = field(repr=False)
    base: int = 0
    width: int = 1

    def span(self, start: int, end: int) -> Span:
        """Where ``text[start:end]`` stands in the window."""
        return Span(self.base + start * self.width, self.base + end * self.width)

    @property
    def encoding(self) -> str:
        return {1: "utf-8", 2: "utf-16le", 4: "utf-32le"}[self.width]


PART = 1 << 20
"""Bytes of a window that share a lane: to copy all of it takes longer than to judge the few hits that most have."""


class Lanes:
    """The lanes of one view, each made when it is first asked for."""

    def __init__(self, view: View) -> None:
        self._data = view.data
        self._made: dict[tuple[int, int, int], Lane] = {}

    def at(self, start: int, width: int) -> tuple[Lane, int]:
        """The lane in which window position ``start`` begins a character, and the index of that character.

        It reaches as far around that as a matcher may look, :data:`dumpscan.windows.MARGIN`.
        """
        part, phase = start // PART, start % width
        lane = self._made.get((part, phase, width))
        if lane is None:
            base = max(part * PART - MARGIN, 0)
            base += (phase - base) % width
            text = _characters(self._data[base : (part + 1) * PART + MARGIN], width)
            lane = self._made[part, phase, width] = Lane(text, base, width)
        return lane, (start - lane.base) // width


def _characters(data: memoryview, width: int) -> bytes:
    if width == 1:
        return bytes(data)
    units = np.frombuffer(data, np.uint8, len(data) - len(data) % width).reshape(-1, width)
    return np.where(units[:, 1:].any(axis=1), 0, units[:, 0]).astype(np.uint8).tobytes()


def widened(literals: Iterable[bytes], widths: Iterable[int] = (1, 2)) -> tuple[tuple[bytes, int], ...]:
    """Each ASCII literal at each width, with the width: the anchors of a text matcher."""
    words = tuple(literals)
    return tuple((b"".join(bytes([c]) + bytes(width - 1) for c in word), width) for width in widths for word in words)
