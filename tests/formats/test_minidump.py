"""Minidumps: made ones in every detail, real ones against another parser, broken ones for the promise to survive."""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidump.minidumpfile import MinidumpFile

from dumpscan.errors import FormatError
from dumpscan.formats.memory_map import AddressMap
from dumpscan.formats.minidump import Minidump
from dumpscan.formats.minidump_file import merge
from dumpscan.model import Layout, Module, Region, Thread
from tests.makers.fixtures import Row, fixture_root, manifest
from tests.makers.minidump import MinidumpMaker, context, full_dump
from tests.makers.source import BytesSource

ROWS = [row for row in manifest() if row.format == "minidump"]
REAL = pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
SMALL = next((row for row in ROWS if row.path.endswith("tiny-exe-with-cet-xsave-x86.dmp")), None)


def layout_of(data: bytes) -> Layout:
    return Minidump().layout(BytesSource(data))


def assert_partition(layout: Layout, size: int) -> None:
    position = 0
    for region in layout.regions:
        assert region.offset == position
        assert region.size > 0
        position = region.end
    assert position == size


def named(layout: Layout, kind: str, name: str | None = None) -> list[Region]:
    return [r for r in layout.regions if r.kind == kind and (name is None or r.name == name)]


def body(data: bytes, regions: Iterable[Region]) -> bytes:
    return b"".join(data[r.offset : r.end] for r in regions)


# ---------------------------------------------------------------- a made dump, in detail


@pytest.fixture(scope="module")
def full() -> tuple[bytes, Layout]:
    data = full_dump()
    return data, layout_of(data)


def test_everything_is_covered_and_read(full: tuple[bytes, Layout]) -> None:
    data, layout = full
    assert_partition(layout, len(data))
    assert layout.unread == ()
    assert (layout.format, layout.architecture, layout.pointer_size) == ("minidump", "x86_64", 8)


def test_memory_lies_where_it_was_put(full: tuple[bytes, Layout]) -> None:
    data, layout = full
    memory = {r.address: data[r.offset : r.end] for r in named(layout, "memory")}
    assert memory == {
        0x10_0000: b"heap" * 64,
        0x40_0000: b"code" * 16,
        0x6000_0000: b"S" * 128,
        0x7000_0000: b"stack of thread seven".ljust(64, b"."),
        0x8000_0000: b"n" * 50,
        0x9000_0000: b"m" * 100,
    }


def test_memory_has_names_permissions_and_threads(full: tuple[bytes, Layout]) -> None:
    known = {r.address: (r.name, r.perms, r.thread) for r in named(full[1], "memory")}
    assert known[0x10_0000] == (None, "rw-", None)
    assert known[0x40_0000] == ("C:\\app\\leak.exe", "r-x", None)
    assert known[0x6000_0000] == ("stack", "rw-", 8)  # only the stack pointer tells
    assert known[0x7000_0000] == ("stack", None, 7)  # in the thread list only


def test_threads_and_modules(full: tuple[bytes, Layout]) -> None:
    layout = full[1]
    assert layout.threads == (Thread(7, 0x7000_0010, "main"), Thread(8, 0x6000_0020, "wörker"))
    assert layout.modules == (
        Module("C:\\app\\leak.exe", 0x40_0000, 0x40_5000),
        Module("C:\\Windows\\System32\\ntdll.dll", 0x7700_0000, 0x7700_1000),
    )


def test_registers_are_regions(full: tuple[bytes, Layout]) -> None:
    found = [(r.name, r.thread, r.size) for r in named(full[1], "registers")]
    assert sorted(found) == [("context", 7, 1232), ("context", 8, 1232), ("exception context", 7, 1232)]


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("text", "CommentA", b"a comment"),
        ("text", "CommentW", "wide comment".encode("utf-16-le")),
        ("command-line", "LinuxCmdLine", b"leak\0--token\0"),
        ("environment", "LinuxEnviron", b"HOME=/root\0KEY=1\0"),
        ("stream", "0xabcd0001", b"mine"),
        ("text", "annotation url", b"https://example.test/"),
        ("text", "annotation user-id", b"u-17"),
        ("text", "annotation", b"plain annotation"),
        ("names", "handle names", "\\Device\\secret.txt".encode("utf-16-le")),
        ("names", "handle names", "ready".encode("utf-16-le")),
        ("names", "module names", "C:\\app\\leak.exe".encode("utf-16-le")),
        ("names", "unloaded module names", "gone.dll".encode("utf-16-le")),
        ("names", "thread names", "wörker".encode("utf-16-le")),
        ("names", "system names", "Service Pack 1".encode("utf-16-le")),
        ("names", "module debug records", b"c:\\build\\it.pdb"),
    ],
)
def test_texts(full: tuple[bytes, Layout], kind: str, name: str, content: bytes) -> None:
    data, layout = full
    assert content in body(data, named(layout, kind, name))


@pytest.mark.parametrize(
    ("processor", "name", "width"), [(0, "x86", 4), (5, "arm", 4), (9, "x86_64", 8), (12, "aarch64", 8)]
)
def test_stack_pointer_of_each_processor(processor: int, name: str, width: int) -> None:
    layout = layout_of(full_dump(processor))
    assert (layout.architecture, layout.pointer_size) == (name, width)
    assert [t.stack_pointer for t in layout.threads] == [0x7000_0010, 0x6000_0020]


def test_stack_pointer_needs_the_right_flags() -> None:
    maker = MinidumpMaker().system(0)
    maker.threads(maker.thread(1, (0, 0, 0), context(9, 0x1000)))
    assert layout_of(maker.build()).threads == (Thread(1),)


def test_exception_context_gives_the_stack_pointer_where_the_thread_has_none() -> None:
    maker = MinidumpMaker().system(9)
    maker.threads(maker.thread(1, (0, 0, 0), b"")).exception(1, context(9, 0x2000))
    assert layout_of(maker.build()).threads == (Thread(1, 0x2000),)


def test_pad_after_the_count() -> None:
    data = MinidumpMaker().memory((0x3000, b"later"), (0x1000, b"first"), pad=True).build()
    layout = layout_of(data)
    memory = [(r.address, data[r.offset : r.end]) for r in named(layout, "memory")]
    assert memory == [(0x3000, b"later"), (0x1000, b"first")]
    assert layout.unread == ()


def test_linux_maps_name_memory() -> None:
    maps = b"00001000-00003000 rw-p 00000000 00:00 0          [heap]\n00003000-00004000 r--s 0 08:01 7 /usr/lib/it.so\n"
    maker = (
        MinidumpMaker().stream(0x47670009, maps).memory((0x1800, b"h" * 64), (0x3000, b"f" * 64), (0x2FF0, b"x" * 64))
    )
    regions = named(layout_of(maker.build()), "memory")
    assert [(r.name, r.perms) for r in regions] == [("heap", "rw-"), ("/usr/lib/it.so", "r--"), (None, None)]


def test_same_bytes_claimed_by_stack_and_memory_list() -> None:
    maker = MinidumpMaker().system(9)
    rva = maker.place(b"0123456789abcdef" * 4)
    maker.threads(maker.thread(3, (0x5010, 16, rva + 16), context(9, 0x5018)))
    maker.stream(5, struct.pack("<IQII", 1, 0x5000, 64, rva))
    pieces = [(r.address, r.size, r.name, r.thread) for r in named(layout_of(maker.build()), "memory")]
    assert pieces == [(0x5000, 16, None, None), (0x5010, 16, "stack", 3), (0x5020, 32, None, None)]


def test_memory_wins_over_streams() -> None:
    maker = MinidumpMaker()
    rva = maker.place(b"z" * 64)
    maker.point(0xFFFF0001, 64, rva).stream(5, struct.pack("<IQII", 1, 0x5000, 32, rva + 16))
    layout = layout_of(maker.build())
    assert [(r.offset, r.size) for r in named(layout, "stream", "0xffff0001")] == [(rva, 16), (rva + 48, 16)]


# ---------------------------------------------------------------- less than promised


def test_truncated_memory_is_clipped_and_noted() -> None:
    data = MinidumpMaker().memory64((0x1000, b"a" * 64), (0x2000, b"b" * 64), (0x3000, b"c" * 64)).build()[:-100]
    layout = layout_of(data)
    assert [(r.address, r.size) for r in named(layout, "memory")] == [(0x1000, 64), (0x2000, 28)]
    (unread,) = layout.unread
    assert (unread.offset, unread.length) == (len(data), 100)
    assert "2 of 3" in unread.reason
    assert f"{len(data):#x}" in unread.reason


def test_stack_without_bytes_is_noted() -> None:
    maker = MinidumpMaker().system(9)
    maker.threads(maker.thread(1, (0x1000, 64, 0), context(9, 0x1010)), maker.thread(2, (0x2000, 64, 0), context(9, 0)))
    (unread,) = layout_of(maker.memory64((0x1000, b"s" * 64)).build()).unread
    assert unread.length == 64
    assert unread.reason.startswith("1 thread stacks")


@pytest.mark.parametrize("number", [3, 4, 5, 8, 24])
def test_a_count_beyond_its_stream_is_bounded(number: int) -> None:
    layout = layout_of(MinidumpMaker().stream(number, struct.pack("<I", 0xFFFF_FFFF) + bytes(200)).build())
    assert any("claims 4294967295 entries" in u.reason for u in layout.unread)


@pytest.mark.parametrize("number", [9, 16])
def test_a_64_bit_count_beyond_its_stream_is_bounded(number: int) -> None:
    head = struct.pack("<QQ", 1 << 63, 32) if number == 9 else struct.pack("<IIQ", 16, 48, 1 << 63)
    layout = layout_of(MinidumpMaker().stream(number, head + bytes(96)).build())
    assert any("claims 9223372036854775808 entries" in u.reason for u in layout.unread)


def test_a_table_with_absurd_entries_is_noted() -> None:
    layout = layout_of(MinidumpMaker().stream(12, struct.pack("<IIII", 16, 0, 9, 0) + bytes(99)).build())
    assert [u.reason for u in layout.unread] == ["HandleData has a head of 16 bytes and entries of 0"]


def test_a_repeated_stream_is_noted() -> None:
    layout = layout_of(MinidumpMaker().memory((0x1000, b"a")).memory((0x2000, b"b")).build())
    assert [r.address for r in named(layout, "memory")] == [0x1000]
    assert "repeat" in layout.unread[0].reason


def test_ranges_beyond_the_address_space_are_cut() -> None:
    data = MinidumpMaker().memory((2**64 - 16, b"e" * 64)).build()
    (region,) = named(layout_of(data), "memory")
    assert region.address == 2**64 - 16
    assert region.size == 16


@pytest.mark.parametrize("size", [0, 3, 4, 31])
def test_shorter_than_a_header(size: int) -> None:
    with pytest.raises(FormatError):
        layout_of(full_dump()[:size])


def test_directory_outside_the_file() -> None:
    data = bytearray(full_dump())
    struct.pack_into("<I", data, 12, len(data))
    with pytest.raises(FormatError, match="its directory is at"):
        layout_of(bytes(data))


def test_another_signature() -> None:
    with pytest.raises(FormatError):
        layout_of(b"PMDM" + full_dump()[4:])


# ---------------------------------------------------------------- cost


def test_a_hundred_thousand_ranges_take_seconds_not_hours() -> None:
    maker = MinidumpMaker()
    rva = maker.place(bytes(1 << 16))
    rows = [struct.pack("<QII", (i * 7919) % 100_000 * 64, 64 + i % 4096, rva + i % 60_000) for i in range(100_000)]
    data = maker.stream(5, struct.pack("<I", len(rows)) + b"".join(rows)).build()
    began = time.process_time()
    layout = layout_of(data)
    assert time.process_time() - began < 20
    assert_partition(layout, len(data))


def test_modules_that_share_one_long_annotation_table() -> None:
    """A thousand modules point at one table of a thousand pairs: a million pairs from 30 KB."""
    maker = MinidumpMaker()
    pairs = maker.place(struct.pack("<I", 1000) + bytes(8000))
    module = maker.place(struct.pack("<I6I", 1, 0, 0, 8004, pairs, 0, 0))
    links = maker.place(struct.pack("<I", 1000) + struct.pack("<III", 0, 28, module) * 1000)
    maker.stream(0x43500001, struct.pack("<I32xIIII", 1, 0, 0, 12004, links))
    source = BytesSource(maker.build())
    layout = Minidump().layout(source)
    assert any("records overlap" in u.reason for u in layout.unread)
    assert source.bytes_read < 8 * source.size


def test_unread_stays_short() -> None:
    maker = MinidumpMaker()
    module = maker.place(struct.pack("<I6I", 1, 8, 1 << 30, 0, 0, 0, 0) + b"\xff" * 8)
    links = maker.place(struct.pack("<I", 5000) + struct.pack("<III", 0, 28, module) * 5000)
    bad = maker.place(b"\xff" * 8)
    module_bytes = struct.pack("<I6I", 1, 8, bad, 0, 0, 0, 0)
    data = bytearray(maker.stream(0x43500001, struct.pack("<I32xIIII", 1, 0, 0, 60_004, links)).build())
    data[module : module + 28] = module_bytes
    assert 100 <= len(layout_of(bytes(data)).unread) <= 101


def test_merge_joins_neighbours_of_one_name() -> None:
    claims = [Region(30, 5, kind="names", name="a"), Region(0, 10, kind="names", name="a"),
              Region(12, 10, kind="names", name="a"), Region(11, 1, kind="names", name="b")]  # fmt: skip
    assert [(r.offset, r.size, r.name) for r in merge(claims)] == [(0, 35, "a"), (11, 1, "b")]


# ---------------------------------------------------------------- real dumps


@REAL
def test_real_dumps_are_partitioned(row: Row) -> None:
    data = row.file.read_bytes()
    layout = layout_of(data)
    assert_partition(layout, len(data))
    # only the invalid ones do not hold what they promise
    assert bool(layout.unread) == row.path.endswith(("invalid-range.dmp", "invalid-record-count.dmp"))


@REAL
def test_real_dumps_know_their_threads(row: Row) -> None:
    layout = layout_of(row.file.read_bytes())
    for thread in layout.threads:
        assert thread.stack_pointer
        assert any(r.thread == thread.id and r.kind == "registers" for r in layout.regions)


@REAL
def test_another_parser_agrees(row: Row) -> None:
    """PyPI ``minidump`` fails on some real files, and does not know the pad after a count; then it has no say."""
    data = row.file.read_bytes()
    other = parsed_by_another(data)
    layout = layout_of(data)
    memory = AddressMap(layout)
    for segment in other.get_reader().memory_segments:
        address, offset, size = segment.start_virtual_address, segment.start_file_address, segment.size
        if offset + size > len(data):
            pytest.skip("the other parser reads ranges outside the file")
        assert memory.read(BytesSource(data), address, size) == data[offset : offset + size]
    if other.threads:
        assert {t.ThreadId for t in other.threads.threads} == {t.id for t in layout.threads}
    if other.modules:
        theirs = [(m.baseaddress, m.size, m.name) for m in other.modules.modules]
        assert sorted(theirs) == sorted((m.start, m.end - m.start, m.name) for m in layout.modules)


def parsed_by_another(data: bytes) -> MinidumpFile:
    logging.disable(logging.CRITICAL)  # it logs tracebacks
    try:
        parsed = MinidumpFile.parse_bytes(data)
        parsed.get_reader()
    except Exception as error:
        pytest.skip(f"the other parser fails: {type(error).__name__}")
    finally:
        logging.disable(logging.NOTSET)
    return parsed


# ---------------------------------------------------------------- broken dumps


def survives(data: bytes) -> None:
    source = BytesSource(data)
    try:
        layout = Minidump().layout(source)
    except FormatError:
        return
    assert_partition(layout, len(data))
    assert source.bytes_read < 64 * len(data) + 4096


def corrupted(data: bytes, edits: list[tuple[int, int]], keep: int) -> bytes:
    """``data`` with 32-bit words overwritten, then cut to ``keep`` bytes."""
    broken = bytearray(data)
    for position, value in edits:
        struct.pack_into("<I", broken, position % (len(broken) - 4), value)
    return bytes(broken[:keep])


WORDS = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 0x4000), st.sampled_from([0, 1, 2**31, 2**32 - 1]))
EDITS = st.lists(st.tuples(st.integers(0, 1 << 16), WORDS), min_size=1, max_size=12)
FULL = full_dump()


@settings(max_examples=200, deadline=None)
@given(edits=EDITS, keep=st.integers(0, len(FULL)) | st.just(len(FULL)))
def test_a_made_dump_survives_damage(edits: list[tuple[int, int]], keep: int) -> None:
    survives(corrupted(FULL, edits, keep))


@pytest.mark.skipif(SMALL is None, reason="no fixtures")
@settings(max_examples=100, deadline=None)
@given(edits=EDITS, keep=st.integers(0, 30_000))
def test_a_real_dump_survives_damage(edits: list[tuple[int, int]], keep: int) -> None:
    assert SMALL is not None
    survives(corrupted(SMALL.file.read_bytes(), edits, keep))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_after_a_header(tail: bytes) -> None:
    survives(b"MDMP\x93\xa7\0\0" + tail)


@settings(max_examples=50)
@given(st.binary(max_size=64))
def test_sniff_is_total(head: bytes) -> None:
    assert Minidump().sniff(head) == (head[:4] == b"MDMP")


def test_fixtures_are_found_where_they_are_expected() -> None:
    root = fixture_root()
    if root is None:
        pytest.skip("no fixtures")
    assert len(ROWS) > 50
    assert isinstance(root, Path)
