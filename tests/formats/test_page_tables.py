"""Page tables: small and large pages, tables that list themselves, tables that lie."""

from __future__ import annotations

import random
import struct
import time
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.formats.page_tables import ARM64_WINDOWS, PAE, X64, X86, Budget, Paging, arm64_kernel, walk
from dumpscan.formats.physical import PhysicalMemory
from dumpscan.mappings import AddressSpace
from dumpscan.model import Region
from tests.makers.paging import Machine
from tests.makers.source import BytesSource

ARM64 = cast(Paging, arm64_kernel(4096, 48))


def memory(data: bytes, *regions: Region) -> PhysicalMemory:
    return PhysicalMemory(BytesSource(data), regions or [Region(0, len(data), 0, "memory")])


def listed(space: AddressSpace) -> list[tuple[int, int, int]]:
    return [(int(a), int(o), int(s)) for a, o, s in zip(space.addresses, space.offsets, space.sizes, strict=True)]


@pytest.mark.parametrize("arm", [False, True])
def test_pages_of_every_size(arm: bool) -> None:
    machine = Machine(1200, arm)
    high = 0xFFFF800000000000
    machine.map(high + 0x1000, 0x20000)
    machine.map(high + 0x2000, 0x21000)
    machine.map(high + 0x3000, 0x10000)
    machine.map(high + 0x200000, 0x200000, 1 << 21)
    machine.map(high + (1 << 30), 0, 1 << 30)
    space = walk(memory(bytes(machine.memory)), machine.root, ARM64 if arm else X64, Budget(), "kernel")
    assert listed(space) == [
        (high + 0x1000, 0x20000, 0x2000),
        (high + 0x3000, 0x10000, 0x1000),
        (high + 0x200000, 0x200000, 1 << 21),
        (high + (1 << 30), 0, 1200 * 4096),
    ]
    assert space.name == "kernel"


@pytest.mark.parametrize(("size", "bits"), [(14, 47), (14, 48), (16, 42), (16, 48), (16, 52)])
def test_pages_of_arm64_that_are_not_4_kib(size: int, bits: int) -> None:
    machine = Machine(16, kind=f"arm-{(1 << size) // 1024}k-{bits}")
    high = (1 << 64) - (1 << bits - 1)
    page, large = 1 << size, {14: 1 << 25, 16: 1 << 29}[size]
    machine.map(high + 3 * page, 7 * page)
    machine.map(high + 4 * page, 8 * page)
    machine.map(high + large, 0, large)
    machine.map(high + 2 * large, 9 << 48 if size == 16 else 9 << 44)  # of 52 bits, and not in the dump
    paging = arm64_kernel(page, bits)
    assert paging is not None
    data = bytes(machine.memory)
    whole = memory(data, Region(0, len(data), 0, "memory"), Region(0, page, 9 << 48, "memory"))
    assert listed(walk(whole, machine.root, paging, Budget())) == [
        (high + 3 * page, 7 * page, 2 * page),
        (high + large, 0, 16 * page),
        *([(high + 2 * large, 0, page)] if size == 16 else []),
    ]


@pytest.mark.parametrize(("page", "bits"), [(4096, 52), (16384, 39), (65536, 39), (8192, 48), (0, 0), (4096, 1 << 40)])
def test_combinations_that_linux_does_not_have(page: int, bits: int) -> None:
    assert arm64_kernel(page, bits) is None


def test_windows_on_arm64_has_one_table_for_both_halves() -> None:
    machine = Machine(64, arm=True)
    machine.map(0x7FFE0000, 0x20000)
    machine.map(0xFFFFF80000001000, 0x21000)
    machine.map(0xFFFFF80000002000, 0x22000)
    at = bytes(machine.memory).index(struct.pack("<Q", 0x22703))
    machine.put(at, struct.pack("<Q", 0x22800))  # in transition
    assert listed(walk(memory(bytes(machine.memory)), machine.root, ARM64_WINDOWS, Budget())) == [
        (0x7FFE0000, 0x20000, 4096),
        (0xFFFFF80000001000, 0x21000, 0x2000),
    ]


def test_a_block_where_there_is_none_maps_nothing() -> None:
    """Bit 1 is clear in an entry of the root, which is neither a table nor, at that level, a page."""
    machine = Machine(64, arm=True)
    machine.map(0xFFFF800000000000, 0x20000)
    (entry,) = struct.unpack_from("<Q", machine.memory, machine.root + 8 * 256)
    machine.put(machine.root + 8 * 256, struct.pack("<Q", entry & ~2))
    assert not len(walk(memory(bytes(machine.memory)), machine.root, ARM64, Budget()))


def test_user_addresses_are_not_extended() -> None:
    machine = Machine(64)
    machine.map(0x7FFFFFFFE000, 0x20000)
    assert listed(walk(memory(bytes(machine.memory)), machine.root, X64, Budget())) == [(0x7FFFFFFFE000, 0x20000, 4096)]


def test_32_bit_tables() -> None:
    data = bytearray(16 * 4096)
    struct.pack_into("<I", data, 0x1000 + 4 * 0x300, 0x2000 | 1)
    struct.pack_into("<I", data, 0x2000 + 4 * 5, 0x7000 | 1)
    struct.pack_into("<I", data, 0x1000 + 4 * 0x3FF, 0 | 0x81)
    assert listed(walk(memory(bytes(data)), 0x1000, X86, Budget())) == [
        (0xC0005000, 0x7000, 4096),
        (0xFFC00000, 0, 16 * 4096),
    ]
    data = bytearray(16 * 4096)
    struct.pack_into("<Q", data, 0x1020 + 8 * 2, 0x2000 | 1)
    struct.pack_into("<Q", data, 0x2000 + 8 * 1, 0x3000 | 1)
    struct.pack_into("<Q", data, 0x3000 + 8 * 7, 0x5000 | 1 | 1 << 63)
    assert listed(walk(memory(bytes(data)), 0x1020, PAE, Budget())) == [(0x80207000, 0x5000, 4096)]


def test_a_page_in_transition_is_still_there() -> None:
    machine = Machine(64)
    machine.map(0x1000, 0x20000)
    at = bytes(machine.memory).index(struct.pack("<Q", 0x20063))
    machine.put(at, struct.pack("<Q", 0x20000 | 0x800))
    assert not len(walk(memory(bytes(machine.memory)), machine.root, X64, Budget()))
    windows = Paging((39, 30, 21, 12), transition=True)
    assert len(walk(memory(bytes(machine.memory)), machine.root, windows, Budget())) == 1
    machine.put(at, struct.pack("<Q", 0x20000 | 0xC00))
    assert not len(walk(memory(bytes(machine.memory)), machine.root, windows, Budget()))


def test_pages_that_are_not_in_the_dump_are_not_mapped() -> None:
    machine = Machine(64)
    for page in range(8):
        machine.map(0x10000 + page * 4096, 0x20000 + page * 4096)
    data = bytes(machine.memory)
    regions = [Region(0, 0x22000, 0, "memory"), Region(0x30000, 0x1800, 0x24000, "memory")]
    assert listed(walk(memory(data, *regions), machine.root, X64, Budget())) == [
        (0x10000, 0x20000, 0x2000),
        (0x14000, 0x30000, 0x1000),
    ]


def test_a_table_that_is_nothing_but_itself_ends() -> None:
    data = struct.pack("<Q", 0x1003) * 1024
    budget = Budget()
    start = time.perf_counter()
    space = walk(memory(data), 0x1000, X64, budget)
    assert time.perf_counter() - start < 20
    assert budget.short
    assert len(space) <= 2 << 20


def test_a_root_outside_the_dump_maps_nothing() -> None:
    for root in (1 << 63, (1 << 64) - 1, 1 << 64, 0x5000):
        assert not len(walk(memory(bytes(4096)), root, X64, Budget()))
    assert not len(walk(PhysicalMemory(BytesSource(b"x"), []), 0, X64, Budget()))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1 << 30), st.sampled_from([X64, PAE, X86, ARM64]))
def test_random_tables(seed: int, paging: Paging) -> None:
    rng = random.Random(seed)
    words = [
        rng.choice((0, 0, 0, rng.randrange(8) << 12 | rng.choice((1, 3, 0x83)), rng.getrandbits(64)))
        for _ in range(4096)
    ]
    data = struct.pack("<4096Q", *words)
    space = walk(memory(data), 0, paging, Budget(tables=200))
    ends = space.addresses + space.sizes
    assert all(int(o) + int(s) <= len(data) for o, s in zip(space.offsets, space.sizes, strict=True))
    assert all(int(a) <= int(b) for a, b in zip(ends[:-1], space.addresses[1:], strict=True))
