"""ELF cores: made ones of every shape, real ones against pyelftools and gdb, damaged ones for safety."""

from __future__ import annotations

import gzip
import io
import itertools
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.elf_core import ElfCore
from dumpscan.model import Layout, Module, Region, Thread
from tests.makers.elf import PT_NOTE, Core, R, Segment, W, X
from tests.makers.fixtures import Row, manifest
from tests.makers.source import BytesSource

ROWS = [row for row in manifest() if "elfcore" in row.format]
SMALL = next((row for row in ROWS if row.path.endswith("elf-core/gcore/linux-x86_64.core")), None)
SHAPES = [(bits, order) for bits in (32, 64) for order in "<>"]
FIXTURES = [pytest.param(row, id=row.path.replace("/", "-")) for row in ROWS] or [
    pytest.param(None, marks=pytest.mark.skip(reason="no fixture directory: set DUMPSCAN_FIXTURES"))
]


def layout(data: bytes) -> Layout:
    """The layout of ``data``, whose regions must partition it."""
    result = ElfCore().layout(BytesSource(data))
    position = 0
    for region in result.regions:
        assert region.offset == position
        assert region.size > 0
        position = region.end
    assert position == len(data)
    return result


def memory(result: Layout) -> list[Region]:
    return [region for region in result.regions if region.kind == "memory"]


def whole_segments(result: Layout) -> list[tuple[int, int, int | None]]:
    """Offset, size and address of memory, with what is named on a stack a part of it again."""
    joined: list[tuple[int, int, int | None]] = []
    inside = False
    for region in memory(result):
        offset, size, address = joined[-1] if joined else (0, 0, 0)
        part = region.name in ("command line", "environment")
        if (part or inside) and offset + size == region.offset and (address or 0) + size == region.address:
            joined[-1] = (offset, size + region.size, address)
        else:
            joined.append((region.offset, region.size, region.address))
        inside = part
    return joined


def content(row: Row) -> bytes:
    data = row.file.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def process(bits: int = 64, order: str = "<", machine: int = 62) -> Core:
    """A process of two threads, an executable, a .bss, a heap, a stack."""
    core = Core(bits, order, machine)
    exe, lib = b"/usr/bin/prog", b"/lib/lib one.so"
    core.segments = [
        Segment(0x10000, b"t" * 32, R | X),
        Segment(0x11000, b"d" * 32, R | W),
        Segment(0x12000, b"b" * 32, R | W),
        Segment(0x20000, b"h" * 32, R | W),
        Segment(0x70000000, b"l" * 32, R | X),
        Segment(0x70001000, b"a" * 32, R | W),
        Segment(0x7FFF0000, b"s" * 64, R | W),
    ]
    core.notes = [
        core.prstatus(100, range(0x1000, 0x1028)),
        core.prpsinfo(b"prog", b"prog --password x"),
        core.auxv(phdr=0x10004, entry=0x10010, random=0x7FFF0008, sysinfo_ehdr=0x7A000000),
        core.files((0x10000, 0x11000, exe), (0x11000, 0x12000, exe), (0x70000000, 0x70001000, lib)),
        core.note(b"CORE", 2, b"f" * 16),
        core.note(b"LINUX", 0x202, b"y" * 20),
        core.prstatus(101, range(0x2000, 0x2028)),
        core.note(b"CORE", 2, b"g" * 16),
    ]
    return core


# ---------------------------------------------------------------- made cores


@pytest.mark.parametrize(("bits", "order"), SHAPES)
def test_process(bits: int, order: str) -> None:
    data = process(bits, order, 21 if bits == 64 else 20).build()
    assert ElfCore().sniff(data[:64])
    result = layout(data)
    assert (result.architecture, result.pointer_size) == ("ppc64" if bits == 64 else "ppc", bits // 8)
    assert result.byte_order == ("little" if order == "<" else "big")
    assert result.threads == (Thread(100, 0x1001), Thread(101, 0x2001))
    assert result.modules == (
        Module("/usr/bin/prog", 0x10000, 0x12000),
        Module("/lib/lib one.so", 0x70000000, 0x70001000),
    )
    assert result.unread == ()
    assert [(r.address, r.perms, r.name, data[r.offset : r.offset + 1]) for r in memory(result)] == [
        (0x10000, "r-x", "/usr/bin/prog", b"t"),
        (0x11000, "rw-", "/usr/bin/prog", b"d"),
        (0x12000, "rw-", None, b"b"),
        (0x20000, "rw-", "heap", b"h"),
        (0x70000000, "r-x", "/lib/lib one.so", b"l"),
        (0x70001000, "rw-", None, b"a"),
        (0x7FFF0000, "rw-", "stack", b"s"),
    ]
    registers = [r for r in result.regions if r.kind == "registers"]
    assert [r.thread for r in registers] == [100, 100, 100, 101, 101]
    assert [data[r.offset : r.end] for r in registers[1:3]] == [b"f" * 16, b"y" * 20]
    (line,) = (r for r in result.regions if r.kind == "command-line")
    assert data[line.offset : line.end] == b"prog --password x".ljust(80, b"\0")


@pytest.mark.parametrize(
    ("bits", "machine", "word"),
    [(64, 62, 19), (32, 3, 15), (64, 183, 31), (32, 40, 13), (64, 8, 29), (32, 8, 35), (64, 243, 2), (64, 258, 3)],
)
def test_stack_pointer(bits: int, machine: int, word: int) -> None:
    core = Core(bits, "<", machine, [Segment(0x4000, bytes(64))])
    core.notes = [core.prstatus(7, [0x4010 if i == word else 1 for i in range(40)])]
    result = layout(core.build())
    assert result.threads == (Thread(7, 0x4010),)
    assert [(r.name, r.thread) for r in memory(result)] == [("stack", 7)]


def test_unknown_machine_has_threads_without_stack_pointer() -> None:
    core = Core(64, ">", 999)
    core.notes = [core.prstatus(7, [5] * 40)]
    result = layout(core.build())
    assert (result.architecture, result.threads) == ("elf-machine-999", (Thread(7),))


def test_stack_of_several_threads_is_nobodys() -> None:
    core = Core(segments=[Segment(0x4000, bytes(64))])
    core.notes = [core.prstatus(pid, [0x4000 + pid] * 27) for pid in (1, 2)]
    assert [(r.name, r.thread) for r in memory(layout(core.build()))] == [("stack", None)]


def test_truncated_core() -> None:
    data = Core(segments=[Segment(0x1000, b"a" * 100), Segment(0x9000, b"b" * 200), Segment(0xA000, b"c" * 50)]).build()
    size = len(data) - 50 - 96
    result = layout(data[:size])
    assert [(r.address, r.size) for r in memory(result)] == [(0x1000, 100), (0x9000, 104)]
    offset = size - 104
    assert [(u.offset, u.length, u.reason) for u in result.unread] == [
        (size, 96, f"core ends at {size:#x}, segment at {offset:#x} is 96 bytes short"),
        (offset + 200, 50, f"core ends at {size:#x}, segment at {offset + 200:#x} is 50 bytes short"),
    ]


def test_truncated_program_headers_and_notes() -> None:
    data = process().build()
    table = layout(data[: 64 + 56 + 20])
    assert "8 program headers are 372 bytes short" in table.unread[0].reason
    notes = layout(data[: 64 + 56 * 8 + 200])
    assert any("note at 0x200 is" in u.reason for u in notes.unread)
    assert notes.threads[0].id == 100


@pytest.mark.parametrize("bits", [32, 64])
def test_many_segments(bits: int) -> None:
    count = 131_070
    segments = [Segment(0x1000 * i, b"0123456789abcdef") for i in range(count)]
    data = Core(bits, ">", 22, segments, xnum=True).build()
    start = time.perf_counter()
    result = ElfCore().layout(BytesSource(data))
    assert time.perf_counter() - start < 10  # 1 s on an idle machine
    assert len(memory(result)) == count
    assert not result.unread
    # Linux writes section header 0 last: a truncated core has lost the count
    result = layout(data[: -(64 if bits == 64 else 40) - 20])
    assert len(memory(result)) == count - 1
    assert "lost with section header 0" in result.unread[0].reason


def test_entries_larger_than_needed() -> None:
    assert [r.address for r in memory(layout(Core(segments=[Segment(5, b"x")], entry_padding=8).build()))] == [5]


def test_lying_segments_cost_nothing() -> None:
    huge = (1 << 63) + 5
    segments = [Segment(i, offset=0, size=huge) for i in range(2000)]
    segments += [Segment(i, offset=huge, size=huge) for i in range(2000)]
    segments += [Segment(i, offset=64 + i, size=huge, type=PT_NOTE) for i in range(2000)]
    source = BytesSource(Core(segments=segments).build())
    start = time.perf_counter()
    result = ElfCore().layout(source)
    assert time.perf_counter() - start < 5
    assert [(r.offset, r.size, r.address) for r in memory(result)] == [(0, source.size, 0)]
    assert len(result.unread) == 65
    assert source.bytes_read < 4 * source.size


def test_unsorted_and_overlapping_segments() -> None:
    data = Core(segments=[Segment(0x9000, b"z" * 64), Segment(0x1000, offset=200, size=20), Segment(0, b"")]).build()
    covered = [(r.offset, r.size, r.address) for r in memory(layout(data))]
    assert covered == [(200, 20, 0x1000), (232, 64, 0x9000)]


def test_physical_addresses_of_a_machine() -> None:
    core = Core(segments=[Segment(0, b"p" * 9, physical=0x100000), Segment(0, b"q" * 9)])
    core.notes = [core.prstatus(1, [0x100000] * 27), core.note(b"QEMU", 0, b"r" * 8), core.note(b"VMCOREINFO", 0, b"v")]
    result = layout(core.build())
    assert [(r.address, r.name) for r in memory(result)] == [(0x100000, None), (0, None)]
    assert [r.name for r in result.regions if r.kind == "registers"] == ["NT_PRSTATUS", "QEMU note 0x0"]


def test_netbsd_threads() -> None:
    core = Core(segments=[Segment(0x4000, bytes(64))])
    registers = core.pack("26Q", *(0x4000 + i for i in range(26)))
    core.notes = [
        core.note(b"NetBSD-CORE", 1, bytes(160)),
        core.note(b"NetBSD-CORE@3", 33, registers),
        core.note(b"NetBSD-CORE@3", 35, bytes(64)),
    ]
    result = layout(core.build())
    assert result.threads == (Thread(3, 0x4018),)
    assert [r.thread for r in result.regions if r.kind == "registers"] == [3, 3]


def test_freebsd_threads() -> None:
    core = Core(segments=[Segment(0x4000, bytes(64))])
    status = core.pack("IIQQQIII4x", 1, 0, 224, 176, 512, 0, 11, 777) + bytes(160) + core.pack("Q", 0x4020)
    core.notes = [
        core.note(
            b"FreeBSD", 3, core.pack("IIQ", 1, 0, 120) + b"prog".ljust(17, b"\0") + b"prog -k s".ljust(81, b"\0")
        ),
        core.note(b"FreeBSD", 1, status),
        core.note(b"FreeBSD", 2, b"f" * 32),
        core.note(b"FreeBSD", 7, b"worker".ljust(24, b"\0")),
        core.note(b"FreeBSD", 8, b"p" * 32),
    ]
    data = core.build()
    result = layout(data)
    assert result.threads == (Thread(777, 0x4020, "worker"),)
    assert [r.thread for r in result.regions if r.kind == "registers"] == [777, 777]
    (line,) = (r for r in result.regions if r.kind == "command-line")
    assert data[line.offset : line.end].rstrip(b"\0") == b"prog -k s"


def test_hostile_file_note() -> None:
    core = Core()
    core.notes = [core.note(b"CORE", 0x46494C45, core.pack("QQ", 1 << 60, 4096) + core.pack("QQQ", 1, 9, 0) + b"/a\0")]
    result = layout(core.build())
    assert result.modules == (Module("/a", 1, 9),)
    assert "claims 1152921504606846976 ranges" in result.unread[0].reason


def test_not_a_core() -> None:
    assert not ElfCore().sniff(Core(type=2).build())
    assert not ElfCore().sniff(b"\x7fELF")
    with pytest.raises(FormatError):
        ElfCore().layout(BytesSource(b"\x7fELF\x02\x01" + bytes(10) + b"\x04\0"))
    with pytest.raises(FormatError, match="holds none of 0 program headers"):
        ElfCore().layout(BytesSource(Core().build()))


# ---------------------------------------------------------------- real cores


@pytest.mark.parametrize("row", FIXTURES)
def test_fixture_agrees_with_pyelftools(row: Row) -> None:
    data = content(row)
    result = layout(data)
    elf = ELFFile(io.BytesIO(data))
    loads = [s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
    claimed = sorted((s["p_offset"], s["p_filesz"], s["p_vaddr"]) for s in loads)
    assert whole_segments(result) == claimed
    assert result.unread == ()
    assert result.threads
    statuses = 0
    segments = (s for s in elf.iter_segments() if isinstance(s, NoteSegment))
    for note in itertools.chain.from_iterable(s.iter_notes() for s in segments):
        statuses += note["n_name"] == "CORE" and note["n_type"] == "NT_PRSTATUS"
        size = note["n_descsz"]
        start = note["n_offset"] + 12 + -(-note["n_namesz"] // 4) * 4
        inside = [r for r in result.regions if r.offset < start + size and start < r.end]
        assert not size or start in (r.offset for r in inside)
        assert not size or start + size in (r.end for r in inside)
    assert "netbsd" in row.path or len(result.threads) == statuses


@pytest.mark.parametrize("row", FIXTURES)
def test_fixture_stack_pointers_lie_in_memory(row: Row) -> None:
    data = content(row)
    if "linux-arm.core" in row.path or "gcore/" in row.path or "thread_crash/" in row.path:
        pytest.skip("a cut-down core: its stack was taken out")
    result = layout(data)
    spans = [(r.address or 0, (r.address or 0) + r.size) for r in memory(result)]
    assert all(any(a <= t.stack_pointer < b for a, b in spans) for t in result.threads)
    assert any(r.name == "stack" for r in memory(result))


@pytest.mark.skipif(not (shutil.which("gcore") and shutil.which("sleep")), reason="gcore (gdb) is not installed")
def test_gcore_of_a_real_process(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "300"])
    try:
        time.sleep(0.3)
        base = tmp_path / "core"
        made = subprocess.run(["gcore", "-o", base, str(process.pid)], capture_output=True, text=True, timeout=120)
    finally:
        process.kill()
        process.wait()
    path = tmp_path / f"core.{process.pid}"
    if not path.exists():
        pytest.skip(f"gcore may not attach here: {made.returncode}")
    data = path.read_bytes()
    result = layout(data)
    assert [t.id for t in result.threads] == [process.pid]
    names = {r.name for r in memory(result)}
    assert {"stack", "heap"} <= names
    assert any(m.name.endswith("/sleep") or "coreutils" in m.name for m in result.modules)
    (line,) = (r for r in result.regions if r.kind == "command-line")
    assert data[line.offset : line.end].startswith(b"sleep")  # gdb 13 leaves the arguments out
    shown = subprocess.run(
        ["gdb", "-nx", "-batch", "-ex", f"core-file {path}", "-ex", "p/x $sp", "-ex", "info files"],
        capture_output=True, text=True, timeout=120, check=False,
    ).stdout  # fmt: skip
    sp = re.search(r"\$1 = (0x[0-9a-f]+)", shown)
    assert sp
    assert result.threads[0].stack_pointer == int(sp[1], 16)
    loads = {int(m, 16) for m in re.findall(r"(0x[0-9a-f]+) - 0x[0-9a-f]+ is load", shown)}
    assert {address for _, _, address in whole_segments(result)} <= loads


# ---------------------------------------------------------------- damaged cores


def survives(data: bytes) -> None:
    ElfCore().sniff(data[:4096])
    try:
        result = layout(data)
    except FormatError:
        return
    assert all(u.length >= 0 for u in result.unread)
    starts = [r.offset for r in result.regions]
    assert all(a < b for a, b in itertools.pairwise(starts))


def mutated(data: bytes, changes: list[tuple[int, int]], length: int) -> bytes:
    broken = bytearray(data)
    for position, value in changes:
        broken[position % len(broken)] = value
    return bytes(broken[: length % (len(broken) + 1)])


PLACES = st.integers(0, 1600) | st.integers(0, 1 << 20)
VALUES = st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)
CHANGES = st.lists(st.tuples(PLACES, VALUES), max_size=24)
MADE = [process(bits, order).build() for bits, order in SHAPES]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MADE), CHANGES, st.just(-1) | st.integers(0, 1 << 16))
def test_damaged_made_core(data: bytes, changes: list[tuple[int, int]], length: int) -> None:
    survives(mutated(data, changes, length))


@pytest.mark.skipif(SMALL is None, reason="no fixture directory: set DUMPSCAN_FIXTURES")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES, st.just(-1) | st.integers(0, 1 << 16))
def test_damaged_fixture(changes: list[tuple[int, int]], length: int) -> None:
    assert SMALL is not None
    survives(mutated(SMALL.file.read_bytes(), changes, length))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(SHAPES))
def test_any_bytes_after_a_header(tail: bytes, shape: tuple[int, str]) -> None:
    size = 64 if shape[0] == 64 else 52
    survives(process(*shape).build()[:size] + tail)
