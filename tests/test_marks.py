"""``redact --mark``: the copy says what was redacted, and other readers read the rest as before."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zstandard
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment
from minidump.minidumpfile import MinidumpFile

import dumpscan
from dumpscan.errors import UsageError
from dumpscan.model import DumpReport
from dumpscan.redact import redact_path
from dumpscan.redact_container import redact_any
from dumpscan.scan import scan_path
from tests.makers.containers import tar
from tests.makers.elf import Core, Segment
from tests.makers.hprof import Dump
from tests.makers.hprof_census import hprof_census
from tests.makers.kdump import kdump
from tests.makers.minidump import MinidumpMaker, context
from tests.makers.planted import Planted, planted
from tests.makers.redacting import found, options

NGINX = Path(dumpscan.__file__).parents[1] / "testdata" / "nginx-worker.core.zst"
MEMORY = planted(5, 120_000)
DATA = bytes(MEMORY.data)


def marked(path: Path, data: bytes) -> tuple[bytes, DumpReport]:
    """The marked copy of a dump, which scans clean; the report is of the dump."""
    path.write_bytes(data)
    copy = path.with_name("copy")
    report = redact_path(str(path), copy, options(), mark=True).report
    again = scan_path(str(copy), options()).report
    assert again.verdict == "clean"
    assert again.format == report.format
    return copy.read_bytes(), report


def plainly(path: Path) -> bytes:
    """The copy of the dump at ``path`` without a mark."""
    copy = path.with_name("plain")
    redact_path(str(path), copy, options())
    return copy.read_bytes()


def assert_told(text: bytes, report: DumpReport, memory: Planted | None = None) -> None:
    """The mark names dumpscan, its version and what was overwritten, and tells nothing of it."""
    lines = text.decode().splitlines()
    assert lines[0] == f"dumpscan {dumpscan.__version__} redacted this file"
    ranges = [tuple(int(word, 16) for word in line.split()[1:]) for line in lines[2:]]
    assert lines[1] == f"ranges {len(ranges)}"
    assert ranges
    assert len(text) < 40 * (len(ranges) + 3)
    for place in found(report):
        assert any(start <= place.offset and place.offset + place.length <= start + size for start, size in ranges)
    for _, secret in memory.places if memory else ():
        assert secret[:8] not in text


# ---------------------------------------------------------------- ELF


def core(**more: Any) -> bytes:
    made = Core(segments=[Segment(0x10000, DATA), Segment(0x80000, bytes(5000))], **more)
    made.notes = [made.prstatus(77, range(27 if made.wide else 17)), made.prpsinfo(b"leak", b"leak --now")]
    return made.build()


def notes_of(data: bytes) -> list[Any]:
    segments = ELFFile(BytesIO(data)).iter_segments("PT_NOTE")
    return [note for segment in segments if isinstance(segment, NoteSegment) for note in segment.iter_notes()]


SHAPES: list[dict[str, Any]] = [
    {},
    {"bits": 32, "machine": 3},
    {"order": ">", "machine": 21},
    {"bits": 32, "order": ">", "machine": 20},
    {"entry_padding": 8},
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_core_carries_a_note(shape: dict[str, Any], tmp_path: Path) -> None:
    data = core(**shape)
    copy, report = marked(tmp_path / "core", data)
    plain = plainly(tmp_path / "core")
    head = 64 if shape.get("bits", 64) == 64 else 52
    assert copy[head : len(plain)] == plain[head:]
    if "entry_padding" in shape:
        return  # pyelftools takes no such header
    before, after = ELFFile(BytesIO(plain)), ELFFile(BytesIO(copy))
    old = [dict(segment.header) for segment in before.iter_segments()]
    new = [dict(segment.header) for segment in after.iter_segments()]
    assert new[: len(old)] == old
    assert [s.data() for s in after.iter_segments("PT_LOAD")] == [s.data() for s in before.iter_segments("PT_LOAD")]
    notes = notes_of(copy)
    assert len(notes) == 3
    assert notes[-1]["n_name"] == "dumpscan"
    assert_told(notes[-1]["n_descdata"], report, MEMORY)


def gdb_shows(core_file: Path) -> str:
    commands = ["info threads", "thread apply all bt", "info all-registers", "info files", "info proc mappings"]
    arguments = [part for command in commands for part in ("-ex", command)]
    done = subprocess.run(
        ["gdb", "-nx", "-batch", *arguments, "-c", core_file], capture_output=True, text=True, timeout=120, check=True
    )
    assert "#0 " in done.stdout
    return done.stdout.replace(str(core_file), "CORE")


def test_gdb_reads_a_real_core_with_its_note(tmp_path: Path) -> None:
    copy = tmp_path / "copy.zst"
    report = redact_path(str(NGINX), copy, options(), mark=True).report
    assert scan_path(str(copy), options()).report.verdict == "clean"
    plain, core_file = tmp_path / "plain.zst", tmp_path / "core"
    redact_path(str(NGINX), plain, options())
    content = zstandard.ZstdDecompressor().stream_reader(copy.read_bytes()).read()
    notes = notes_of(content)
    assert_told(notes[-1]["n_descdata"], report)
    if not shutil.which("gdb"):
        pytest.skip("gdb is not installed")
    core_file.write_bytes(zstandard.ZstdDecompressor().stream_reader(plain.read_bytes()).read())
    shown = gdb_shows(core_file)
    core_file.write_bytes(content)
    again = gdb_shows(core_file)
    sections = re.compile(r"^.* is note\d+$\n?", re.MULTILINE)
    assert sections.sub("", again) == sections.sub("", shown)


# ---------------------------------------------------------------- minidumps


def minidump() -> bytes:
    maker = MinidumpMaker().system(9)
    stack = maker.place(b"stack of thread seven".ljust(64, b"."))
    maker.threads(maker.thread(7, (0x7000_0000, 64, stack), context(9, 0x7000_0010)))
    maker.modules((0x40_0000, 0x5000, "C:\\app\\leak.exe"), (0x7700_0000, 0x1000, "C:\\Windows\\ntdll.dll"))
    return maker.memory64((0x9000_0000, DATA)).build() + b"odd"


def test_a_minidump_carries_a_stream(tmp_path: Path) -> None:
    copy, report = marked(tmp_path / "dump", minidump())
    plain = plainly(tmp_path / "dump")
    assert copy[16 : len(plain)] == plain[16:]
    count, table = struct.unpack_from("<II", copy, 8)
    entries = [struct.unpack_from("<III", copy, table + 12 * index) for index in range(count)]
    number, size, place = entries[-1]
    assert number > 0xFFFF
    assert table + 12 * count == len(copy)
    assert_told(copy[place : place + size], report, MEMORY)
    before, after = MinidumpFile.parse_bytes(plain), MinidumpFile.parse_bytes(copy)
    assert [t.ThreadId for t in after.threads.threads] == [t.ThreadId for t in before.threads.threads] == [7]
    names = [m.name for m in after.modules.modules]
    assert names == [m.name for m in before.modules.modules]
    assert len(names) == 2
    reader = after.get_reader()
    assert reader.read(0x9000_0000, 100_000) == before.get_reader().read(0x9000_0000, 100_000)


# ---------------------------------------------------------------- hprof


def heap(word: int = 8) -> Dump:
    dump = Dump(word)
    dump.kind("java.lang.Object", [])
    dump.kind("app.Holder", [("name", "ref")], "java.lang.Object")
    array = dump.primitives("byte", DATA)
    dump.instance("app.Holder", dump.ref(array))
    return dump


@pytest.mark.parametrize(
    ("word", "tag", "end"), [(8, 0x1C, struct.pack(">BII", 0x2C, 0, 0)), (4, 0x0C, b""), (4, 0x1C, b"\x2c" + bytes(8))]
)
def test_a_heap_dump_carries_a_string(word: int, tag: int, end: bytes, tmp_path: Path) -> None:
    copy, report = marked(tmp_path / "heap", heap(word).build(tag=tag, end=end))
    plain = plainly(tmp_path / "heap")
    before, after = hprof_census(plain), hprof_census(copy)
    assert after - before == {"record 0x1": 1}
    assert not before - after
    extra = len(copy) - len(plain)
    assert copy[: len(plain) - len(end)] == plain[: len(plain) - len(end)]
    assert copy.endswith(end)
    string = copy[len(plain) - len(end) :][:extra]
    assert string[0] == 1
    assert string[9 : 9 + word] == b"\xff" * word
    assert_told(string[9 + word :], report, MEMORY)


# ---------------------------------------------------------------- kdump


def test_a_kdump_says_it_in_its_eraseinfo(tmp_path: Path) -> None:
    pages = {number: DATA[4096 * number :][:4096].ljust(4096, b"\0") for number in range(len(DATA) // 4096 + 1)}
    copy, _ = marked(tmp_path / "dump", kdump(pages))
    assert f"erase dumpscan {dumpscan.__version__} physical 0x".encode() in copy


# ---------------------------------------------------------------- what cannot carry one


def refused(tmp_path: Path, data: bytes) -> str:
    path, copy = tmp_path / "dump", tmp_path / "copy"
    path.write_bytes(data)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError) as error:
        redact_any(str(path), copy, options(), accept_incomplete=True, mark=True)
    assert sorted(tmp_path.iterdir()) == before
    assert str(error.value).startswith("--mark: ")
    return str(error.value)


def test_what_cannot_carry_a_mark_is_a_usage_error(tmp_path: Path) -> None:
    assert "raw" in refused(tmp_path, DATA)
    assert "tar" in refused(tmp_path, tar({"core": core()}))
    assert "65534" in refused(tmp_path, core(xnum=True))
    assert "cut short" in refused(tmp_path, core()[:-1000])
    assert "cut short" in refused(tmp_path, minidump()[:-1000])
    assert "short" in refused(tmp_path, heap().build()[:-1000])
    assert "wrong" in refused(tmp_path, heap().build(length=0, tag=0x0C, end=b""))


def test_a_clean_dump_is_marked_too(tmp_path: Path) -> None:
    made = Core(segments=[Segment(0x10000, b"nothing")])
    path, copy = tmp_path / "core", tmp_path / "copy"
    path.write_bytes(made.build())
    redact_path(str(path), copy, options(), mark=True)
    assert b"\nranges 0\n" in copy.read_bytes()
