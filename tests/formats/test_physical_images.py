"""LiME and VMware: addresses, secrets found and taken out, headers that lie."""

from __future__ import annotations

import contextlib
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.base import Format
from dumpscan.formats.lime import Lime
from dumpscan.formats.registry import recognise
from dumpscan.formats.vmware import VMware
from dumpscan.model import Layout
from tests.makers.images import lime, vmss
from tests.makers.paging import Machine
from tests.makers.planted import planted
from tests.makers.redacting import assert_found, found, redacted
from tests.makers.source import BytesSource, covering_layout


def memory_of(layout: Layout) -> list[tuple[int, int | None, int]]:
    return [(r.offset, r.address, r.size) for r in layout.regions if r.kind == "memory"]


def test_lime_ranges_have_addresses() -> None:
    data = lime((0x1000, b"a" * 100), (0x100000, b"b" * 200))
    assert recognise(BytesSource(data)).name == "lime"
    layout = covering_layout(Lime(), data)
    assert memory_of(layout) == [(32, 0x1000, 100), (164, 0x100000, 200)]
    assert not layout.unread


def test_lime_damage_is_told() -> None:
    data = lime((0x1000, b"a" * 100), (0x100000, b"b" * 200))
    layout = covering_layout(Lime(), data[:200])
    assert memory_of(layout)[1] == (164, 0x100000, 36)
    assert layout.unread[0].length == 164
    assert covering_layout(Lime(), data + b"more").unread
    assert covering_layout(Lime(), data[:140]).unread
    lying = struct.pack("<IIQQQ", 0x4C694D45, 1, 0, (1 << 64) - 1, 0) + b"a"
    assert memory_of(covering_layout(Lime(), lying)) == [(32, 0, 1)]
    with pytest.raises(FormatError):
        Lime().layout(BytesSource(struct.pack("<IIQQQ", 0x4C694D45, 1, 9, 0, 0)))


def test_many_lime_ranges_are_cheap() -> None:
    start = time.perf_counter()
    layout = covering_layout(Lime(), lime(*((i, b"a") for i in range(70_000))))
    assert time.perf_counter() - start < 10
    assert layout.unread


def test_lime_end_to_end(tmp_path: Path) -> None:
    memory = planted(11, 300_000)
    half = 150_000 // 4096 * 4096
    dump = tmp_path / "image.lime"
    dump.write_bytes(lime((0x1000, bytes(memory.data[:half])), (0x1000 + half, bytes(memory.data[half:]))))
    report, _ = redacted(dump)
    assert report.format == "lime"
    assert_found(report, memory, lambda at: at + 32 + 32 * (at >= half))
    assert all(o.address == o.offset - 32 - 32 * (o.offset > half + 32) + 0x1000 for o in found(report))


def test_vmware_regions() -> None:
    data, start = vmss(b"a" * 4096 * 6, [(0, 0, 4), (4, 0x100000, 2)])
    assert recognise(BytesSource(data)).name == "vmware"
    layout = covering_layout(VMware(), data)
    assert memory_of(layout) == [(start, 0, 4 * 4096), (start + 4 * 4096, 0x100000 << 12, 2 * 4096)]
    assert not layout.unread
    data, start = vmss(b"a" * 4096, [])
    assert memory_of(covering_layout(VMware(), data)) == [(start, 0, 4096)]


def test_vmware_without_memory_is_inconclusive() -> None:
    assert "vmem" in covering_layout(VMware(), vmss(None, [])[0]).unread[0].reason


def test_vmware_end_to_end_with_the_addresses_of_the_processor(tmp_path: Path) -> None:
    machine = Machine(200)
    memory = planted(12, 300_000)
    for page in range(74):
        machine.map(0x7F0000000000 + page * 4096, 0x20000 + page * 4096)
    machine.put(0x20000, bytes(memory.data))
    data, start = vmss(bytes(machine.memory), [(0, 0, 200)], machine.root)
    dump = tmp_path / "vm.vmss"
    dump.write_bytes(data)
    report, _ = redacted(dump)
    assert_found(report, memory, lambda at: start + 0x20000 + at)
    for place in found(report):
        assert place.address == place.offset - start
        assert place.virtual == 0x7F0000000000 + place.address - 0x20000


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_raises_nothing_else(data: st.DataObject) -> None:
    formats: tuple[Format, ...] = (Lime(), VMware())
    fmt = data.draw(st.sampled_from(formats))
    whole = lime((0, b"a" * 90), (99, b"b" * 90)) if fmt.name == "lime" else vmss(b"a" * 8192, [(0, 1, 1)], 0x1000)[0]
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 10))):
        place = data.draw(st.integers(4, min(len(broken), 420) - 1))
        broken[place] = data.draw(st.sampled_from((0, 1, 2, 62, 63, 0x7F, 0x80, 0xC4, 0xFF)))
    del broken[data.draw(st.integers(1, len(broken))) :]
    with contextlib.suppress(FormatError):
        covering_layout(fmt, bytes(broken))
