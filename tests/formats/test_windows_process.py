"""TEB, PEB and parameters in minidumps: environments and command lines are found where they are, and only there."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.minidump import Minidump
from dumpscan.formats.windows_process import MAX_ENVIRONMENT, parameters
from dumpscan.model import Confidence, Layout, Region
from dumpscan.scan import scan_path
from tests.formats.test_minidump import assert_partition, parsed_by_another
from tests.makers.fixtures import manifest
from tests.makers.minidump import MinidumpMaker, context
from tests.makers.redacting import options, redacted
from tests.makers.source import BytesSource
from tests.makers.windows_process import Started

LONE = "staples" + "X7"
ODD = "Zw9" + "kkq2Vt"
WIDE = "pä€" + "🔑w0rd"
PROCESSORS = {"x64": (9, 64), "x86": (0, 32), "arm64": (12, 64)}
NOISE = "key=1\0 and=2 \0".encode("utf-16-le") + b"\xff\xfe\x01" * 41 + b"\1"


def dump_of(started: Started, processor: int = 9, more: Started | None = None, threads: int = 2) -> bytes:
    maker = MinidumpMaker().system(processor)
    stack = (0x7000_0000, 64, maker.place(bytes(64)))
    tebs = [0x1234_0000, *[started.teb] * (threads - 1)]  # that of the first thread is not in the dump
    maker.threads(*(maker.thread(7 + i, stack, context(processor, 0x7000_0010), teb) for i, teb in enumerate(tebs)))
    return maker.memory(*started.ranges(), *(more.ranges() if more else [])).build()


def layout_of(data: bytes) -> Layout:
    layout = Minidump().layout(BytesSource(data))
    assert_partition(layout, len(data))
    return layout


def held(data: bytes, name: str) -> bytes:
    return b"".join(data[r.offset : r.end] for r in layout_of(data).regions if r.name == name)


@pytest.mark.parametrize("machine", PROCESSORS)
@pytest.mark.parametrize("stated", [-1, 0, 3, 1 << 40])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("relative", [False, True])
def test_parts_are_named(machine: str, stated: int, old: bool, relative: bool) -> None:
    processor, bits = PROCESSORS[machine]
    stated = stated & ((1 << bits) - 1) if stated > 0 else stated
    started = Started(["A=1", "B=2"], "leak.exe -v", bits=bits, around=NOISE, stated=stated, old=old, relative=relative)
    data = dump_of(started, processor)
    (region,) = (r for r in layout_of(data).regions if r.name == "environment")
    assert (region.kind, region.address) == ("memory", started.place_of_block())
    assert held(data, "environment") == started.block
    assert held(data, "command line").decode("utf-16-le") == "leak.exe -v"
    assert held(data, "image path").decode("utf-16-le") == started.image


def test_wow64_has_two_of_each() -> None:
    wide = Started(["A=64"], "wide", teb=0x2E_0000)
    narrow = Started(["A=32"], "narrow", bits=32, teb=0x2E_2000, heap=0x9A_0010)
    data = dump_of(wide, 9, narrow)
    assert held(data, "environment") in (wide.block + narrow.block, narrow.block + wide.block)
    assert held(data, "command line").decode("utf-16-le") in ("widenarrow", "narrowwide")


def test_the_narrow_block_may_be_where_the_wide_one_says() -> None:
    wide = Started(["A=64"], teb=0x2E_0000)
    narrow = Started(["A=32"], bits=32, teb=0x3F_0000, heap=0x9A_0010)
    ranges = [(address, bytearray(raw)) for address, raw in wide.ranges()]
    struct.pack_into("<Q", ranges[0][1], 0, 0x3F_0000)
    maker = MinidumpMaker().system(9)
    stack = (0x7000_0000, 64, maker.place(bytes(64)))
    maker.threads(maker.thread(7, stack, context(9, 0x7000_0010), 0x2E_0000))
    data = maker.memory(*((a, bytes(raw)) for a, raw in ranges), *narrow.ranges()).build()
    assert len(held(data, "environment")) == len(wide.block + narrow.block)


@pytest.mark.parametrize("machine", PROCESSORS)
def test_values_are_certain(machine: str, tmp_path: Path) -> None:
    """A lone variable, an odd name, what is not Latin-1, and words behind options: none of them looks like a secret."""
    processor, bits = PROCESSORS[machine]
    variables = [f"Odd_PassWord_Dev={ODD}", f"EURO_SECRET={WIDE}"]
    command = f'"C:\\my app\\leak.exe" --Db-Password {LONE} /apitoken:"Kx7 Lp4" -n 3'
    started = Started(variables, command, bits=bits, around=NOISE)
    path = tmp_path / "dump"
    path.write_bytes(dump_of(started, processor))
    report, copy = redacted(path)
    assert {f.public["name"] for f in report.findings} == {
        "Odd_PassWord_Dev",
        "EURO_SECRET",
        "--Db-Password",
        "apitoken",
    }
    assert all(f.confidence is Confidence.VALIDATED for f in report.findings)
    places = {o.region for f in report.findings for o in f.occurrences}
    assert places == {"environment", "command line"}
    after = copy.read_bytes()
    for secret in (ODD, WIDE, LONE, "Kx7 Lp4"):
        assert secret.encode("utf-16-le") in path.read_bytes()
        assert secret.encode("utf-16-le")[4:] not in after
    assert held(after, "image path") == held(path.read_bytes(), "image path")


def test_the_same_text_elsewhere_is_not_certain(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    block = f"Odd_PassWord_Dev={ODD}\0".encode("utf-16-le")
    path.write_bytes(MinidumpMaker().system(9).memory((0x10000, NOISE + b"\1" + block + NOISE)).build())
    assert all(f.confidence is Confidence.POSSIBLE for f in scan_path(str(path), options()).report.findings)


def test_an_environment_across_ranges_of_the_dump() -> None:
    started = Started([f"V{i}={i}" for i in range(900)])
    *blocks, (heap, raw) = started.ranges()
    parts = [(heap + at, raw[at : at + 1000]) for at in range(0, len(raw), 1000)]
    maker = MinidumpMaker().system(9)
    stack = (0x7000_0000, 64, maker.place(bytes(64)))
    maker.threads(maker.thread(7, stack, context(9, 0x7000_0010), started.teb))
    data = maker.memory(*blocks, *parts[::-1]).build()
    regions = [r for r in layout_of(data).regions if r.name == "environment"]
    regions.sort(key=lambda r: r.address or 0)
    assert b"".join(data[r.offset : r.end] for r in regions) == started.block
    assert len(regions) > 5


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_what_is_not_in_the_dump_is_not_named(lost: int) -> None:
    started = Started(["A=1"], "leak.exe")
    maker = MinidumpMaker().system(9)
    stack = (0x7000_0000, 64, maker.place(bytes(64)))
    maker.threads(maker.thread(7, stack, context(9, 0x7000_0010), started.teb))
    data = maker.memory(*(r for i, r in enumerate(started.ranges()) if i != lost)).build()
    assert not {r.name for r in layout_of(data).regions} & {"environment", "command line", "image path"}


def test_a_block_that_does_not_know_itself_is_none() -> None:
    started = Started(["A=1"], "leak.exe")
    (teb, raw), *rest = started.ranges()
    memory = dict([(teb, raw[:0x30] + b"\1" + raw[0x31:]), *rest])

    def read(address: int, size: int) -> bytes:
        return next((d[address - a :][:size] for a, d in memory.items() if a <= address < a + len(d)), b"")

    assert not list(parameters(read, [teb], True))
    memory[teb] = raw
    assert len(list(parameters(read, [teb] * 5, True))) == 3


def test_no_end_costs_no_more_than_the_bound() -> None:
    asked = 0

    def read(address: int, size: int) -> bytes:
        nonlocal asked
        asked += size
        return struct.pack("<I", address & 0xFFFFFFF8) * (size // 4)

    list(parameters(read, range(8, 8 * 5000, 8), True))
    assert asked < 16 * MAX_ENVIRONMENT


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 13), st.integers(0, 255)), max_size=20), st.integers(0, 1 << 13))
def test_damage_is_survived(edits: list[tuple[int, int]], keep: int) -> None:
    data = bytearray(dump_of(Started(["A=1", "B=2"], "leak.exe")))
    for place, value in edits:
        data[place % len(data)] = value
    with contextlib.suppress(FormatError):
        layout_of(bytes(data[: max(keep, 8)]))


@pytest.mark.parametrize("name", ["windows.dmp", "tiny-exe-fastfail.dmp", "tiny-exe-with-cet-xsave.dmp", "sigsegv.dmp"])
def test_real_processes(name: str) -> None:
    """Dumps by Windows itself: the path is that of a module, and every string of the environment is a variable."""
    row = next((row for row in manifest() if row.path.endswith("/" + name) and row.format == "minidump"), None)
    if row is None:
        pytest.skip("no fixture directory: set DUMPSCAN_FIXTURES")
    data = row.file.read_bytes()
    path = held(data, "image path").decode("utf-16-le")
    assert path.lower() in {module.name.lower() for module in layout_of(data).modules}
    program = path.rpartition("\\")[2].lower().removesuffix(".exe")
    assert program in held(data, "command line").decode("utf-16-le").lower()
    strings = held(data, "environment").decode("utf-16-le").rstrip("\0").split("\0")
    assert len(strings) > 20
    assert all("=" in text[1:] for text in strings)
    assert "ALLUSERSPROFILE" in {text.partition("=")[0] for text in strings}  # some are cut off before PATH
    assert_another_agrees(data)


@pytest.mark.parametrize("machine", ["x64", "x86"])
def test_another_parser_reads_the_made_ones(machine: str) -> None:
    processor, bits = PROCESSORS[machine]
    started = Started([f"V{i}={i}" for i in range(50)], "leak.exe -v", bits=bits, around=NOISE)
    maker = MinidumpMaker().system(processor)
    stack = (0x7000_0000, 64, maker.place(bytes(64)))
    maker.threads(maker.thread(7, stack, context(processor, 0x7000_0010), started.teb))
    maker.modules((0x40_0000, 0x5000, started.image))
    assert assert_another_agrees(maker.memory(*started.ranges()).build()) == 51


def assert_another_agrees(data: bytes) -> int:
    """PyPI ``minidump`` reads the same parameters; of an environment that is cut off it may read less.

    Returns how many variables it reads.
    """
    other = parsed_by_another(data).peb
    assert other is not None
    assert held(data, "image path").decode("utf-16-le") == other.image_path
    assert held(data, "command line").decode("utf-16-le") == other.command_line
    theirs = [f"{one['name']}={one['value']}" for one in other.environment_variables or []]
    ours = held(data, "environment").decode("utf-16-le").split("\0")
    assert [text for text in ours if text][: len(theirs)] == theirs
    return len(theirs)


def test_a_region_says_what_it_holds() -> None:
    assert [Region(0, 1, kind=k, name=n).holds for k, n in (
        ("memory", "environment"), ("environment", "LinuxEnviron"), ("memory", "command line"),
        ("command-line", "NT_PRPSINFO"), ("memory", "heap"), ("text", "environment"),
    )] == ["environment", "environment", "command line", "command line", None, None]  # fmt: skip


def test_copies_of_a_short_value_are_gone_by_what_stands_before_it(tmp_path: Path) -> None:
    """The runtime of C splits the command line into arguments, and converts variables; six characters are not swept."""
    short, other = "Kx9" + "Zw3", "q7V" + "bn2"
    started = Started([f"MY_Odd_Secret={other}", "B=2"], f'"C:\\app.exe" --api-token {short} -v')
    copies = [
        (b"app.exe\0--api-token\0", short.encode(), b"\0-v\0"),
        ("\1\1--api-token ".encode("utf-16-le"), short.encode("utf-16-le"), b"\1\0"),
        (b"\1MY_Odd_Secret=", other.encode(), b"\1"),
        ("\1MY_Odd_Secret=".encode("utf-32-le"), other.encode("utf-32-le"), b"\1\0\0\0"),
    ]
    kept = f"the words {short} and {other}, alone".encode()
    maker = MinidumpMaker().system(9)
    stack = (0x7000_0000, 64, maker.place(bytes(64)))
    maker.threads(maker.thread(7, stack, context(9, 0x7000_0010), started.teb))
    heap = b"\xff".join([*(b"".join(parts) for parts in copies), kept])
    path = tmp_path / "dump"
    path.write_bytes(maker.memory(*started.ranges(), (0x9_0001, heap)).build())
    report, copy = redacted(path)
    data, after = path.read_bytes(), copy.read_bytes()
    places = {o.offset: o.length for f in report.findings for o in f.occurrences}
    for before, value, behind in copies:
        at = data.index(before + value + behind) + len(before)
        assert places[at] == len(value)
        assert after[at - len(before) : at] == before
        assert value not in after[at:][: len(value)]
    assert kept in after
    assert {f.title for f in report.findings} == {"Secret in --api-token", "Secret in MY_Odd_Secret"}
