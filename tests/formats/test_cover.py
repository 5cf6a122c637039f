"""Regions that cover a file, against a byte-by-byte model."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from dumpscan.formats.cover import cover
from dumpscan.model import Region

REGIONS = st.lists(
    st.builds(
        Region,
        offset=st.integers(-20, 60),
        size=st.integers(-5, 40) | st.just(1 << 63),
        address=st.none() | st.integers(0, 1000),
        kind=st.sampled_from(["memory", "header", "notes"]),
        thread=st.integers(0, 50),
    ),
    max_size=12,
)


def owner(regions: list[Region], position: int) -> Region | None:
    claims = [r for r in regions if r.offset <= position < r.end]
    return min(claims, key=lambda r: r.kind != "memory", default=None)


@given(REGIONS, st.integers(0, 50))
def test_every_byte_has_its_owner(regions: list[Region], size: int) -> None:
    covered = cover(regions, size)
    assert [r.offset for r in covered] == [0, *(r.end for r in covered)][: len(covered)]
    assert sum(r.size for r in covered) == size
    assert all(r.size > 0 for r in covered)
    for region in covered:
        for position in range(region.offset, region.end):
            expected = owner(regions, position)
            if expected is None:
                assert region == Region(region.offset, region.size, kind="raw")
                continue
            assert (region.kind, region.thread) == (expected.kind, expected.thread)
            if expected.address is not None:
                assert region.address is not None
                assert region.address + position - region.offset == expected.address + position - expected.offset


def test_memory_wins_and_its_neighbour_keeps_its_addresses() -> None:
    stream = Region(0, 100, address=0x1000, kind="stream")
    memory = Region(40, 20, address=0x7000, kind="memory")
    assert cover([stream, memory], 100) == (
        Region(0, 40, address=0x1000, kind="stream"),
        memory,
        Region(60, 40, address=0x103C, kind="stream"),
    )


def test_gap_kind() -> None:
    assert cover([], 10, "memory") == (Region(0, 10, kind="memory"),)
    assert cover([], 0) == ()


def test_many_nested_claims_are_cheap() -> None:
    count = 100_000
    start = time.perf_counter()
    covered = cover([Region(i, 2 * count, kind="memory") for i in range(count)], 3 * count)
    assert len(covered) == count + 1  # the first one whole, of each later one its last byte, and the gap
    assert time.perf_counter() - start < 10
