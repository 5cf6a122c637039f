"""Processes found by the shape of their page tables, and a kernel by its own description."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dumpscan.formats.lime import Lime
from dumpscan.formats.physical import PhysicalMemory
from dumpscan.formats.registry import read_layout
from dumpscan.formats.root_tables import find_vmcoreinfo, process_tables
from dumpscan.model import Region
from tests.formats.test_vmcore import vmcoreinfo
from tests.makers.images import lime
from tests.makers.paging import Machine
from tests.makers.planted import RSA_KEY, spki
from tests.makers.redacting import redacted
from tests.makers.source import BytesSource
from tests.makers.windows_kernel import dump

KERNEL = 0xFFFF888000000000
SELF = 0x1ED


def memory(machine: Machine) -> PhysicalMemory:
    data = bytes(machine.memory)
    return PhysicalMemory(BytesSource(data), [Region(0, len(data), 0, "memory")])


def machine_with_processes(windows: bool = False) -> tuple[Machine, list[int]]:
    """A kernel's table, and those of two processes with the same upper half; the second maps 0x10000 backwards."""
    machine = Machine(256)
    for part in range(3):
        machine.map(KERNEL + (part << 39), 0x20000 + part * 4096)
    if windows:
        machine.put(machine.root + 8 * SELF, struct.pack("<Q", machine.root | 0x63))
    kernel, roots = machine.root, list[int]()
    for number in range(2):
        machine.root = machine.page()
        machine.put(machine.root + 2048, bytes(machine.memory[kernel + 2048 : kernel + 4096]))
        if windows:
            machine.put(machine.root + 8 * SELF, struct.pack("<Q", machine.root | 0x63))
        for page in range(4):
            machine.map(0x10000 + page * 4096, 0x60000 + number * 0x10000 + (3 - page) * 4096)
        roots.append(machine.root)
    machine.root = kernel
    return machine, roots


@pytest.mark.parametrize("windows", [False, True])
def test_tables_of_processes_are_found(windows: bool) -> None:
    machine, roots = machine_with_processes(windows)
    assert list(process_tables(memory(machine), machine.root)) == roots
    assert list(process_tables(memory(machine), roots[0])) == [roots[1]]


def test_nothing_is_found_without_a_kernel() -> None:
    assert not process_tables(memory(Machine(8)), 0x5000)
    assert not process_tables(memory(Machine(8)), 1 << 40)


def test_vmcoreinfo_in_memory() -> None:
    machine, roots = machine_with_processes()
    assert find_vmcoreinfo(memory(machine)) == b""
    machine.put(0x90010, vmcoreinfo(machine))
    assert find_vmcoreinfo(memory(machine)).startswith(b"OSRELEASE=6.1.0\n")
    layout = Lime().layout(BytesSource(lime((0, bytes(machine.memory)))))
    assert [space.name for space in layout.spaces] == [
        "kernel",
        *(f"process of page table {root:#x}" for root in roots),
    ]
    assert layout.spaces[1].at(0x10000) == (32 + 0x63000, 4096)
    assert layout.spaces[1].at(KERNEL) is None


@pytest.mark.parametrize("kind", ["lime", "windows"])
def test_a_key_across_the_pages_of_a_process_that_did_not_run(kind: str, tmp_path: Path) -> None:
    machine, _ = machine_with_processes(kind == "windows")
    key = RSA_KEY.private_numbers()
    p = key.p.to_bytes(128, "little")
    machine.put(0x73000 + 4096 - 64, p[:64])
    machine.put(0x72000, p[64:])
    machine.put(0x71000 + 256, key.q.to_bytes(128, "little"))
    machine.put(0xA0000, spki(RSA_KEY))
    machine.put(0x90010, vmcoreinfo(machine))
    path = tmp_path / "image"
    if kind == "lime":
        path.write_bytes(lime((0, bytes(machine.memory))))
    else:
        pages = {i: bytes(machine.memory[i * 4096 : i * 4096 + 4096]) for i in range(256)}
        path.write_bytes(dump(1, pages, machine.root))
    assert len(read_layout(BytesSource(path.read_bytes())).spaces) == 3
    report, copy = redacted(path)
    assert [finding.kind for finding in report.findings] == ["rsa-private-key"]
    assert p[:64] not in copy.read_bytes()
    assert p[64:] not in copy.read_bytes()
