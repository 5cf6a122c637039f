"""Lone scalars and seeds that do not begin at a word: behind zero bytes, or behind a small number of 32 bits.

Emits clues of kind ``octets-alone``, as :mod:`dumpscan.matchers.ec_scalars` does for those that do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dumpscan import kernel
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.ec_scalars import alone
from dumpscan.matchers.randomness import Positions, WordMap, different, rows, small, various_at, word_map
from dumpscan.model import Clue, ClueTable

SIZES = (32, 48, 56, 57, 64, 66)
"""Widths in bytes of scalars and seeds."""

_LONGEST = max(SIZES) // 8 + 2
"""Words that they reach into."""

MAX_TRIED = 524_288
"""Places of one window and width that are looked at; more is a recorded limit. The heap of an idle JVM has 65,000."""

_SMALL = np.uint64(1 << 16)


class UnalignedOctets:
    """Window matcher for the above."""

    name = "unaligned-octets"
    anchors: Sequence[bytes] = ()
    reach = 128

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Clue | ClueTable]:
        return self.from_map(word_map(view))

    def from_map(self, mapped: WordMap) -> Iterator[Clue | ClueTable]:
        """As :meth:`match`, for a window that is mapped already."""
        for size, starts in _places(mapped):
            if len(starts) > MAX_TRIED:
                yield Clue("limit", b"", 0, 0, "", b"more unaligned octets than the limit of one window")
                starts = starts[:MAX_TRIED]
            starts = starts[various_at(mapped.octets, starts, size)]
            yield from alone(mapped, starts, rows(mapped.octets, starts, size))


def _places(mapped: WordMap) -> Iterator[tuple[int, Positions]]:
    """For each size where numbers may stand, in order; one more than ``MAX_TRIED`` at most."""
    if kernel.native is not None:
        places, totals = np.empty((len(SIZES), MAX_TRIED + 1), np.int64), np.empty(len(SIZES), np.int64)
        kernel.native.unaligned(mapped.words, mapped.random_bits, np.array(SIZES), places, totals)
        yield from ((size, row[:total]) for size, row, total in zip(SIZES, places, totals.tolist(), strict=True))
        return
    first, end = _stretches(mapped)
    stretches = [_behind_plain(mapped, first, end, shift) for shift in range(1, 8)]
    for size in SIZES:
        starts = np.concatenate([_starts(*some, size) for some in stretches])
        if size != 66:  # half of the scalars of P-521 begin with a zero byte
            starts = starts[mapped.words[starts // 8] != 0]
        yield size, different(starts[starts <= len(mapped.octets) - size])[: MAX_TRIED + 1]


def _stretches(mapped: WordMap) -> tuple[Positions, Positions]:
    """The first words of numbers, and where their last random-looking words end. The first word may look plain, for
    few of its bytes are the number's; so may one that is all the number's, by chance: it is then neither a small number
    nor a pointer."""
    begins, ends = mapped.edges
    words = mapped.words
    gap = np.flatnonzero(begins[1:] - ends[:-1] == 1)
    gap = gap[~small(words[ends[gap]])]
    behind = np.flatnonzero(ends < len(words))
    behind = behind[~small(words[ends[behind]])]
    first = np.concatenate([begins, begins[gap], begins[behind]])
    end = np.concatenate([ends, ends[gap + 1], ends[behind] + 1])
    far = np.flatnonzero(begins > 1)
    far = far[~small(words[begins[far] - 1]) & ~mapped.random[begins[far] - 2]]
    first, end = np.concatenate([first, first - 1, begins[far] - 2]), np.concatenate([end, end, ends[far]])
    fitting = np.flatnonzero(end - first <= _LONGEST)
    first, end = first[fitting], end[fitting]
    head = mapped.words[np.maximum(first, 0)]
    plain = (head & np.uint64(0xFF) == 0) | (head & np.uint64(0xFFFFFFFF) < _SMALL)
    kept = (first >= 0) & plain
    return first[kept], end[kept]


def _behind_plain(mapped: WordMap, first: Positions, end: Positions, shift: int) -> tuple[Positions, Positions, int]:
    """The stretches in which a number may begin ``shift`` bytes into the first word."""
    head = mapped.words[first] & np.uint64((1 << 8 * shift) - 1)
    plain = head < _SMALL if shift == 4 else head == 0
    return first[plain], end[plain], shift


def _starts(first: Positions, end: Positions, shift: int, size: int) -> Positions:
    """Where numbers begin that are ``shift`` bytes into their first words; bytes from the map's base."""
    last = first + (shift + size - 1) // 8
    closed = (end == last) | (end == last + 1)
    starts: Positions = 8 * first[closed] + shift
    return starts
