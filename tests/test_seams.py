"""Seams of virtual memory: each is looked across once, in the order of the addresses."""

from __future__ import annotations

import itertools
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.mappings import AddressSpace, address_space
from dumpscan.model import COMMAND_LINE, ENVIRONMENT, Layout, Region, Span
from dumpscan.scan import Options, _Windows
from dumpscan.seams import REACH, left_out, seam_stretches, told
from dumpscan.windows import Piece, Window
from tests.makers.source import BytesSource

PAGE = 4096


def space(*mappings: tuple[int, int, int], name: str = "") -> AddressSpace:
    """An address space of (address, offset, size)."""
    columns = [np.array(column, np.uint64) for column in zip(*mappings, strict=True)]
    return address_space([(columns[0], columns[1], columns[2])], name)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 40)), min_size=1, max_size=40, unique_by=lambda m: m[0]))
def test_stretches_hold_every_seam_and_nothing_that_is_not_mapped(pages: list[tuple[int, int]]) -> None:
    mapped = space(*((address * PAGE, offset * PAGE, PAGE) for address, offset in pages))
    for stretch in seam_stretches([mapped], 1 << 30):
        assert stretch.address is not None
        position = 0
        for piece in stretch.pieces:
            assert piece.position == position
            assert mapped.at(stretch.address + position) == (piece.offset, mapped.at(stretch.address + position)[1])  # type: ignore[index]
            position += piece.size
        assert position == stretch.size
    stretches = list(seam_stretches([mapped], 1 << 30))
    places = dict(pages)
    seams = {
        (offset + 1, places[address + 1])
        for address, offset in pages
        if address + 1 in places and places[address + 1] != offset + 1
    }
    seen = {
        ((a.offset + a.size) // PAGE, b.offset // PAGE)
        for stretch in stretches
        for a, b in zip(stretch.pieces, stretch.pieces[1:], strict=False)
    }
    assert seams <= seen
    ends = [(s.address or 0, (s.address or 0) + s.size) for s in stretches]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ends))


def test_a_seam_of_two_spaces_is_looked_across_once() -> None:
    one = space((0, 0, PAGE), (PAGE, 9 * PAGE, PAGE))
    other = space((7 * PAGE, 0, PAGE), (8 * PAGE, 9 * PAGE, PAGE), (9 * PAGE, 20 * PAGE, PAGE))
    assert [s.size for s in seam_stretches([one, one, other], 1 << 30)] == [2 * PAGE, 3 * PAGE]


def test_only_the_surroundings_are_looked_at_and_the_budget_holds() -> None:
    large = 100 * REACH
    mapped = space((0, 0, large), (large, 3 * large, large), (5 * large, large, PAGE), (5 * large + PAGE, 0, PAGE))
    assert [s.size for s in seam_stretches([mapped], 1 << 30)] == [2 * REACH, 2 * PAGE]
    assert [s.size for s in seam_stretches([mapped], 2 * REACH)] == [2 * REACH]
    assert left_out([mapped], 2 * REACH) == 1
    assert left_out([mapped], 1 << 30) == 0


def test_neighbours_in_the_file_are_one_mapping() -> None:
    mapped = space((PAGE, PAGE, PAGE), (0, 0, PAGE), (2 * PAGE, 9 * PAGE, PAGE), (0, 5 * PAGE, PAGE))
    assert len(mapped) == 2
    assert mapped.at(PAGE + 5) == (PAGE + 5, PAGE - 5)
    assert mapped.at(3 * PAGE) is None
    assert mapped.at(1 << 64) is None
    assert mapped.address_of(9 * PAGE + 7) == 2 * PAGE + 7
    assert mapped.address_of(10 * PAGE) is None


def test_windows_across_seams_own_nothing_twice() -> None:
    rng = random.Random(1)
    pages = rng.sample(range(64), 64)
    mapped = space(*((0x10000 + i * PAGE, page * PAGE, PAGE) for i, page in enumerate(pages)))
    layout = Layout("x", (Region(0, 64 * PAGE, 0, "memory"),), spaces=(mapped,))
    windows = list(_Windows(BytesSource(bytes(64 * PAGE)), layout, Options(jobs=1)))
    assert [window.seams for window in windows] == [False, True]
    assert windows[1].size == 64 * PAGE
    assert windows[1].address == 0x10000


def test_a_window_is_told_what_its_bytes_hold() -> None:
    pieces = (Piece(0, 1000, 100), Piece(100, 500, 100))
    regions = [
        Region(450, 70, 0x1000, "memory", ENVIRONMENT),
        Region(560, 10, 0x2000, "memory", COMMAND_LINE),
        Region(1090, 100, 0x3000, "memory", ENVIRONMENT),
    ]
    window = told(Window(pieces, 200, Span(0, 200)), regions)
    assert window.holding(ENVIRONMENT) == (Span(90, 120),)
    assert window.holding(COMMAND_LINE) == (Span(160, 170),)
    assert window.offsets(Span(0, 200)) == [Span(1000, 1100), Span(500, 600)]
    assert told(window, []) is window
