"""The integers of a dump that may belong to RSA keys, by size: limbs in arrays, whole numbers where one is asked for.

Tens of thousands are usual in a large dump, and nearly all of them are told apart by one limb.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dumpscan.matchers.randomness import Bytes, Positions
from dumpscan.model import Clue, Clues, ClueTable

Limbs = NDArray[np.uint64]

MOST_PLACES = 16
"""Of one value; the sweep finds the others."""

MASK = (1 << 64) - 1

Place = tuple[int, int, str]
"""Start and end in the dump, encoding."""

_Told = tuple[int, str]
"""Bytes that a number takes in the dump, encoding."""

_NOWHERE = -1
"""The place of a number that a pointer leads to."""


def low_limbs(values: Iterable[int]) -> Limbs:
    """The lowest 64 bits of each value."""
    return np.array([value & MASK for value in values], np.uint64)


class OfSize:
    """Different numbers of one size in bytes: those that pointers lead to, then others in the order of their places."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._padded = -(-size // 8) * 8
        self._rows: list[Bytes] = []
        self._starts: list[Positions] = []
        self._told: list[Sequence[_Told]] = []

    def add(self, octets: bytes, starts: Positions, told: Sequence[_Told]) -> None:
        """Numbers in big-endian order, one after the other; ``told`` of each, or one for all."""
        rows = np.frombuffer(octets, np.uint8).reshape(-1, self.size)
        if self.size != self._padded:
            rows = np.pad(rows, ((0, 0), (self._padded - self.size, 0)))
        self._rows.append(rows)
        self._starts.append(starts)
        self._told.append(told)

    @cached_property
    def _ends(self) -> Positions:
        """Numbers in all parts up to each."""
        return np.cumsum([len(starts) for starts in self._starts])

    @cached_property
    def _all_starts(self) -> Positions:
        return np.concatenate(self._starts)

    @cached_property
    def _digests(self) -> Limbs:
        """One limb of each number that depends on all of its bits: equal ones are taken for the same number."""
        factors = np.frombuffer(os.urandom(self._padded), np.uint64) | np.uint64(1)  # to import np.random takes longer
        parts = [(rows.view("<u8") * factors).sum(axis=1, dtype=np.uint64) for rows in self._rows]
        return np.concatenate(parts)

    @cached_property
    def _firsts(self) -> Positions:
        """The numbers, by their indices in all parts."""
        order = np.argsort(self._all_starts, kind="stable")
        _, first = np.unique(self._digests[order], return_index=True)
        return order[np.sort(first)]

    def __len__(self) -> int:
        return len(self._firsts)

    @cached_property
    def pointed(self) -> int:
        """How many of the numbers pointers lead to."""
        return int(np.count_nonzero(self._all_starts[self._firsts] == _NOWHERE))

    def _limbs(self, columns: slice) -> Limbs:
        parts = [np.ascontiguousarray(rows[:, columns]).view(">u8")[:, 0] for rows in self._rows]
        return np.concatenate(parts).astype(np.uint64)[self._firsts]

    @cached_property
    def low(self) -> Limbs:
        """The lowest 64 bits of each number."""
        return self._limbs(slice(-8, None))

    @cached_property
    def highest(self) -> Limbs:
        """The first eight bytes of each number."""
        first = self._padded - self.size
        return self._limbs(slice(first, first + 8))

    def _at(self, index: int) -> tuple[int, int]:
        """Part and row of a number, by its index in all parts."""
        part = int(np.searchsorted(self._ends, index, "right"))
        return part, index - int(self._ends[part]) + len(self._starts[part])

    def value(self, index: int) -> int:
        """The number with this index."""
        part, row = self._at(int(self._firsts[index]))
        return int.from_bytes(self._rows[part][row].tobytes(), "big")

    def values(self) -> Iterator[int]:
        """All numbers."""
        return map(self.value, range(len(self)))

    def places(self, index: int) -> list[Place]:
        """Where the number with this index stands, in order."""
        same = np.flatnonzero(self._digests == self._digests[self._firsts[index]])
        found: list[Place] = []
        for one in same[np.argsort(self._all_starts[same], kind="stable")].tolist():
            start, (part, row) = int(self._all_starts[one]), self._at(one)
            width, encoding = self._told[part][row if len(self._told[part]) > 1 else 0]
            if start != _NOWHERE and len(found) < MOST_PLACES:
                found.append((start, start + width, encoding))
        return found


class Integers:
    """All numbers of clues of kind ``rsa-integer``, and ``pointed`` ones, which have no place."""

    def __init__(self, clues: Clues = (), pointed: Iterable[int] = ()) -> None:
        self.by_size: dict[int, OfSize] = {}
        alone: list[tuple[int, int, _Told]] = [(value, _NOWHERE, (0, "")) for value in pointed]
        for item in clues:
            if item.kind == "rsa-integer" and isinstance(item, ClueTable) and len(item.starts):
                size = len(item.values) // len(item.starts)
                self._of_size(size).add(item.values, item.starts, [(item.width, item.encoding)])
            elif item.kind == "rsa-integer" and isinstance(item, Clue):
                told = item.end - item.start, item.encoding
                alone.append((int.from_bytes(item.value, "big"), item.start, told))
        by_size: dict[int, list[tuple[int, int, _Told]]] = {}
        for number in alone:
            by_size.setdefault(max((number[0].bit_length() + 7) // 8, 8), []).append(number)
        self._alone = {size: dict.fromkeys(value for value, _, _ in numbers) for size, numbers in by_size.items()}
        for size, numbers in by_size.items():
            octets = b"".join(value.to_bytes(size, "big") for value, _, _ in numbers)
            starts = np.array([start for _, start, _ in numbers], np.int64)
            self._of_size(size).add(octets, starts, [told for _, _, told in numbers])

    def _of_size(self, size: int) -> OfSize:
        return self.by_size.setdefault(size, OfSize(size))

    def values_of(self, size: int) -> Iterator[int]:
        """The numbers of ``size`` bytes."""
        return self.by_size[size].values() if size in self.by_size else iter(())

    def of_structures(self, sizes: Iterable[int]) -> list[int]:
        """The numbers that pointers lead to, or digits hold, and that may be moduli of ``sizes`` bytes: odd, of full
        width, and not the prime of a Diffie-Hellman group, whose highest bits are all set (RFC 3526, RFC 7919)."""
        full = ((n, n >> 8 * size - 64) for size in sizes for n in self._alone.get(size, ()))
        return [n for n, highest in full if n & 1 and 1 << 63 <= highest < MASK]

    def find(self, value: int) -> tuple[OfSize, int] | None:
        """Where ``value`` is among the numbers."""
        some = self.by_size.get((value.bit_length() + 7) // 8)
        if some is not None:
            for index in np.flatnonzero(some.low == np.uint64(value & MASK)).tolist():
                if some.value(index) == value:
                    return some, index
        return None

    def places(self, *values: int) -> list[Place]:
        """Where any of ``values`` stands, in order."""
        found = [place for value in values if (at := self.find(value)) for place in at[0].places(at[1])]
        return sorted(found)
