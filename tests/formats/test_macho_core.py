"""Mach-O cores: made ones of every shape, LLDB's own test core, damaged ones for safety."""

from __future__ import annotations

import contextlib
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.base import HEAD_SIZE
from dumpscan.formats.macho_core import MAX_COMMAND_BYTES, MachoCore
from dumpscan.model import Layout, Module, Region, Thread
from dumpscan.source import FileSource
from tests.makers.fixtures import manifest
from tests.makers.macho import ARM64, I386, PPC, X86_64, Core, Segment
from tests.makers.planted import github_token
from tests.makers.programs import run
from tests.makers.source import BytesSource

YAML = next((row.file for row in manifest() if row.format.startswith("machocore-yaml")), None)
SHAPES = [(bits, order) for bits in (32, 64) for order in "<>"]


def assert_partition(layout: Layout, size: int) -> None:
    position = 0
    for region in layout.regions:
        assert region.offset == position
        assert region.size > 0
        position = region.end
    assert position == size


def layout_of(data: bytes) -> Layout:
    layout = MachoCore().layout(BytesSource(data))
    assert_partition(layout, len(data))
    return layout


def of_kind(layout: Layout, kind: str) -> list[Region]:
    return [region for region in layout.regions if region.kind == kind]


def process(bits: int = 64, order: str = "<", cpu: int = X86_64) -> Core:
    core = Core(bits, order, cpu)
    core.segments = [Segment(0x1000, b"text" * 64, 5), Segment(0x9000, b"data" * 64), Segment(0x20000, b"stac" * 64)]
    core.notes = [("process metadata", b'{"threads":[]}')]
    return core


@pytest.mark.parametrize(("bits", "order"), SHAPES)
def test_segments_have_addresses_and_bytes(bits: int, order: str) -> None:
    data = process(bits, order).build()
    layout = layout_of(data)
    assert MachoCore().sniff(data[:HEAD_SIZE])
    assert [(r.address, r.perms, data[r.offset : r.offset + 4]) for r in of_kind(layout, "memory")] == [
        (0x1000, "r-x", b"text"),
        (0x9000, "rw-", b"data"),
        (0x20000, "rw-", b"stac"),
    ]
    assert layout.byte_order == ("little" if order == "<" else "big")
    assert layout.pointer_size == bits // 8
    assert [data[r.offset : r.end] for r in of_kind(layout, "notes")] == [b'{"threads":[]}']
    assert not layout.unread


@pytest.mark.parametrize(
    ("bits", "order", "cpu", "flavor", "width", "index", "count", "name"),
    [
        (64, "<", X86_64, 4, 8, 7, 21, "x86_64"),
        (64, "<", ARM64, 6, 8, 31, 34, "aarch64"),
        (32, "<", I386, 1, 4, 7, 16, "i386"),
        (32, ">", PPC, 1, 4, 3, 40, "ppc"),
    ],
)
def test_a_stack_pointer_names_the_stack(
    bits: int, order: str, cpu: int, flavor: int, width: int, index: int, count: int, name: str
) -> None:
    core = process(bits, order, cpu)
    core.thread(flavor, [0x20010 if i == index else 0x77 for i in range(count)], width)
    layout = layout_of(core.build())
    assert layout.architecture == name
    assert layout.threads == (Thread(0, 0x20010),)
    assert [(r.address, r.thread) for r in layout.regions if r.name == "stack"] == [(0x20000, 0)]
    (registers,) = of_kind(layout, "registers")
    assert (registers.size, registers.thread) == (16 + width * count, 0)


def test_the_unified_x86_state_is_looked_into() -> None:
    core = process()
    registers = [0] * 21
    registers[7] = 0x20020
    body = struct.pack("<2I21Q", 4, 42, *registers)
    core.threads = [struct.pack("<2I", 7, len(body) // 4) + body]
    assert layout_of(core.build()).threads == (Thread(0, 0x20020),)


def test_a_stack_of_two_threads_belongs_to_neither() -> None:
    core = process()
    for pointer in (0x20010, 0x20080):
        core.thread(4, [pointer] * 21, 8)
    assert [r.thread for r in layout_of(core.build()).regions if r.name == "stack"] == [None]


def test_images_are_modules() -> None:
    core = process()
    core.notes = [("all image infos", b"")]
    place = len(core.build())
    header, entry = 24, 48
    path = place + header + entry
    segments = path + 16
    core.notes = [
        (
            "all image infos",
            struct.pack("<IIQII", 1, 1, place + header, entry, 0)
            + struct.pack("<Q16sQQII", path, b"u" * 16, 0x1000, segments, 2, 1)
            + b"/usr/bin/prog".ljust(16, b"\0")
            + struct.pack("<16sQQ", b"__DATA", 0x9000, 0)
            + struct.pack("<16sQQ", b"__LINKEDIT", 0x20000, 0),
        )
    ]
    assert layout_of(core.build()).modules == (Module("/usr/bin/prog", 0x1000, 0x9100),)


def test_a_truncated_core_is_read_as_far_as_it_goes() -> None:
    data = process().build()
    whole = of_kind(layout_of(data), "memory")
    layout = layout_of(data[: whole[1].offset + 10])
    assert [r.size for r in of_kind(layout, "memory")] == [256, 10]
    assert {item.length for item in layout.unread} == {246, 256, len(b'{"threads":[]}')}


def test_lies_cost_nothing() -> None:
    core = process()
    core.segments += [Segment(1 << 63, b"", offset=(1 << 64) - 5, size=(1 << 64) - 1)]
    core.segments += [Segment(0x1000, b"", offset=0, size=1 << 62)] * 100
    core.count = 0xFFFFFFFF
    layout = layout_of(core.build())
    assert len(layout.unread) <= 65
    assert len(layout.regions) < 50
    broken = bytearray(core.build())
    struct.pack_into("<I", broken, 20, 0xFFFFFFFF)
    assert layout_of(bytes(broken)).unread
    assert MAX_COMMAND_BYTES < 0xFFFFFFFF


@pytest.mark.parametrize("size", [0, 3, 4, 15, 16, 27, 31, 32, 39])
def test_a_core_without_commands_is_refused(size: int) -> None:
    data = process().build()[:size]
    assert MachoCore().sniff(data) == (size >= 16)
    with pytest.raises(FormatError):
        MachoCore().layout(BytesSource(data))


def test_programs_are_not_cores() -> None:
    data = bytearray(process().build())
    data[12] = 2
    assert not MachoCore().sniff(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_raises_nothing_else(data: st.DataObject) -> None:
    bits, order = data.draw(st.sampled_from(SHAPES))
    core = process(bits, order)
    core.thread(4, [0x20010] * 21, 8)
    core.notes.append(("all image infos", bytes(range(96))))
    broken = bytearray(core.build())
    for _ in range(data.draw(st.integers(0, 12))):
        place = data.draw(st.integers(12, min(len(broken), 700) - 1))
        broken[place] = data.draw(st.sampled_from((0, 1, 4, 0x19, 0x31, 0x7F, 0x80, 0xFF)))
    del broken[data.draw(st.integers(16, len(broken))) :]
    with contextlib.suppress(FormatError):
        layout_of(bytes(broken))


@pytest.mark.heavy
@pytest.mark.skipif(YAML is None or not shutil.which("yaml2obj-14"), reason="needs the fixtures and yaml2obj-14")
def test_lldbs_own_core(tmp_path: Path) -> None:
    core = tmp_path / "core"
    subprocess.run(["yaml2obj-14", str(YAML), "-o", str(core)], check=True)
    with FileSource(core) as source:
        layout = MachoCore().layout(source)
        assert_partition(layout, source.size)
    memory = of_kind(layout, "memory")
    assert (layout.architecture, len(layout.threads), bool(memory)) == ("x86_64", 1, True)
    assert any(region.name == "stack" for region in memory)
    assert not layout.unread


@pytest.mark.heavy
@pytest.mark.skipif(YAML is None or not shutil.which("yaml2obj-14"), reason="needs the fixtures and yaml2obj-14")
def test_a_copy_of_a_gigabyte_of_holes_keeps_them_and_opens_in_lldb(tmp_path: Path) -> None:
    dump, copy = tmp_path / "core", tmp_path / "copy"
    subprocess.run(["yaml2obj-14", str(YAML), "-o", str(dump)], check=True)
    with FileSource(dump) as source:
        stack = next(region for region in MachoCore().layout(source).regions if region.name == "stack")
    token = github_token(random.Random(4)).encode()
    with dump.open("r+b") as file:
        file.seek(stack.offset + stack.size // 2)
        file.write(token)
    peak = "import resource, sys; from dumpscan.cli import main\ntry: main(sys.argv[1:])\nfinally: "
    peak += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = run(sys.executable, "-c", peak, "redact", "--quiet", "--jobs", "1", dump, "-o", copy)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) << 10 < dump.stat().st_size // 2
    assert copy.stat().st_size == dump.stat().st_size > 1 << 30
    assert copy.stat().st_blocks <= dump.stat().st_blocks + 64
    with copy.open("rb") as file:
        file.seek(stack.offset + stack.size // 2)
        assert token[4:] not in file.read(len(token))
    assert seen_by_lldb(copy) == seen_by_lldb(dump)


def seen_by_lldb(core: Path) -> str:
    """Threads, backtrace, registers and images as LLDB reads them."""
    if not shutil.which("lldb-14"):
        pytest.skip("lldb-14 not installed")
    commands = [f"target create --core {core}", "thread list", "bt 5", "register read", "image list"]
    options = [part for command in commands for part in ("-o", command)]
    modules = "PYTHONPATH=/usr/lib/llvm-14/lib/python3.11/dist-packages"
    done = run("env", modules, "lldb-14", "-b", "--no-lldbinit", *options)
    assert "thread #1" in done.stdout, done.stdout[-500:] + done.stderr[-500:]
    return done.stdout.replace(str(core), "CORE")
