"""Scalars of P-521 as Java's BigInteger holds them: 17 words of 32 bits, the highest, of nine bits, first.

No other curve has scalars that are not whole words of 64 bits; those of the others need nothing of their own, for a
number of whole words is read in this order too. Emits clues of kind ``digits-alone``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dumpscan.matchers.likeness import random_like
from dumpscan.matchers.randomness import Positions, WordMap, different, rows, various
from dumpscan.model import ClueTable

JAVA_WORDS = "words-msw-le32"

_SIZE = 68
_HIGHEST = 1 << 9


def java_scalars(mapped: WordMap, begins: Positions) -> Iterator[ClueTable]:
    """Numbers at the runs of eight or nine random-looking words from ``begins`` on.

    An array whose content begins half a word before such a run (compact headers of objects put it there) is one too.
    """
    starts = different((8 * begins[:, None] + np.array([-4, 0])).ravel())
    starts = starts[(starts >= 0) & (starts <= len(mapped.octets) - _SIZE)]
    highest = rows(mapped.octets, starts, 4).view("<u4").ravel()
    starts = starts[(highest > 0) & (highest < _HIGHEST)]
    table = rows(mapped.octets, starts, _SIZE)
    kept = np.flatnonzero(various(table[:, 4:]))
    kept = kept[random_like(table[kept, 4:])]
    if len(kept):
        numbers = np.ascontiguousarray(table[kept]).view("<u4").astype(">u4").view(np.uint8)[:, 2:]
        yield ClueTable("digits-alone", numbers.tobytes(), starts[kept] + mapped.base, _SIZE, JAVA_WORDS)
