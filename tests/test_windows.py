"""Windows own every byte once, keep alignment, and see across seams of the file."""

from __future__ import annotations

import mmap
import os
import random
import signal
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan import kernel, windows
from dumpscan.errors import SourceError
from dumpscan.matchers.registry import build_matchers
from dumpscan.model import Region, Span
from dumpscan.pieces import pieces
from dumpscan.redact import copy_sparse
from dumpscan.source import FileSource
from dumpscan.windows import MARGIN, PAGE, Piece, Reader, Window, plan
from tests.makers.source import BytesSource


@st.composite
def layouts(draw: st.DrawFn) -> list[Region]:
    regions = []
    offset = 0
    address = 0x10000
    for _ in range(draw(st.integers(1, 12))):
        size = draw(st.integers(1, 30_000))
        mapped = draw(st.booleans())
        address += draw(st.sampled_from([0, 0, 4096, 100]))
        regions.append(Region(offset, size, address if mapped else None, "memory" if mapped else "notes"))
        offset += size
        address += size if mapped else 0
    return draw(st.permutations(regions))


@settings(deadline=None, max_examples=60)
@given(layouts(), st.sampled_from([4096, 8192, 65536]), st.sampled_from([256, 4096]))
def test_every_byte_is_owned_once(regions: list[Region], window: int, margin: int) -> None:
    owned: Counter[int] = Counter()
    for item in plan(regions, window, margin):
        for span in item.offsets(item.owned):
            owned.update(range(span.start, span.end))
    assert set(owned.values()) == {1}
    assert len(owned) == sum(region.size for region in regions)


@settings(deadline=None, max_examples=60)
@given(layouts(), st.sampled_from([4096, 65536]))
def test_positions_map_to_the_bytes_that_are_read(regions: list[Region], window: int) -> None:
    content = os.urandom(sum(region.size for region in regions))
    reader = Reader(BytesSource(content))
    for item in plan(regions, window, 512):
        data, _, _ = reader.read(item)
        for piece in item.pieces:
            assert (
                data[piece.position : piece.position + piece.size] == content[piece.offset : piece.offset + piece.size]
            )


@settings(deadline=None, max_examples=60)
@given(layouts())
def test_alignment_of_addresses_survives(regions: list[Region]) -> None:
    by_offset = {region.offset: region for region in regions}
    for item in plan(regions, 4096, 256):
        for piece in item.pieces:
            region = by_offset.get(piece.offset)
            if region and region.address is not None:
                assert (piece.position + item.phase) % 64 == region.address % 64


def test_contiguous_addresses_are_one_stretch_whatever_the_file_order() -> None:
    content = b"B" * 5000 + b"-" * 300 + b"A" * 5000
    regions = [Region(0, 5000, 0x5000, "memory"), Region(5300, 5000, 0x5000 - 5000, "memory")]
    (window,) = plan(regions, 1 << 20, 1 << 10)
    data, _, _ = Reader(BytesSource(content)).read(window)
    assert bytes(data) == b"A" * 5000 + b"B" * 5000
    assert window.offsets(Span(4990, 5010)) == [Span(10290, 10300), Span(0, 10)]
    assert window.address == 0x5000 - 5000


def test_zero_pages_are_counted_and_not_live() -> None:
    content = b"a" * PAGE + bytes(3 * PAGE) + b"b" * 10
    (window,) = plan([Region(0, len(content))])
    _, live, zero = Reader(BytesSource(content)).read(window)
    assert live == (Span(0, PAGE), Span(4 * PAGE, len(content)))
    assert zero == 3 * PAGE


def test_zero_bytes_do_not_depend_on_the_windows() -> None:
    content = (b"a" * PAGE + bytes(2 * PAGE)) * 20
    for size in (PAGE, 4 * PAGE, 1 << 20):
        reader = Reader(BytesSource(content))
        assert sum(reader.read(window)[2] for window in plan([Region(0, len(content))], size, PAGE)) == 40 * PAGE


@settings(deadline=None, max_examples=60)
@given(layouts(), st.sampled_from([8192, 65536]), st.integers(0, 1 << 32), st.booleans(), st.booleans())
def test_what_is_mapped_is_what_is_read(
    regions: list[Region], window: int, seed: int, can_map: bool, sparse: bool
) -> None:
    source = random.Random(seed)
    content = bytearray(source.randbytes(sum(region.size for region in regions)))
    for page in range(0, len(content), 1000):
        if source.random() < 0.7:
            content[page : page + 1000] = bytes(len(content[page : page + 1000]))
    for page in range(0, len(content), 4 * PAGE):
        if source.random() < 0.5:
            content[page : page + 4 * PAGE] = bytes(len(content[page : page + 4 * PAGE]))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_LEAST_MAPPED", PAGE)
        if not can_map:
            patch.setattr(FileSource, "map", lambda _file, _offset, _size: None)
        path = Path(folder) / "dump"
        if sparse:
            path.touch()
            copy_sparse(BytesSource(bytes(content)), path)
        else:
            path.write_bytes(content)
        with FileSource(path) as file:
            mapping, reading = Reader(file), Reader(BytesSource(bytes(content)))
            for item in plan(regions, window, 512):
                data, live, zero = mapping.read(item)
                expected, *rest = reading.read(item)
                assert bytes(data) == bytes(expected)
                assert [live, zero] == rest


def test_holes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dump"
    with path.open("wb") as out:
        out.seek(3 << 20)
        out.write(b"x" * PAGE)
        out.truncate(8 << 20)
    if path.stat().st_blocks * 512 > 1 << 20:
        pytest.skip("a file system without holes")
    (window,) = plan([Region(0, 8 << 20)])
    asked: list[Span] = []

    def noted(file: FileSource, offset: int, size: int) -> tuple[mmap.mmap, int] | None:
        asked.append(Span(offset, offset + size))
        return mapped(file, offset, size)

    mapped = FileSource.map
    monkeypatch.setattr(FileSource, "map", noted)
    with FileSource(path) as file:
        assert Reader(file).read(window)[1:] == ((Span(3 << 20, (3 << 20) + PAGE),), (8 << 20) - PAGE)
    assert sum(map(len, asked)) <= 1 << 16 if kernel.native else not asked


@pytest.mark.skipif(os.name != "posix", reason="files are mapped on POSIX systems only")
def test_a_sparse_file_that_shrinks_has_no_hole_there(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    with path.open("wb") as out:
        out.seek(4 << 20)
        out.write(os.urandom(1 << 20))
    (window,) = plan([Region(0, 5 << 20)])
    with FileSource(path) as file:
        os.truncate(path, 4 << 20)
        with pytest.raises(SourceError, match="shrank"):
            Reader(file).read(window)
        with pytest.raises(SourceError, match="shrank"):
            list(pieces(file))


@pytest.mark.skipif(os.name != "posix", reason="files are mapped on POSIX systems only")
def test_a_file_that_shrinks_under_its_mapping_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(os.urandom(1 << 20))
    (window,) = plan([Region(0, 1 << 20)])
    with FileSource(path) as file:
        reader = Reader(file)
        assert reader.read(window)[1] == (Span(0, 1 << 20),)
        handler = signal.getsignal(signal.SIGBUS)
        mapped = [(file.map(0, 1 << 20) or pytest.fail("not mapped"))[0] for _ in range(2)]  # each is closed after use
        os.truncate(path, 4096 * 3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(file, "map", lambda offset, _size: (mapped.pop(), offset))
            with pytest.raises(SourceError, match="shrank"):
                reader.read(window)
        assert signal.getsignal(signal.SIGBUS) == handler
        path.write_bytes(bytes(1 << 20))
        assert not any(reader.read(window)[0])  # nothing is left of what was read before


def test_offsets_of_a_gap_are_empty() -> None:
    window = Window((Piece(0, 100, 10), Piece(20, 200, 10)), 30, Span(0, 30))
    assert window.offsets(Span(12, 18)) == []
    assert window.offsets(Span(5, 25)) == [Span(105, 110), Span(200, 205)]


def test_margins_hold_what_any_matcher_reaches_for() -> None:
    assert max(matcher.reach for matcher in build_matchers()) <= MARGIN


def test_a_window_of_several_regions_knows_their_addresses() -> None:
    regions = [Region(0, 4096, 0x1000, "memory"), Region(4096, 4096, 0x9000, "memory"), Region(8192, 64)]
    (window,) = plan(regions)
    assert window.address is None
    found = {
        place.address: window.offsets(Span(place.position, place.position + place.size)) for place in window.mapped
    }
    assert found == {0x1000: [Span(0, 4096)], 0x9000: [Span(4096, 8192)]}
