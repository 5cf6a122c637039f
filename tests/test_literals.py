"""The literal engines, held equal."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dumpscan import kernel, sweep
from dumpscan.literals import engines, literal_search

ENGINES = engines()

VECTORS = [n for n in (64, 32, 0) if kernel.literals is not None and n <= kernel.literals.vectors()]
"""The widths in bytes in which the kernel can look here."""

literals = st.lists(st.binary(min_size=4, max_size=12), min_size=1, max_size=20, unique=True)


TEXT = st.text("aAk_:/=- 01", min_size=4, max_size=12)

PARTS = [
    st.binary(min_size=4, max_size=12),
    TEXT.map(str.encode),
    TEXT.map(lambda text: text.encode("utf-16-le")[:-1]),
    TEXT.map(lambda text: text.encode("utf-32-le")),
    st.integers(0, 300).map(lambda number: number.to_bytes(8, "little")),
    st.integers(0, 300).map(lambda number: number.to_bytes(8, "big") + b"\1"),
]
"""Literals as signatures and matchers have them."""


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


@pytest.fixture(params=VECTORS)
def vectors(request: pytest.FixtureRequest) -> Iterator[None]:
    """The kernel with vectors of at most so many bytes."""
    assert kernel.literals is not None
    assert kernel.literals.use_vectors(request.param) == request.param
    yield
    kernel.literals.use_vectors(VECTORS[0])


@pytest.mark.skipif(not VECTORS, reason="the kernel is not compiled")
@pytest.mark.usefixtures("vectors")
class TestKernel:
    """What the kernel finds with vectors of each width, and without."""

    @given(st.lists(st.one_of(*PARTS), min_size=1, max_size=30, unique=True), st.data())
    @settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_it_finds_what_is_there_at_any_place(self, needles: list[bytes], data: st.DataObject) -> None:
        filling = st.one_of(*PARTS, st.binary(max_size=90), st.integers(0, 90).map(bytes))
        parts = data.draw(st.lists(st.one_of(st.sampled_from(needles), filling), min_size=1, max_size=60))
        content = b"".join(parts)
        assert literal_search(needles, "kernel").search(memoryview(content)) == (plain(needles, content), False)

    def test_it_finds_all_keys_of_many(self) -> None:
        random = Random(1)
        needles = list({random.randbytes(random.choice((4, 6, 8, 16))) for _ in range(50_000)})
        content = b"".join(needles[i] + bytes(random.randrange(3)) for i in range(0, len(needles), 5))
        expected = {(needles[i], True) for i in range(0, len(needles), 5)}
        hits, capped = literal_search(needles, "kernel").search(memoryview(content))
        found = {(needles[literal], content.startswith(needles[literal], at)) for literal, at in hits}
        assert not capped
        assert found >= expected
        assert all(there for _, there in found)

    def test_it_reads_no_byte_beyond_the_end(self) -> None:
        needle = "key_".encode("utf-16-le")[:-1]
        for size in range(200):
            content = (b"x" * 200 + needle)[-size - 7 :]
            for cut in range(7):
                some = memoryview(content)[: len(content) - cut]
                assert literal_search([needle], "kernel").search(some)[0] == ([] if cut else [(0, size)])

    def test_a_cap_ends_it_in_the_midst(self) -> None:
        content = b"abcd" * 5000
        hits, capped = literal_search([b"abcd", b"bcda", b"cdab"], "kernel").search(memoryview(content), cap=5000)
        assert capped
        assert len(hits) == 5000
        assert all(content[at : at + 4] == (b"abcd", b"bcda", b"cdab")[literal] for literal, at in hits)


@pytest.mark.skipif(not VECTORS, reason="the kernel is not compiled")
def test_shorter_literals_are_left_to_another_engine() -> None:
    assert literal_search([b"ab", b"abcd"], "kernel").search(memoryview(b"abcd"))[0] == [(0, 0), (1, 0)]
    with pytest.raises(ValueError, match="too short"):
        kernel.literals.compile(b"abc", (3).to_bytes(4, "little"))  # type: ignore[union-attr]


@pytest.mark.skipif(not VECTORS, reason="the kernel is not compiled")
@given(st.binary(min_size=16, max_size=80) | st.lists(st.sampled_from(b"\0ab12"), min_size=16).map(bytes))
def test_the_kernel_tells_the_same_probes(data: bytes) -> None:
    for size, stride in ((6, 6), (8, 5), (16, 1)):
        with pytest.MonkeyPatch.context() as patched:
            told = sweep._varied(data, size, stride)
            patched.setattr(kernel, "literals", None)
            assert sweep._varied(data, size, stride) == told


def test_no_literals_find_nothing() -> None:
    assert literal_search([]).search(memoryview(b"abc")) == ([], False)
