"""Real minidumps (Breakpad, Crashpad, Windows) and a generated one, redacted: another parser sees the same dump."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from dumpscan.formats.registry import read_layout
from dumpscan.model import Region
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from dumpscan.signature_examples import expand
from dumpscan.source import FileSource
from tests.makers.fixtures import Row, manifest
from tests.makers.minidump import MinidumpMaker
from tests.makers.readers import by_package, by_stackwalk

TOKEN = expand("ghp_<base62:30><crc32>").encode()
ROWS = [row for row in manifest() if row.format == "minidump" and row.size == row.inner_size]
REAL = pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.id) for row in ROWS]
    or [pytest.param(None, marks=pytest.mark.skip(reason="no fixture directory: set DUMPSCAN_FIXTURES"))],
)


def regions_of(path: Path, fits: Callable[[Region], bool]) -> list[Region]:
    """The regions of a dump that fit."""
    source = FileSource(str(path))
    try:
        return [region for region in read_layout(source).regions if fits(region)]
    finally:
        source.close()


def check(dump: Path, tmp_path: Path, at: int, region: Region) -> None:
    """The token at ``at`` is found in its region and taken out; nothing else changes, and the dump reads as before."""
    report = scan_path(str(dump), Options(jobs=1)).report
    (finding,) = (f for f in report.findings if f.kind == "github-token")
    (place,) = (o for o in finding.occurrences if o.offset == at)
    assert place.length == len(TOKEN)
    if region.address is not None:
        assert place.address == region.address + at - region.offset
    assert (place.thread or None) == region.thread
    copy = tmp_path / "copy"
    redact_path(str(dump), copy, Options(jobs=1), accept_incomplete=True)
    before, after = dump.read_bytes(), copy.read_bytes()
    assert TOKEN[4:] not in after
    allowed = {i for f in report.findings for o in f.occurrences for i in range(o.offset, o.offset + o.length)}
    assert len(before) == len(after)
    assert {i for i in range(len(before)) if before[i] != after[i]} <= allowed
    assert by_package(copy) == by_package(dump)
    again = scan_path(str(copy), Options(jobs=1)).report
    assert again.format == report.format
    assert not again.findings


def with_a_token(row: Row, dump: Path) -> tuple[int, Region]:
    """Write the dump with a token in its last memory to ``dump``; returns where it lies."""
    room = regions_of(row.file, lambda r: r.kind == "memory" and r.size >= 256)
    if not room:
        pytest.skip("no memory in it")
    at = room[-1].offset + 96
    data = bytearray(row.file.read_bytes())
    data[at - 8 : at + len(TOKEN) + 8] = bytes(8) + TOKEN + bytes(8)
    dump.write_bytes(data)
    return at, room[-1]


@REAL
def test_a_token_in_a_real_minidump(row: Row, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    check(dump, tmp_path, *with_a_token(row, dump))


@REAL
def test_breakpad_walks_the_same_stacks(row: Row, tmp_path: Path) -> None:
    """System, threads, registers, backtraces and modules; what holds no memory, Breakpad does not read either."""
    dump, copy = tmp_path / "dump", tmp_path / "copy"
    with_a_token(row, dump)
    before = by_stackwalk(dump)
    assert redact_path(str(dump), copy, Options(jobs=1), accept_incomplete=True).overwritten >= len(TOKEN) - 4
    assert by_stackwalk(copy) == before


@REAL
def test_a_real_minidump_as_it_is(row: Row, tmp_path: Path) -> None:
    report = scan_path(str(row.file), Options(jobs=1)).report
    assert report.format == "minidump"
    copy = tmp_path / "copy"
    redact_path(str(row.file), copy, Options(jobs=1), accept_incomplete=True)
    assert by_package(copy) == by_package(row.file)
    assert not scan_path(str(copy), Options(jobs=1)).report.findings


@pytest.mark.parametrize(
    ("processor", "size", "flags", "pointer", "at"),
    [
        pytest.param(9, 1232, (48, 0x10001F), 152, 416, id="x64: Xmm0 to Xmm2"),
        pytest.param(12, 912, (0, 0x40000F), 256, 0x110, id="arm64: V0 to V2"),
        pytest.param(12, 912, (0, 0x40000F), 256, 8 + 8 * 9, id="arm64: X9 to X13"),
        pytest.param(0x8003, 796, (0, 0x80000006), 256, 0x118, id="arm64 of Breakpad: V0 to V2"),
    ],
)
def test_a_token_in_the_registers_of_a_thread(
    processor: int, size: int, flags: tuple[int, int], pointer: int, at: int, tmp_path: Path
) -> None:
    """A register held a piece of a string that was copied: contexts are regions like any other."""
    context = bytearray(size)
    struct.pack_into("<I", context, *flags)
    struct.pack_into("<Q", context, pointer, 0x1F00)
    context[at : at + len(TOKEN)] = TOKEN
    maker = MinidumpMaker().system(processor)
    stack = (0x1000, 4096, maker.place(bytes(4096)))
    maker.threads(maker.thread(7, stack, bytes(context)))
    dump = tmp_path / "dump"
    dump.write_bytes(maker.build())
    place = dump.read_bytes().index(TOKEN)
    (region,) = regions_of(dump, lambda r: r.offset <= place < r.offset + r.size)
    assert (region.kind, region.thread) == ("registers", 7)
    source = FileSource(str(dump))
    assert [t.stack_pointer for t in read_layout(source).threads] == [0x1F00]
    source.close()
    check(dump, tmp_path, place, region)
