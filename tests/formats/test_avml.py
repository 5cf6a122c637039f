"""AVML: ranges of framed snappy, rewriting, damage."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.avml import Avml
from dumpscan.formats.page_codecs import PageCodec
from dumpscan.formats.registry import plain_view
from dumpscan.plain import PlainSource
from dumpscan.scan import scan_source
from dumpscan.source import FileSource
from tests.formats.test_kdump import laid_out, memory_of
from tests.makers.images import avml
from tests.makers.planted import planted
from tests.makers.redacting import assert_found, found, options, redacted
from tests.makers.source import BytesSource
from tests.makers.volatility import seen_by_us, seen_by_volatility

pytest.importorskip("cramjam")


def test_ranges_have_addresses_and_bytes() -> None:
    parts = (bytes(range(256)) * 800, b"b" * 200)
    view = plain_view(BytesSource(avml((0x1000, parts[0]), (0x100000, parts[1]))))
    layout = laid_out(view)
    assert [(r.address, view.read(r.offset, r.size)) for r in memory_of(layout)] == [
        (0x1000, parts[0]),
        (0x100000, parts[1]),
    ]
    assert not layout.unread
    assert view.read(memory_of(layout)[0].offset + 70_000, 500) == parts[0][70_000:70_500]


def test_end_to_end(tmp_path: Path) -> None:
    memory = planted(41, 200_000)
    untouched = b"nothing to see here " * 10_000
    dump = tmp_path / "image.avml"
    dump.write_bytes(avml((0x1000, untouched), (0x100000, bytes(memory.data)), (0x200000, untouched)))
    report, copy = redacted(dump, same_length=False)
    assert report.format == "avml"
    start = 32 + len(untouched) + 32
    assert_found(report, memory, lambda at: start + at)
    assert all(o.address == o.offset - start + 0x100000 for o in found(report))
    with FileSource(dump) as source, FileSource(copy) as other:
        before, after = plain_view(source), plain_view(other)
        assert before.size == after.size
        changed = bytearray(before.size)
        for place in found(report):
            changed[place.offset : place.offset + place.length] = b"\1" * place.length
        old, new = before.read(0, before.size), after.read(0, after.size)
        assert all(a == b or may for a, b, may in zip(old, new, changed, strict=True))
    first = len(avml((0x1000, untouched)))
    assert copy.read_bytes()[:first] == dump.read_bytes()[:first]
    assert copy.read_bytes()[-first + 32 :] == dump.read_bytes()[-first + 32 :]


def test_volatility_reads_the_copy(tmp_path: Path) -> None:
    memory = planted(43, 200_000)
    dump = tmp_path / "image.avml"
    dump.write_bytes(avml((0x1000, b"quiet" * 4096), (0x100000, bytes(memory.data)), (0x200000, bytes(4096))))
    _, copy = redacted(dump, same_length=False)
    for path in (dump, copy):
        assert [row[0] for row in seen_by_us(path)] == [0x1000, 0x100000, 0x200000]
        assert seen_by_volatility(path, "avml") == seen_by_us(path)


def test_truncated_and_damaged_are_told() -> None:
    data = avml((0x1000, bytes(range(256)) * 800), (0x100000, b"b" * 200))
    assert laid_out(plain_view(BytesSource(data[:9_000]))).unread
    assert laid_out(plain_view(BytesSource(data + b"more"))).unread
    assert "missing" in laid_out(plain_view(BytesSource(data[:60]))).unread[0].reason
    broken = bytearray(data)
    broken[60:90] = b"\xff" * 30
    report = scan_source(BytesSource(bytes(broken)), "x", options()).report
    assert report.verdict == "inconclusive"
    lying = struct.pack("<IIQQQ", 0x4C4D5641, 2, 0, (1 << 64) - 1, 0)
    assert laid_out(plain_view(BytesSource(lying + data))).unread


def test_a_missing_library_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dumpscan.formats.avml.SNAPPY", PageCodec("snappy", None, None))
    report = scan_source(BytesSource(avml((0, b"a" * 100))), "x", options()).report
    assert report.verdict == "inconclusive"
    assert any("snappy is not installed" in item.reason for item in report.coverage.unread)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damage_raises_nothing_else(data: st.DataObject) -> None:
    broken = bytearray(avml((0, bytes(range(256)) * 300), (0x100000, b"b" * 200)))
    for _ in range(data.draw(st.integers(0, 8))):
        place = data.draw(st.one_of(st.integers(8, 80), st.integers(8, len(broken) - 1)))
        broken[place] = data.draw(st.sampled_from((0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)))
    del broken[data.draw(st.integers(8, len(broken))) :]
    with contextlib.suppress(FormatError):
        view = Avml().open(BytesSource(bytes(broken)))
        assert isinstance(view, PlainSource)
        laid_out(view)
        assert len(view.read(0, view.size)) == view.size
