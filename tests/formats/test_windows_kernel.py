"""Windows kernel dumps: every type, virtual addresses, modules, secrets over page borders, headers that lie."""

from __future__ import annotations

import contextlib
import random
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.registry import recognise
from dumpscan.formats.windows_kernel import WindowsKernel
from dumpscan.model import Layout, Module, Region
from tests.formats.test_vmcore import USER, scattered
from tests.makers.paging import Machine
from tests.makers.planted import github_token, planted
from tests.makers.redacting import assert_found, found, redacted
from tests.makers.source import BytesSource, covering_layout
from tests.makers.windows_kernel import dump, header, narrow, narrow_dump, narrow_triage, old_dump, triage

KINDS = (1, 2, 5, 6, 8, 9, 10)


def layout_of(data: bytes) -> Layout:
    return covering_layout(WindowsKernel(), data)


def memory_of(layout: Layout) -> list[Region]:
    return [region for region in layout.regions if region.kind == "memory"]


def page(frame: int) -> bytes:
    return struct.pack("<Q", frame) * 512


@pytest.mark.parametrize("kind", KINDS)
def test_pages_have_their_addresses(kind: int) -> None:
    frames = [1, 2, 3, 7, 8, 100, 4000]
    data = dump(kind, {frame: page(frame) for frame in frames})
    assert recognise(BytesSource(data)).name == "windows-kernel"
    layout = layout_of(data)
    assert [(r.address, r.size) for r in memory_of(layout)] == [
        (0x1000, 0x3000),
        (0x7000, 0x2000),
        (100 << 12, 0x1000),
        (4000 << 12, 0x1000),
    ]
    for region in memory_of(layout):
        assert data[region.offset : region.offset + 4096] == page((region.address or 0) >> 12)
    assert not layout.unread
    assert layout.architecture == "x86_64"
    assert [r.kind for r in layout.regions if r.name in ("context", "comment")] == ["registers", "text"]


@pytest.mark.parametrize("kind", KINDS)
def test_another_parser_finds_the_same_pages(kind: int, tmp_path: Path) -> None:
    parser = pytest.importorskip("kdmp_parser")
    if kind == 2:
        pytest.skip("kdmp_parser does not know this type")
    data = dump(kind, {frame: page(frame) for frame in (1, 2, 3, 9, 70)}, 0x1000)
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(data)
    parsed = parser.KernelDumpParser(path)
    assert parsed.directory_table_base == 0x1000
    for region in memory_of(layout_of(data)):
        for offset in range(0, region.size, 4096):
            at = region.offset + offset
            assert bytes(parsed.read_physical_page((region.address or 0) + offset)) == data[at : at + 4096]


def test_32_bit_dumps() -> None:
    table = bytearray(4096)
    struct.pack_into("<I", table, 4 * 0x200, 0x3000 | 1)
    leaf = bytearray(4096)
    struct.pack_into("<I", leaf, 4, 0x5000 | 1)
    pages = page(1) + bytes(table) + bytes(leaf) + page(5)
    layout = layout_of(narrow(1, [(1, 3), (5, 1)], pages, table=0x2000))
    assert [(r.address, r.offset) for r in memory_of(layout)] == [(0x1000, 0x1000), (0x5000, 0x4000)]
    assert layout.spaces[0].at(0x80001004) == (0x4004, 4092)
    assert (layout.architecture, layout.pointer_size) == ("i386", 4)


@pytest.mark.parametrize("kind", [1, 2, 5, 6])
@pytest.mark.parametrize("pae", [False, True])
def test_32_bit_dumps_of_every_type(kind: int, pae: bool) -> None:
    """The kernel's part through the current process's tables, and a process that was not running."""
    machine = Machine(64, kind="pae" if pae else "x86")
    first = self_mapped(machine, pae)
    machine.map(0x80003000, 0x20000)
    machine.map(0x80004000, 0x30000)
    machine.map(0x10000, 0x21000)
    machine.root = machine.page()
    second = self_mapped(machine, pae)
    machine.map(0x10000, 0x31000)
    machine.map(0x80003000, 0x20000)
    pages = {i: bytes(machine.memory[i * 4096 : i * 4096 + 4096]) for i in (*range(1, 24), 0x20, 0x21, 0x30, 0x31)}
    data = narrow_dump(kind, pages, first, pae)
    layout = layout_of(data)
    assert not layout.unread
    assert [(r.address, r.size) for r in memory_of(layout)] == [
        (0x1000, 0x17000), (0x20000, 0x2000), (0x30000, 0x2000)
    ]  # fmt: skip
    for region in memory_of(layout):
        for at in range(0, region.size, 4096):
            assert data[region.offset + at :][:4096] == pages[((region.address or 0) + at) >> 12]
    current, other = layout.spaces
    assert (current.name, other.name) == ("current process", f"process of page table {second:#x}")
    assert data[offset_of(layout, 0x30000) :][:4096] == pages[0x30]
    for space, address, frame in (
        (current, 0x80003000, 0x20), (current, 0x80004000, 0x30), (current, 0x10000, 0x21), (other, 0x10000, 0x31)
    ):  # fmt: skip
        place = space.at(address)
        assert place is not None
        assert place[0] == offset_of(layout, frame << 12)
    assert other.at(0x80003000) is None
    assert (layout.architecture, layout.pointer_size) == ("i386", 4)
    assert [r.kind for r in layout.regions if r.name in ("context", "comment")] == ["registers", "text"]


def self_mapped(machine: Machine, pae: bool) -> int:
    """Let the tables list themselves where Windows has them; returns what is found to be the root."""
    if not pae:
        machine.put(machine.root + 4 * 0x300, struct.pack("<I", machine.root | 0x63))
        return machine.root
    tables = [machine.page() for _ in range(4)]
    listed = struct.pack("<4Q", *(table | 1 for table in tables))
    machine.put(machine.root, listed)
    machine.put(tables[3], struct.pack("<4Q", *(table | 0x63 for table in tables)))
    return machine.root if machine.root == 0x1000 else tables[3]


def offset_of(layout: Layout, physical: int) -> int:
    (region,) = (r for r in memory_of(layout) if 0 <= physical - (r.address or 0) < r.size)
    return region.offset + physical - (region.address or 0)


def test_the_bitmap_of_64_bit_windows_before_8() -> None:
    frames = [1, 2, 3, 9, 70]
    data = old_dump({frame: page(frame) for frame in frames}, 0x1000)
    layout = layout_of(data)
    assert not layout.unread
    assert [(r.address, r.size) for r in memory_of(layout)] == [(0x1000, 0x3000), (0x9000, 0x1000), (70 << 12, 0x1000)]
    for region in memory_of(layout):
        assert data[region.offset : region.offset + 4096] == page((region.address or 0) >> 12)


@pytest.mark.parametrize("fill", [b"PAGE" * 6, bytes(24)])
def test_the_later_bitmap_is_not_taken_for_the_older(fill: bytes) -> None:
    data = bytearray(dump(2, {frame: page(frame) for frame in (1, 2, 3, 9, 70)}))
    data[0x2008:0x2020] = fill
    assert [r.address for r in memory_of(layout_of(bytes(data)))] == [0x1000, 0x9000, 70 << 12]


def test_32_bit_secrets_across_page_borders(tmp_path: Path) -> None:
    machine = Machine(64, kind="pae")
    self_mapped(machine, True)
    token = github_token(random.Random(8)).encode()
    machine.write(0x10000 + 4096 - 17, token, [0x31000, 0x20000])
    pages = {i: bytes(machine.memory[i * 4096 : i * 4096 + 4096]) for i in range(1, 64)}
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(narrow_dump(2, pages, machine.root, True))
    assert token not in path.read_bytes()
    report, copy = redacted(path)
    (finding,) = report.findings
    assert [o.virtual for o in finding.occurrences] == [0x11000, 0x10000 + 4096 - 17]
    assert token[:17] not in copy.read_bytes()
    assert token[17:] not in copy.read_bytes()


def test_32_bit_modules() -> None:
    machine = Machine(64, kind="x86")
    kernel = 0x80500000
    machine.map(kernel, 0x30000)
    name = "ntoskrnl.exe".encode("utf-16-le")
    record = bytearray(0x50)
    struct.pack_into("<II", record, 0, kernel, kernel)
    struct.pack_into("<I", record, 0x18, 0x804D7000)
    struct.pack_into("<I", record, 0x20, 0x215000)
    struct.pack_into("<HHI", record, 0x24, len(name), len(name) + 2, kernel + 0x200)
    machine.put(0x30000, struct.pack("<II", kernel + 0x100, kernel + 0x100))
    machine.put(0x30100, bytes(record))
    machine.put(0x30200, name)
    pages = {i: bytes(machine.memory[i * 4096 : i * 4096 + 4096]) for i in range(1, 64)}
    layout = layout_of(narrow_dump(2, pages, machine.root, modules=kernel))
    assert layout.modules == (Module("ntoskrnl.exe", 0x804D7000, 0x804D7000 + 0x215000),)


@pytest.mark.parametrize("fields", [0xFFF, 0x9FF, 0x7FF, 0x5FF, 0x1FF, 0x0FF])
def test_32_bit_triage_dumps(fields: int, tmp_path: Path) -> None:
    """Windows 2000 has neither blocks nor a data page, and what is in their place in the header is anything."""
    memory = planted(21, 200_000)
    base = 0xE1234000
    data = narrow_triage([(base, bytes(memory.data))], (0xF7A10000, b"stack" * 100), (0x8055A000, page(7)), fields)
    layout = layout_of(data)
    assert not layout.unread
    assert layout.architecture == "i386"
    blocks = {r.address: data[r.offset : r.end] for r in memory_of(layout)}
    assert blocks[0xF7A10000] == b"stack" * 100
    assert blocks.get(base) == (bytes(memory.data) if fields & 0x800 else None)
    assert blocks.get(0x8055A000) == (page(7) if fields & 0x200 else None)
    assert [r.size for r in layout.regions if r.name == "triage header"] == [0x68]
    path = tmp_path / "mini.dmp"
    path.write_bytes(data)
    report, _ = redacted(path)
    start = data.index(bytes(memory.data))
    assert_found(report, memory, lambda at: at + start)
    if fields & 0x800:
        assert all(o.address == base + o.offset - start for o in found(report))


def test_arm64_dumps() -> None:
    machine = Machine(64, arm=True)
    entry = struct.pack("<Q", machine.root | 0x703)
    machine.put(machine.root + 8 * 0x1ED, entry)
    machine.map(0xFFFFF80000003000, 0x20000)
    machine.map(0x7FF600000000, 0x21000)
    first, machine.root = machine.root, machine.page()
    machine.put(machine.root + 8 * 0x1ED, struct.pack("<Q", machine.root | 0x703))
    machine.map(0x7FF600000000, 0x31000)
    pages = {i: bytes(machine.memory[i * 4096 : i * 4096 + 4096]) for i in range(1, 64)}
    data = bytearray(dump(6, pages, first))
    struct.pack_into("<I", data, 0x30, 0xAA64)
    layout = layout_of(bytes(data))
    assert layout.architecture == "aarch64"
    current, other = layout.spaces
    assert current.at(0xFFFFF80000003000) == (offset_of(layout, 0x20000), 4096)
    assert current.at(0x7FF600000000) == (offset_of(layout, 0x21000), 4096)
    assert other.at(0x7FF600000000) == (offset_of(layout, 0x31000), 4096)


def test_arm64_triage_dumps_have_contexts_of_their_size() -> None:
    data = triage([(0xFFFF800012340000, b"a" * 64)], (0xFFFF800011110000, b"b" * 64), arm=True)
    layout = layout_of(data)
    assert [r.size for r in layout.regions if r.name == "context"] == [3000, 912]
    assert [(r.address, data[r.offset]) for r in memory_of(layout)] == [
        (0xFFFF800011110000, 0x62), (0xFFFF800012340000, 0x61)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [1, 5])
def test_secrets_across_page_borders(kind: int, tmp_path: Path) -> None:
    machine, token, p = scattered(kind)
    frames = {i: bytes(machine.memory[i * 4096 : i * 4096 + 4096]) for i in range(1, 256)}
    data = dump(kind, frames, machine.root)
    shift = len(data) - 256 * 4096
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(data)
    report, copy = redacted(path)
    assert {"rsa-private-key", "github-token"} <= {finding.kind for finding in report.findings}
    after = copy.read_bytes()
    assert data[shift + 0xB0000 :][:64] == p[64:]
    assert not any(after[shift + 0xB0000 :][:64])
    assert token.encode()[:17] not in after
    for place in found(report):
        assert place.address == place.offset - shift
    assert {o.virtual for f in report.findings if f.kind == "github-token" for o in f.occurrences} == {
        USER + 2 * 4096 - 17,
        USER + 2 * 4096,
    }


def test_modules_are_followed_through_virtual_memory() -> None:
    machine, _, _ = scattered()
    kernel = 0xFFFFF80000000000
    for i in range(2):
        machine.map(kernel + i * 4096, 0x90000 + i * 4096)
    name = "\\SystemRoot\\system32\\ntoskrnl.exe".encode("utf-16-le")
    entry = kernel + 0x100
    machine.put(0x90000, struct.pack("<QQ", entry, entry))
    record = bytearray(0x68)
    struct.pack_into("<QQ", record, 0, kernel, kernel)
    struct.pack_into("<Q", record, 0x30, 0xFFFFF80300000000)
    struct.pack_into("<I", record, 0x40, 0x1046000)
    struct.pack_into("<HHIQ", record, 0x48, len(name), len(name) + 2, 0, kernel + 0x1000)
    machine.put(0x90100, bytes(record))
    machine.put(0x91000, name)
    pages = {i: bytes(machine.memory[i * 4096 : i * 4096 + 4096]) for i in range(1, 256)}
    layout = layout_of(dump(5, pages, machine.root, modules=kernel))
    base = 0xFFFFF80300000000
    assert layout.modules == (Module("\\SystemRoot\\system32\\ntoskrnl.exe", base, base + 0x1046000),)


def test_triage_end_to_end(tmp_path: Path) -> None:
    memory = planted(21, 200_000)
    base = 0xFFFFC48112340000
    blob = b"DumpBlob" + struct.pack("<II", 16, 22621) + b"driver log"
    data = triage([(base, bytes(memory.data))], (base - 0x10000, b"stack" * 100), blob)
    start = data.index(bytes(memory.data))
    path = tmp_path / "mini.dmp"
    path.write_bytes(data)
    layout = layout_of(data)
    assert not layout.unread
    assert {"stack", "context", "data blocks", "triage header"} <= {region.name for region in layout.regions}
    assert layout.regions[-1].kind == "raw"
    report, _ = redacted(path)
    assert_found(report, memory, lambda at: at + start)
    assert all(o.address == base + o.offset - start for o in found(report))


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_dump_is_read_as_far_as_it_goes(kind: int) -> None:
    data = dump(kind, {frame: page(frame) for frame in (1, 2, 3, 9)})
    layout = layout_of(data[:-6000])
    assert sum(r.size for r in memory_of(layout)) == 4 * 4096 - 6000
    assert sum(item.length for item in layout.unread) == 6000


@pytest.mark.parametrize("size", [0, 8, 4095, 0x1FFF])
def test_a_header_that_is_cut_off_is_refused(size: int) -> None:
    data = bytes(header(1, 0, [(1, 1)]))[:size]
    assert WindowsKernel().sniff(data) == (size >= 8)
    with pytest.raises(FormatError):
        WindowsKernel().layout(BytesSource(data))


def test_lies_cost_nothing() -> None:
    start = time.perf_counter()
    lying = header(1, 1 << 63, [((1 << 64) - 1, (1 << 64) - 1), (0, 1 << 63), (5, 0)])
    assert memory_of(layout_of(bytes(lying) + bytes(4096)))
    assert layout_of(bytes(lying) + bytes(4096)).unread
    for count in (0, 44, 0x45474150):
        struct.pack_into("<I", lying, 0x88, count)
        with pytest.raises(FormatError):
            WindowsKernel().layout(BytesSource(bytes(lying)))
    data = bytearray(dump(5, {1: page(1)}))
    for place, value in ((0x2020, 1 << 62), (0x2030, 1 << 62), (0x2020, 0)):
        broken = bytearray(data)
        struct.pack_into("<Q", broken, place, value)
        with pytest.raises(FormatError):
            WindowsKernel().layout(BytesSource(bytes(broken)))
    blocks = triage([(0x1000, b"a" * 64)] * 50, (0x9000, b"b" * 64))
    broken = bytearray(blocks)
    struct.pack_into("<I", broken, 0x207C, 0xFFFFFFFF)
    assert layout_of(bytes(broken)).unread
    assert time.perf_counter() - start < 10


def test_many_runs_are_cheap() -> None:
    frames = 600_000
    bits = b"\x55" * (frames // 8)
    data = bytes(header(5)) + b"FDMPDUMP" + bytes(0x18) + struct.pack("<3Q", 0x2038 + len(bits), frames // 2, frames)
    data += bits + bytes(300_000 * 16)  # cut short
    start = time.perf_counter()
    assert layout_of(data).unread
    assert time.perf_counter() - start < 10


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_raises_nothing_else(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from((*KINDS, 4)))
    whole = (
        triage([(0x1000, b"a" * 64), (0x1040, b"c" * 64)], (0x9000, b"b" * 64))
        if kind == 4
        else dump(kind, {frame: page(frame) for frame in (1, 2, 9)}, 0x1000, modules=0x1000)
    )
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 12))):
        place = data.draw(
            st.one_of(
                st.integers(8, 0xB0),
                st.integers(0x2000, 0x2080),
                st.integers(0xF98, 0xF9B),
                st.integers(8, len(broken) - 1),
            )
        )
        broken[place] = data.draw(st.sampled_from((0, 1, 4, 0x20, 0x7F, 0x80, 0xFF)))
    del broken[data.draw(st.integers(8, len(broken))) :]
    with contextlib.suppress(FormatError):
        layout_of(bytes(broken))


NARROW_DUMPS = [
    narrow_triage([(0x1000, b"a" * 64), (0x1040, b"c" * 64)], (0x9000, b"b" * 64), (0xA000, b"d" * 64)),
    *(narrow_dump(kind, {f: page(f) for f in (1, 2, 9)}, 0x1000, pae) for kind in (1, 2, 5) for pae in (False, True)),
    old_dump({frame: page(frame) for frame in (1, 2, 9)}, 0x1000),
]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_of_32_bit_dumps_raises_nothing_else(data: st.DataObject) -> None:
    broken = bytearray(data.draw(st.sampled_from(NARROW_DUMPS)))
    places = st.one_of(*(st.integers(low, low + 0x80) for low in (8, 0xF80, 0x1000, 0x2000)), st.integers(8, 1 << 14))
    for place in data.draw(st.lists(places, max_size=12)):
        broken[place % len(broken)] = data.draw(st.sampled_from((0, 1, 4, 0x20, 0x7F, 0x80, 0xFF)))
    broken[:8] = b"PAGEDUMP" if data.draw(st.booleans()) else b"PAGEDU64"
    del broken[data.draw(st.integers(8, len(broken))) :]
    with contextlib.suppress(FormatError):
        layout_of(bytes(broken))
