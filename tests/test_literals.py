"""Both literal engines, held equal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.literals import engine_name, literal_search

ENGINES = ["yara"] + (["hyperscan"] if engine_name() == "hyperscan" else [])

literals = st.lists(st.binary(min_size=4, max_size=12), min_size=1, max_size=20, unique=True)


def plain(needles: list[bytes], data: bytes) -> list[tuple[int, int]]:
    found = []
    for index, needle in enumerate(needles):
        at = data.find(needle)
        while at >= 0:
            found.append((index, at))
            at = data.find(needle, at + 1)
    return sorted(found, key=lambda hit: (hit[1], hit[0]))


@pytest.mark.parametrize("engine", ENGINES)
@settings(deadline=None, max_examples=40)
@given(literals, st.data())
def test_finds_every_occurrence(engine: str, needles: list[bytes], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.one_of(st.sampled_from(needles), st.binary(max_size=30)), max_size=30))
    content = b"".join(parts)
    hits, capped = literal_search(needles, engine).search(memoryview(content))
    assert hits == plain(needles, content)
    assert not capped


@pytest.mark.parametrize("engine", ENGINES)
def test_overlapping_and_nul_bytes(engine: str) -> None:
    hits, _ = literal_search([b"aaaa", b"\0\0\0\7ssh"], engine).search(memoryview(b"aaaaaa\0\0\0\7ssh"))
    assert hits == [(0, 0), (0, 1), (0, 2), (1, 6)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cap_is_told(engine: str) -> None:
    hits, capped = literal_search([b"abcd"], engine).search(memoryview(b"abcd" * 100), cap=10)
    assert capped
    assert hits == [(0, 4 * i) for i in range(10)]


def test_no_literals_find_nothing() -> None:
    assert literal_search([]).search(memoryview(b"abc")) == ([], False)
