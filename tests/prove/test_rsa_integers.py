"""The integers of a dump in arrays against a plain dictionary of them."""

from __future__ import annotations

import random

import numpy as np

from dumpscan.model import Clue, ClueTable
from dumpscan.prove.rsa_integers import MASK, MOST_PLACES, Integers


def _clues(source: random.Random) -> list[Clue | ClueTable]:
    """Some numbers that stand in several tables, and alone."""
    clues: list[Clue | ClueTable] = []
    for size in (64, 96, 128):
        known = [source.getrandbits(8 * size) | 1 << 8 * size - 1 for _ in range(20)]
        for encoding in ("limbs-le", "octets"):
            chosen = source.choices(known, k=60)
            starts = np.array(source.sample(range(1 << 20), len(chosen)), np.int64)
            octets = b"".join(value.to_bytes(size, "big") for value in chosen)
            clues.append(ClueTable("rsa-integer", octets, starts, size, encoding))
        for value in (known[0], known[1], known[2] >> 11):
            start = source.randrange(1 << 20)
            clues.append(Clue("rsa-integer", value.to_bytes(size, "big"), start, start + size + 9, "digits-30-le32"))
    return [*clues, Clue("octets-alone", bytes(64), 0, 64, "octets")]


def test_numbers_and_their_places() -> None:
    source = random.Random(5)
    clues, pointed = _clues(source), [source.getrandbits(1024) | 1 << 1023, source.getrandbits(555) | 1 << 554]
    expected: dict[int, list[tuple[int, int, str]]] = {value: [] for value in pointed}
    for item in clues:
        if item.kind == "rsa-integer":
            for clue in item.clues() if isinstance(item, ClueTable) else (item,):
                place = clue.start, clue.end, clue.encoding
                expected.setdefault(int.from_bytes(clue.value, "big"), []).append(place)
    integers = Integers(clues, pointed)
    values = [value for some in integers.by_size.values() for value in some.values()]
    assert sorted(values) == sorted(expected)
    for some in integers.by_size.values():
        firsts = [min(expected[value], default=(-1, 0, "")) for value in some.values()]
        assert firsts == sorted(firsts)
        assert some.pointed == sum(value in pointed for value in some.values())
        assert some.low.tolist() == [value & MASK for value in some.values()]
        assert some.highest.tolist() == [value >> 8 * some.size - 64 for value in some.values()]
    for value, places in expected.items():
        found = integers.find(value)
        assert found is not None
        assert found[0].value(found[1]) == value
        assert integers.places(value) == sorted(places)[:MOST_PLACES]
    assert integers.find(max(expected) + 2) is None
    assert integers.places(3) == []


def test_a_number_that_stands_everywhere_has_some_places() -> None:
    value = (1 << 511) + 12345
    starts = np.arange(1000, 0, -10, dtype=np.int64)
    table = ClueTable("rsa-integer", value.to_bytes(64, "big") * len(starts), starts, 64, "octets")
    integers = Integers([table])
    assert [start for start, _, _ in integers.places(value)] == list(range(10, 10 * MOST_PLACES + 1, 10))
    assert len(integers.by_size[64]) == 1
    assert not Integers().by_size
