"""Environments and command lines of processes in Windows kernel dumps."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from dumpscan.formats.windows_kernel import WindowsKernel
from dumpscan.formats.windows_users import MAX_PROCESS_PAGES, started_with
from dumpscan.mappings import address_space
from dumpscan.model import Confidence, Layout
from tests.makers.paging import Machine
from tests.makers.redacting import redacted
from tests.makers.source import BytesSource, covering_layout
from tests.makers.windows_kernel import dump, narrow_dump
from tests.makers.windows_process import Started

SELF = 0x1ED
FIRST = "Kx7 " + "Lp4"
SECOND = "zq9" + "Vt2"


def machine_of(kind: str, processes: list[Started]) -> tuple[Machine, int]:
    """A machine with these processes, the pages of each far apart and backwards; and the root of the first."""
    machine = Machine(512, kind=kind)
    free = iter(range(500 * 4096, 64 * 4096, -2 * 4096))
    roots = []
    for number, process in enumerate(processes):
        if number:
            machine.root = machine.page()
        if kind == "x86":
            machine.put(machine.root + 4 * 0x300, struct.pack("<I", machine.root | 0x63))
        else:
            machine.put(machine.root + 8 * SELF, struct.pack("<Q", machine.root | (0x703 if kind == "arm" else 0x63)))
        for address, data in process.ranges():
            pages = (address % 4096 + len(data) + 4095) // 4096
            machine.write(address, data, [next(free) for _ in range(pages)])
        roots.append(machine.root)
    return machine, roots[0]


def dump_of(kind: str, processes: list[Started]) -> bytes:
    machine, root = machine_of(kind, processes)
    pages = {i: bytes(machine.memory[i * 4096 : i * 4096 + 4096]) for i in range(1, 512)}
    if kind == "x86":
        return narrow_dump(1, pages, root)
    data = bytearray(dump(5, pages, root))
    struct.pack_into("<I", data, 0x30, 0xAA64 if kind == "arm" else 0x8664)
    return bytes(data)


def layout_of(data: bytes) -> Layout:
    return covering_layout(WindowsKernel(), data)


@pytest.mark.parametrize("kind", ["x64", "arm", "x86"])
def test_environments_of_processes(kind: str, tmp_path: Path) -> None:
    bits = 32 if kind == "x86" else 64
    first = Started([f"Odd_PassWord_Dev={FIRST}", *(f"V{i}={i}" for i in range(900))], bits=bits)
    second = Started(["A=1"], f"b.exe --Db-Password {SECOND}", bits=bits, teb=0x7F_F000, heap=0x30_0010)
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(dump_of(kind, [first, second]))
    data = path.read_bytes()
    layout = layout_of(data)
    assert len(layout.spaces) == 2
    held = {(r.name, data[r.offset : r.end].decode("utf-16-le", "replace")) for r in layout.regions if r.name}
    assert ("command line", second.command) in held
    assert ("environment", second.block.decode("utf-16-le")) in held
    parts = [r for r in layout.regions if r.name == "environment"]
    assert len(parts) > 4  # every page of the first is alone
    assert sum(r.size for r in parts) == len(first.block) + len(second.block)
    report, copy = redacted(path)
    assert {(f.public["name"], f.confidence) for f in report.findings} == {
        ("Odd_PassWord_Dev", Confidence.VALIDATED),
        ("--Db-Password", Confidence.VALIDATED),
    }
    places = {(o.region, o.virtual) for f in report.findings for o in f.occurrences}
    assert {region for region, _ in places} == {"environment", "command line"}
    assert all(virtual is not None and virtual < 1 << 47 for _, virtual in places)
    for secret in (FIRST, SECOND):
        assert secret.encode("utf-16-le") in data
        assert secret.encode("utf-16-le")[4:] not in copy.read_bytes()


@pytest.mark.parametrize("inside", [2, 5, 7, -4])
def test_a_value_across_pages_is_one_finding(inside: int, tmp_path: Path) -> None:
    """``inside``: characters of the value before the border of a page; below 0 the border lies in the name."""
    before = Started(["P="])
    at = before.place_of_block() + len(before.block) - 4
    lead = (4096 - at % 4096 - 2 * len("\0Odd_PassWord_Dev=")) // 2 - inside
    process = Started(["P=" + "x" * lead, f"Odd_PassWord_Dev={FIRST}", "Z=1"])
    start = process.place_of_block() + process.block.index(FIRST.encode("utf-16-le"))
    assert (start + 2 * inside) % 4096 == 0
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(dump_of("x64", [process]))
    report, _ = redacted(path)
    (finding,) = report.findings
    assert finding.title == "Password in Odd_PassWord_Dev"
    assert finding.confidence is Confidence.VALIDATED
    whole = sorted((o.virtual or 0, o.length) for o in finding.occurrences)
    cut = start + 2 * inside
    halves = [(start, 2 * inside), (cut, 2 * (len(FIRST) - inside))]
    assert whole == (halves if 0 < inside < len(FIRST) else [(start, 2 * len(FIRST))])


def test_pages_that_are_no_thread_blocks_cost_no_more_than_the_bound() -> None:
    class Counting(BytesSource):
        asked = 0

        def read(self, offset: int, size: int) -> bytes:
            Counting.asked += 1
            return super().read(offset, size)

    count = 2 * MAX_PROCESS_PAGES
    addresses = np.arange(count, dtype=np.uint64) * np.uint64(8192) + np.uint64(0x10000)
    space = address_space([(addresses, np.zeros(count, np.uint64), np.full(count, 4096, np.uint64))])
    assert started_with(Counting(bytes(4096)), (space,), True) == []
    assert Counting.asked == MAX_PROCESS_PAGES
