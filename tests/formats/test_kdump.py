"""kdump-compressed and flattened dumps: every compression, shared pages, rewriting, other readers, headers that lie."""

from __future__ import annotations

import contextlib
import pickle
import random
import struct
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats import kdump as kdump_module
from dumpscan.formats.flattened import Flattened
from dumpscan.formats.kdump import Kdump, KdumpSource
from dumpscan.formats.kdump_header import read_header
from dumpscan.formats.page_codecs import PageCodec
from dumpscan.formats.registry import plain_view, read_layout
from dumpscan.model import Layout, Region
from dumpscan.plain import PlainSource
from dumpscan.redact_container import redact_any
from dumpscan.scan import scan_path, scan_source
from dumpscan.source import FileSource, Source
from tests.formats.test_vmcore import USER, scattered, vmcoreinfo
from tests.makers.elf import Core, Segment
from tests.makers.kdump import LZO, NONE, SNAPPY, ZLIB, ZSTD, flattened, kdump, packer
from tests.makers.planted import RSA_KEY, planted
from tests.makers.redacting import assert_found, found, options, redacted
from tests.makers.source import BytesSource

FLAGS = {"none": NONE, "zlib": ZLIB, "lzo": LZO, "snappy": SNAPPY, "zstd": ZSTD}


def flag(name: str) -> int:
    """The flag of a compression; skips where its library is missing."""
    try:
        packer(FLAGS[name])
    except ImportError:
        pytest.skip(f"no library for {name}")
    return FLAGS[name]


def page(frame: int) -> bytes:
    return random.Random(frame).randbytes(2048) + struct.pack("<Q", frame) * 256


def laid_out(view: Source) -> Layout:
    layout = read_layout(view)
    position = 0
    for region in layout.regions:
        assert region.offset == position
        assert region.size > 0
        position = region.end
    assert position == view.size
    return layout


def memory_of(layout: Layout) -> list[Region]:
    return [region for region in layout.regions if region.kind == "memory"]


def pages_of(data: bytearray | bytes, first: int = 0) -> dict[int, bytes]:
    return {first + i: bytes(data[i * 4096 : i * 4096 + 4096]).ljust(4096, b"\0") for i in range(-(-len(data) // 4096))}


@pytest.mark.parametrize("name", FLAGS)
def test_pages_have_their_addresses_and_bytes(name: str) -> None:
    frames = [1, 2, 3, 9, 10, 200]
    data = kdump({frame: page(frame) for frame in frames}, flag(name))
    view = plain_view(BytesSource(data))
    layout = laid_out(view)
    assert [(r.address, r.size) for r in memory_of(layout)] == [(0x1000, 0x3000), (0x9000, 0x2000), (200 << 12, 0x1000)]
    for region in memory_of(layout):
        for offset in range(0, region.size, 4096):
            expected = page(((region.address or 0) + offset) >> 12)
            assert view.read(region.offset + offset, 4096) == expected
            assert view.read(region.offset + offset + 100, 50) == expected[100:150]
    assert not layout.unread
    assert (layout.format, layout.architecture) == ("kdump", "x86_64")
    head = memory_of(layout)[0].offset
    assert view.read(0, head) == data[:head]


@pytest.mark.parametrize(("order", "wide"), [("<", True), (">", True), ("<", False), (">", False)])
def test_either_width_and_order(order: str, wide: bool) -> None:
    data = kdump({1: page(1), 5: page(5)}, order=order, wide=wide, machine=b"s390x")
    view = plain_view(BytesSource(data))
    layout = laid_out(view)
    assert [view.read(r.offset, r.size) for r in memory_of(layout)] == [page(1), page(5)]
    assert (layout.byte_order, layout.pointer_size) == ("little" if order == "<" else "big", 8 if wide else 4)


@pytest.mark.parametrize("name", FLAGS)
def test_end_to_end(name: str, tmp_path: Path) -> None:
    memory = planted(31, 200_000)
    pages = pages_of(memory.data, 16)
    dump = tmp_path / "vmcore"
    dump.write_bytes(kdump(pages, flag(name)))
    report, copy = redacted(dump, same_length=False)
    assert report.format == "kdump"
    assert report.size == dump.stat().st_size
    with FileSource(dump) as source, FileSource(copy) as other:
        before, after = plain_view(source), plain_view(other)
        assert isinstance(before, KdumpSource)
        assert isinstance(after, KdumpSource)
        assert_found(report, memory, lambda at: before.head + at)
        assert all(o.address == o.offset - before.head + 0x10000 for o in found(report))
        changed = bytearray(before.pages_end)
        for place in found(report):
            changed[place.offset : place.offset + place.length] = b"\1" * place.length
        old, new = (view.read(before.head, before.pages_end - before.head) for view in (before, after))
        assert all(a == b or may for a, b, may in zip(old, new, changed[before.head :], strict=True))
        erased = [region for region in laid_out(after).regions if region.name == "eraseinfo"]
        (region,) = erased
        lines = after.read(region.offset, region.size).decode().splitlines()
        assert len(lines) == sum(1 for _ in lines if _.startswith("erase dumpscan "))
        assert any(f"physical {o.address:#x} " in line for line in lines for o in found(report) if o.address)


@pytest.mark.parametrize("name", FLAGS)
def test_another_reader_reads_the_copy(name: str, tmp_path: Path) -> None:
    drgn = pytest.importorskip("drgn")
    machine, token, _ = scattered()
    pages = pages_of(machine.memory)
    dump = tmp_path / "vmcore"
    dump.write_bytes(kdump(pages, flag(name), b"PAGESIZE=4096\n" + vmcoreinfo(machine)))
    report, copy = redacted(dump, same_length=False)
    with FileSource(copy) as source:
        view = plain_view(source)
        for path in (dump, copy):
            program = drgn.Program()
            program.set_core_dump(str(path))
            for region in memory_of(read_layout(view)):
                theirs = program.read(region.address, region.size, physical=True)
                if path == copy:
                    assert theirs == view.read(region.offset, region.size)
                    assert token.encode()[:17] not in theirs
    assert report.findings


@pytest.mark.parametrize("flat", [False, True])
def test_secrets_across_page_borders(flat: bool, tmp_path: Path) -> None:
    machine, token, p = scattered()
    data = kdump(pages_of(machine.memory), ZLIB, vmcoreinfo(machine))
    dump = tmp_path / "vmcore"
    dump.write_bytes(flattened(data) if flat else data)
    report, copy = redacted(dump, same_length=False)
    assert {"rsa-private-key", "github-token"} <= {finding.kind for finding in report.findings}
    assert {o.virtual for f in report.findings if f.kind == "github-token" for o in f.occurrences} == {
        USER + 2 * 4096 - 17,
        USER + 2 * 4096,
    }
    with FileSource(copy) as source:
        view = plain_view(source)
        plain = view.read(0, view.size)
    assert not any(part in plain for part in (p[:64], p[64:], token.encode()[:17], token.encode()[17:]))
    assert copy.read_bytes().startswith(b"makedumpfile\0" if flat else b"KDUMP")


def test_shared_pages_are_erased_for_all_who_share_them(tmp_path: Path) -> None:
    memory = planted(32, 60_000)
    pages = pages_of(memory.data)
    twice = pages | {frame + 100: content for frame, content in pages.items()} | {300: bytes(4096), 301: bytes(4096)}
    dump = tmp_path / "vmcore"
    dump.write_bytes(kdump(twice))
    report, copy = redacted(dump, same_length=False)
    addresses = {o.address for o in found(report) if o.address is not None}
    assert {a for a in addresses if a < 100 << 12} == {a - (100 << 12) for a in addresses if a >= 100 << 12}
    assert copy.stat().st_size < dump.stat().st_size + 4096


def test_a_page_that_does_not_change_keeps_what_it_shares(tmp_path: Path) -> None:
    """The stored page of frame 7 begins inside that of frame 1, which cannot be overwritten then."""
    memory = planted(33, 60_000)
    pages = pages_of(memory.data)
    data = bytearray(kdump(pages, NONE, share=False))
    header = read_header(BytesSource(bytes(data)))
    low = min(at for at, secret in memory.places if not secret.startswith(b"0\x82\x01\x22"))
    owner = low // 4096
    (offset,) = struct.unpack_from("<Q", data, header.descriptors + 24 * owner)
    end = max(pages)
    struct.pack_into("<QI", data, header.descriptors + 24 * end, offset, 4096)
    pages[end] = pages[owner]
    dump = tmp_path / "vmcore"
    dump.write_bytes(data)
    redacted(dump, same_length=False)


def test_incompressible_pages_grow_and_move(tmp_path: Path) -> None:
    """A page of one byte compresses to nothing; with a token's filler it must still find a place."""
    memory = planted(34, 40_000)
    data = kdump(pages_of(memory.data), ZSTD)
    dump = tmp_path / "vmcore"
    dump.write_bytes(data)
    redacted(dump, same_length=False)
    assert scan_path(str(dump.with_name("vmcore.copy")), options()).report.verdict == "clean"


def test_wrapped(tmp_path: Path) -> None:
    import gzip

    memory = planted(35, 60_000)
    dump = tmp_path / "vmcore.gz"
    dump.write_bytes(gzip.compress(flattened(kdump(pages_of(memory.data)))))
    _, copy = redacted(dump, same_length=False)
    assert gzip.decompress(copy.read_bytes()).startswith(b"makedumpfile\0")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["vmcore.gz", "vmcore.gz.copy"]


def test_in_an_archive(tmp_path: Path) -> None:
    memory = planted(40, 60_000)
    for name in ("vmcore", "other"):
        (tmp_path / name).write_bytes(kdump(pages_of(memory.data)) if name == "vmcore" else b"nothing here")
    dump, copy = tmp_path / "report.tar", tmp_path / "clean.tar"
    with tarfile.open(dump, "w") as archive:
        for name in ("vmcore", "other"):
            archive.add(tmp_path / name, name)
    redact_any(str(dump), copy, options())
    with tarfile.open(copy) as archive:
        member = archive.extractfile("vmcore")
        assert member is not None
        view = plain_view(BytesSource(member.read()))
    plain = view.read(0, view.size)
    assert len(memory_of(read_layout(view))) == 1
    private = [secret for _, secret in memory.places if not secret.startswith(b"0\x82\x01\x22")]
    assert not any(secret.strip(b"\0")[40:80] in plain for secret in private if len(secret) >= 80)


def test_a_flattened_elf_is_an_elf(tmp_path: Path) -> None:
    memory = planted(36, 60_000)
    core = Core(segments=[Segment(0, bytes(memory.data), physical=0x100000)])
    core.notes = [core.note(b"VMCOREINFO", 0, b"OSRELEASE=6.1\n")]
    data = core.build()
    dump = tmp_path / "vmcore"
    dump.write_bytes(flattened(data, 777))
    report, copy = redacted(dump, same_length=False)
    assert report.format == "elf-core"
    assert_found(report, memory, lambda at: at + data.index(bytes(memory.data)))
    assert copy.stat().st_size == dump.stat().st_size


def test_what_later_pieces_went_over_is_scanned_and_gone(tmp_path: Path) -> None:
    memory = planted(37, 4096 * 8)
    data = kdump({1: page(1)})
    flat = bytearray(flattened(data))
    assert flat.startswith(b"makedumpfile")
    hidden = struct.pack(">2q", 4096, len(memory.data)) + bytes(memory.data)
    covering = struct.pack(">2q", 4096, len(memory.data)) + data[4096:].ljust(len(memory.data), b"\0")
    dump = tmp_path / "vmcore"
    dump.write_bytes(bytes(flat[:4096]) + hidden + covering + bytes(flat[4096:]))
    report, copy = redacted(dump, same_length=False)
    assert memory.kinds <= {finding.kind for finding in report.findings}
    assert RSA_KEY.private_numbers().p.to_bytes(128, "little") not in copy.read_bytes()


def test_a_missing_library_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(kdump({1: page(1), 2: page(2)}))
    codecs = {1: PageCodec("zlib", None, None)}
    monkeypatch.setattr(kdump_module, "BY_FLAG", codecs)
    report = scan_source(BytesSource(bytes(data)), "x", options()).report
    assert report.verdict == "inconclusive"
    assert any("library for zlib is not installed" in item.reason for item in report.coverage.unread)


def test_damaged_pages_are_inconclusive() -> None:
    data = bytearray(kdump({frame: page(frame) for frame in range(1, 6)}))
    offset = read_header(BytesSource(bytes(data))).descriptors
    (at,) = struct.unpack_from("<Q", data, offset)
    data[at : at + 40] = bytes(40)
    report = scan_source(BytesSource(bytes(data)), "x", options()).report
    assert report.verdict == "inconclusive"
    assert any("damaged" in limit for limit in report.coverage.limits)


def test_truncated_is_read_as_far_as_it_goes() -> None:
    memory = planted(38, 100_000)
    data = kdump(pages_of(memory.data), NONE, share=False)
    view = plain_view(BytesSource(data[:-50_000]))
    layout = laid_out(view)
    assert any("lie outside the file" in item.reason for item in layout.unread)
    assert view.read(memory_of(layout)[0].offset, 40_000) == bytes(memory.data[:40_000])
    header = read_header(BytesSource(data))
    cut = plain_view(BytesSource(data[: header.descriptors + 50]))
    assert isinstance(cut, KdumpSource)
    assert cut.pages == 2


def test_workers_share_what_is_open() -> None:
    view = plain_view(BytesSource(kdump({1: page(1)})))
    assert pickle.loads(pickle.dumps(view)) is view


def test_workers_open_again_what_they_do_not_know(tmp_path: Path) -> None:
    path = tmp_path / "vmcore"
    path.write_bytes(flattened(kdump({1: page(1)})))
    with FileSource(path) as source:
        pickled = pickle.dumps(plain_view(source))
    other = pickle.loads(pickled)
    assert isinstance(other, PlainSource)
    assert page(1) in other.read(0, other.size)
    assert len(pickled) < 1000


def test_findings_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    from dataclasses import replace

    memory = planted(39, 100_000)
    path = tmp_path / "vmcore"
    path.write_bytes(kdump(pages_of(memory.data)))
    one = scan_path(str(path), options()).report
    assert scan_path(str(path), replace(options(), jobs=2, window=16 << 10)).report == one


def test_lies_cost_nothing() -> None:
    start = time.perf_counter()
    data = kdump({frame: page(frame) for frame in range(1, 9)})
    for at, shape, value in (
        (440, "<I", 0xFFFFFFFF),
        (436, "<I", 0xFFFFFFFF),
        (432, "<i", 0xFFFF),
        (4096 + 64, "<Q", (1 << 64) - 1),
        (4096 + 72, "<Q", (1 << 64) - 1),
        (4096 + 48, "<Q", (1 << 64) - 1),
        (4096 + 56, "<Q", (1 << 64) - 1),
        (4096 + 96, "<Q", (1 << 64) - 1),
    ):
        broken = bytearray(data)
        struct.pack_into(shape, broken, at, value)
        with contextlib.suppress(FormatError):
            laid_out(Kdump().open(BytesSource(bytes(broken))))
    flat = bytearray(flattened(data))
    struct.pack_into(">2q", flat, 4096, 1 << 62, 4096)
    assert plain_view(BytesSource(bytes(flat))).size < 1 << 30
    many = bytes(flat[:4096]) + (struct.pack(">2q", 1, 1) + b"a") * 100_000
    assert Flattened().layout(BytesSource(many)).unread
    assert time.perf_counter() - start < 20


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_raises_nothing_else(data: st.DataObject) -> None:
    flat = data.draw(st.booleans())
    whole = kdump({frame: page(frame) for frame in (1, 2, 9)}, data.draw(st.sampled_from((NONE, ZLIB, ZSTD))))
    broken = bytearray(flattened(whole, 5000) if flat else whole)
    spots = (st.integers(0, 40), st.integers(420, 470), st.integers(4096, 4200), st.integers(16384, len(broken) - 1))
    for _ in range(data.draw(st.integers(0, 10))):
        broken[data.draw(st.one_of(*spots))] = data.draw(st.sampled_from((0, 1, 2, 4, 0x20, 0x7F, 0x80, 0xFF)))
    del broken[data.draw(st.integers(1, len(broken))) :]
    view = plain_view(BytesSource(bytes(broken)))
    laid_out(view)
    assert len(view.read(0, min(view.size, 1 << 20))) == min(view.size, 1 << 20)
