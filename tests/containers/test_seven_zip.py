"""7z archives: every method that is read, by 7-Zip and back; what is not read is said; lies and damage."""

from __future__ import annotations

import bz2
import lzma
import random
import struct
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.containers.base import Member
from dumpscan.containers.seven_zip import Entry, SevenZip
from dumpscan.decoders import Damage
from dumpscan.errors import RedactionError
from dumpscan.redact_container import redact_any
from dumpscan.scan_container import scan_any
from tests.containers.test_containers import ENVIRONMENT, MEMBERS, ONE, SECRET, TOKEN, content, limited, report_of
from tests.makers import seven_zip as maker
from tests.makers.containers import tar
from tests.makers.source import BytesSource

METHODS = {
    "LZMA2": ["-m0=LZMA2"],
    "LZMA": ["-m0=LZMA:lc=0:lp=2"],
    "stored": ["-m0=Copy"],
    "Deflate": ["-m0=Deflate"],
    "BZip2": ["-m0=BZip2"],
    "BCJ, LZMA": ["-m0=BCJ", "-m1=LZMA"],
    "ARM, LZMA2": ["-m0=ARM", "-m1=LZMA2"],
    "ARMT, stored": ["-m0=ARMT", "-m1=Copy"],
    "PPC, Deflate": ["-m0=PPC", "-m1=Deflate"],
    "SPARC, BZip2": ["-m0=SPARC", "-m1=BZip2"],
    "IA64, LZMA2": ["-m0=IA64", "-m1=LZMA2"],
    "Delta, LZMA": ["-m0=Delta:4", "-m1=LZMA"],
    "Delta, BCJ, LZMA2": ["-m0=Delta:4", "-m1=BCJ", "-m2=LZMA2"],
    "not solid": ["-ms=off"],
    "plain directory": ["-mhc=off"],
    "all times": ["-mtc=on", "-mta=on"],
}


def tree(root: Path) -> Path:
    """The members of the other containers, and what only a file system has."""
    for name, data in {**MEMBERS, "program": program_code()}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "nothing in it").mkdir()
    (root / "link").symlink_to("report.txt")
    (root / "report.txt").chmod(0o640)
    return root


def program_code() -> bytes:
    """Calls and jumps of x86 to few targets, so that filters have something to do."""
    source = random.Random(6)
    out = bytearray(b"\x7fELF")
    while len(out) < 300_000:
        opcode = source.choice((b"\xe8", b"\xe9", b"\x0f\x84", b"\x0f\x8f", b"\x90\x90", b"\x48\x89", b"\xeb\x0f"))
        target = source.choice((0x1000, 0x22000, 0x40F00)) - len(out) - len(opcode) - 4
        out += opcode + struct.pack("<i", target)
    return bytes(out)


@pytest.mark.parametrize("method", METHODS)
def test_real_archives(method: str, tmp_path: Path) -> None:
    path, copy = maker.by_7zip(tree(tmp_path / "in"), tmp_path / "a.7z", *METHODS[method]), tmp_path / "copy"
    report = report_of(path)
    assert (report.format, report.verdict) == ("7z", "findings")
    places = {(f.kind, o.member) for f in report.findings for o in f.occurrences}
    assert places == {("password", "report.txt"), ("password", "dump/core"), ("github-token", "logs/app.log.gz")}
    done = redact_any(str(path), copy, ONE)
    assert done.overwritten == 2 * len(SECRET) + len(TOKEN)
    assert report_of(copy).verdict == "clean"
    before, after = maker.extracted(path, tmp_path / "before"), maker.extracted(copy, tmp_path / "after")
    assert before["dump/core"] == MEMBERS["dump/core"]
    assert {name: content(data) for name, data in after.items()} == {
        name: content(data).replace(SECRET, b"X" * len(SECRET)).replace(TOKEN, b"X" * len(TOKEN))
        for name, data in before.items()
    }
    assert facts(copy) == facts(path)
    assert methods(copy) == methods(path)
    assert (tmp_path / "after" / "link").readlink() == Path("report.txt")
    assert copy.read_bytes() != path.read_bytes()


def facts(path: Path) -> list[str]:
    """What 7-Zip lists and a copy keeps; the size of a compressed member that was redacted is its own."""
    lines = [line for line in maker.listing(path) if line.startswith(("Path", "Size", "Modified", "Attributes"))]
    gz = next(i for i, line in enumerate(lines) if line.endswith("app.log.gz"))
    return [line for i, line in enumerate(lines) if not (line.startswith("Size = ") and i == gz + 1)]


def methods(path: Path) -> set[str]:
    """How the members are packed, without the parameters: of a member without bytes 7-Zip may say nothing."""
    lines = [line.partition(" = ")[2] for line in maker.listing(path) if line.startswith("Method = ")]
    return {" ".join(method.partition(":")[0] for method in line.split()) for line in lines} - {""}


@pytest.mark.parametrize(
    ("switches", "said"),
    [
        (["-psecret"], "is encrypted"),
        (["-psecret", "-mhe=on"], "has a directory that is encrypted"),
        (["-m0=PPMd"], "is packed by PPMd, which is not read"),
        (["-m0=Deflate64"], "is packed by Deflate64, which is not read"),
        (["-m0=ARM64", "-m1=LZMA2"], "is packed by the filter for ARM64, which is not read"),
        (["-mx=9", "-mf=BCJ2"], "is packed by BCJ2, which is not read"),
        (["-m0=IA64", "-m1=LZMA"], "is packed by filters that are read only with LZMA2"),
        (["-m0=Delta:4", "-m1=BCJ", "-m2=LZMA"], "is packed by filters that are read only with LZMA2"),
    ],
)
def test_what_is_not_read_is_said(switches: list[str], said: str, tmp_path: Path) -> None:
    path = maker.by_7zip(tree(tmp_path / "in"), tmp_path / "a.7z", *switches)
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert any(said in unread.reason for unread in report.coverage.unread)
    with pytest.raises(RedactionError):
        redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)
    assert not (tmp_path / "copy").exists()


def test_several_volumes(tmp_path: Path) -> None:
    maker.by_7zip(tree(tmp_path / "in"), tmp_path / "a.7z", "-v30k", "-m0=Copy")
    report = report_of(tmp_path / "a.7z.001")
    assert report.verdict == "inconclusive"
    assert "one of several volumes" in report.coverage.unread[0].reason


# ---------------------------------------------------------------- by hand


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("encoded", [True, False])
def test_archives_made_by_hand(packed: bool, encoded: bool, tmp_path: Path) -> None:
    path, copy = written(tmp_path / "a.7z", maker.seven_zip(MEMBERS, packed, encoded)), tmp_path / "copy"
    assert read(path.read_bytes()) == list(MEMBERS.items())
    redact_any(str(path), copy, ONE)
    assert [name for name, _ in read(copy.read_bytes())] == list(MEMBERS)
    assert report_of(copy).verdict == "clean"


def read(data: bytes) -> list[tuple[str, bytes | None]]:
    """Names and bytes of the members."""
    items = SevenZip().items(BytesSource(data))
    return [(item.name, None if item.data is None else b"".join(item.data)) for item in items]


def test_in_other_containers(tmp_path: Path) -> None:
    inner = maker.seven_zip(MEMBERS)
    path, copy = written(tmp_path / "a", tar({"in.7z": inner, "x": b"x"})), tmp_path / "copy"
    assert {o.member for f in report_of(path).findings for o in f.occurrences} == {
        "in.7z/report.txt",
        "in.7z/dump/core",
        "in.7z/logs/app.log.gz",
    }
    redact_any(str(path), copy, ONE)
    assert report_of(copy).verdict == "clean"


@pytest.mark.parametrize("name", ["../../evil", "/etc/cron.d/evil", "C:/evil", "a\u202eb\x1b[2J", "x" * 300, "..", "/"])
def test_names_are_never_paths(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = written(tmp_path / "input", maker.seven_zip({name: ENVIRONMENT, "other": b"x"}))
    redact_any(str(path), tmp_path / "copy", ONE)
    assert [got for got, _ in read((tmp_path / "copy").read_bytes())] == [name, "other"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "input"]


Coders = list[dict[str, object]]
Row = tuple[str, bytes | None, int | None, int | None]


def coder(method: str, properties: bytes | None = None) -> dict[str, object]:
    return {"method": bytes.fromhex(method), "properties": properties, "numinstreams": 1, "numoutstreams": 1}


_CODERS = st.sampled_from(
    [
        [coder("21", b"\x10")],
        [coder("030101", b"\x5d\0\0\x10\0")],
        [coder("00")],
        [coder("040108")],
        [coder("040202")],
        [coder("04f71101", b"\1\5\3\0\0")],
        [coder("21", b"\x10"), coder("03", b"\3")],
        [coder("00"), coder("03030501")],
        [coder("030101", b"\x5d\0\0\x10\0"), coder("03", b"\3")],
        [coder("040108"), coder("03", b"\3")],  # which py7zr does not pack by
        [],
    ]
)
_CONTENT = st.one_of(st.none(), st.binary(max_size=200), st.integers(0, 400_000).map(lambda size: b"ab" * (size // 2)))
_TIME = st.one_of(st.none(), st.integers(0, (1 << 64) - 1))
_NAME = st.text(st.characters(exclude_characters="\0\\", exclude_categories=["Cs"]), max_size=9)
_MEMBER = st.tuples(_NAME, _CONTENT, _TIME, st.sampled_from([None, 0x20, 0x81A48020]))


@settings(max_examples=60, deadline=None)
@given(_CODERS, st.lists(_MEMBER, min_size=1, max_size=9))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, coders: Coders, rows: list[Row]) -> None:
    folder = tmp_path_factory.mktemp("members")
    members, paths, out = [], {}, BytesIO()
    for name, data, time_, attributes in rows:
        facts = {"filename": name, "lastwritetime": time_, "attributes": attributes, "emptystream": not data}
        members.append(Member(name, Entry(facts, data is None, coders if data else ())))
        if data is not None:
            paths[id(members[-1])] = folder / f"{len(members)}"
            paths[id(members[-1])].write_bytes(data)
    SevenZip().write(members, out, lambda member: paths.get(id(member)))
    items = iter(SevenZip().items(BytesSource(out.getvalue())))
    for name, data, time_, attributes in rows:
        item = next(items)
        assert item.name == name
        assert not item.problem
        assert (item.data and b"".join(item.data)) == data
        new = item.meta.facts
        assert time_ in (None, new["lastwritetime"])
        assert attributes in (None, new["attributes"])
    assert next(items, None) is None


# ---------------------------------------------------------------- damage and malice


@pytest.mark.parametrize("encoded", [True, False])
def test_cut_off(encoded: bool, tmp_path: Path) -> None:
    data = maker.seven_zip(MEMBERS, encoded=encoded)
    for cut in range(6, len(data), max(1, len(data) // 25)):
        path = written(tmp_path / "input", data[:cut])
        assert report_of(path).verdict == "inconclusive", cut
        with pytest.raises(RedactionError):
            redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)
        assert [p.name for p in tmp_path.iterdir()] == ["input"]


def test_damage_in_a_block_spoils_what_follows_and_no_more(tmp_path: Path) -> None:
    parts = {f"{i}": random.Random(i).randbytes(5000) + ENVIRONMENT for i in range(8)}
    data = bytearray(maker.seven_zip(parts))
    data[32 + 20_000 : 32 + 20_040] = b"\xff" * 40
    path = written(tmp_path / "input", bytes(data))
    report = report_of(path)
    assert report.verdict == "inconclusive"
    reasons = " ".join(unread.reason for unread in report.coverage.unread)
    assert {o.member for f in report.findings for o in f.occurrences} >= {"0", "1", "2"}
    assert "does not match its checksum" in reasons or "cannot be unpacked: its block is damaged before it" in reasons


@pytest.mark.parametrize("what", ["before the directory", "at the end", "unused packed data"])
def test_bytes_of_no_member(what: str, tmp_path: Path) -> None:
    plain = b"x" * 50
    inner = maker.substreams([1], [], [zlib.crc32(plain)])
    block = [(b"\1" + maker.COPY, [50])]
    hidden = ENVIRONMENT if what == "before the directory" else b""
    at = {"unused packed data": 7}.get(what, 0)
    directory = b"\1\4" + maker.streams([50], block, inner, at) + maker.files(["a"]) + b"\0"
    data = maker.archive(bytes(at) + plain + hidden, directory) + (ENVIRONMENT if what == "at the end" else b"")
    report = report_of(written(tmp_path / "input", data))
    assert report.verdict == "inconclusive"
    assert "bytes that belong to no member" in report.coverage.unread[0].reason


MEMBER = maker.files(["a"]) + b"\0"
STORED = (b"\1" + maker.COPY, [9])
LIES = {
    "many members": (b"\1\5" + maker.number(1 << 40), "states 1099511627776 members"),
    "members enough to fill the memory": (b"\1\5" + maker.number(1 << 20) + bytes(1 << 20), "states 1048576 members"),
    "many blocks": (b"\1\4\6\0\0\0\7\x0b" + maker.number(1 << 40) + b"\0", "states 1099511627776 blocks"),
    "blocks enough to fill the memory": (
        b"\1\4\7\x0b" + maker.number(1 << 18) + b"\0" + b"\1\0" * (1 << 18),
        "states 262144 blocks",
    ),
    "blocks of a directory enough to fill the memory": (
        b"\x17\7\x0b" + maker.number(1 << 18) + b"\0" + b"\1\0" * (1 << 18),
        "states 262144 blocks",
    ),
    "many packed streams": (b"\1\4\6\0" + maker.number(1 << 50), "is damaged"),
    "members of a block": (
        b"\1\4" + maker.streams([9], [STORED], b"\x08\x0d" + maker.number(1 << 40)) + MEMBER,
        "is damaged",
    ),
    "many methods": (b"\1\4\6\0\1\x09\x09\0\7\x0b\1\0" + maker.number(1 << 20), "is damaged"),
    "data past the end": (b"\1\4" + maker.streams([1 << 62], [STORED]) + MEMBER, "contradict"),
    "data begins past the end": (b"\1\4" + maker.streams([9], [STORED], at=1 << 62) + MEMBER, "bytes are missing"),
    "data wraps around": (b"\1\4" + maker.streams([9], [STORED], at=(1 << 64) - 9) + MEMBER, "bytes are missing"),
    "less than no data": (
        b"\1\4" + maker.streams([9], [STORED], maker.substreams([2], [10], [0, 0])) + MEMBER,
        "contradict",
    ),
    "more members than streams": (
        b"\1\4" + maker.streams([9], [STORED]) + maker.files(["a", "b"]) + b"\0",
        "not as many members as streams",
    ),
    "more streams than members": (
        b"\1\4" + maker.streams([9], [STORED], maker.substreams([2], [1], [0, 0])) + MEMBER,
        "not as many members as streams",
    ),
    "a method feeds itself": (
        b"\1\4" + maker.streams([9], [(b"\2" + maker.COPY * 2 + b"\0\0", [9, 9])]) + MEMBER,
        "in an order that is not read",
    ),
    "methods in a ring": (
        b"\1\4" + maker.streams([9], [(b"\3" + maker.COPY * 3 + b"\0\1" + b"\1\0", [9, 9, 9])]) + MEMBER,
        "in an order that is not read",
    ),
    "five methods": (
        b"\1\4" + maker.streams([9], [(b"\5" + maker.COPY * 5 + b"\1\0\2\1\3\2\4\3", [9] * 5)]) + MEMBER,
        "made as py7zr cannot read",
    ),
    "a block without methods": (b"\1\4" + maker.streams([9], [(b"\0", [])]) + MEMBER, "is damaged"),
    "no name ends": (b"\1\5\1\x11\5\0aaaa\0\0", "is damaged"),
    "half of a character": (b"\1\5\1\x11\5\0\0\xd8\0\0\0\0", "is damaged"),
    "a property without end": (b"\1\5\1\x11" + maker.number(1 << 60), "is damaged"),
    "a directory elsewhere": (b"\1\5\1\x11\2\1\0\0\0", "is damaged"),
    "nonsense": (b"\x30" * 40, "is damaged"),
    "nothing": (b"", "no file with anything"),
}


@pytest.mark.parametrize("lie", LIES)
def test_directories_that_lie(lie: str, tmp_path: Path) -> None:
    directory, said = LIES[lie]
    started = time.monotonic()
    report = report_of(written(tmp_path / "input", maker.archive(bytes(9), directory)))
    assert report.verdict == "inconclusive"
    assert said in " ".join(unread.reason for unread in report.coverage.unread)
    assert time.monotonic() - started < 5


METHOD_LIES = {
    "endless dictionary": (b"\x21\x21\x01\x28", [1 << 40], "bytes of memory"),
    "impossible dictionary": (b"\x21\x21\x01\x29", [9], "bytes of memory"),
    "dictionary of LZMA": (b"\x23\3\1\1\x05\x5d" + struct.pack("<I", (1 << 29) + 1), [9], "needs 536870913 bytes"),
    "no properties": (b"\x03\x03\x01\x01", [9], "is damaged"),
    "lc of 8 and lp of 4": (b"\x23\x03\x01\x01\x05" + bytes([8 + 9 * 4]) + bytes(4), [9], "is damaged"),
    "unknown": (b"\x04\xde\xad\xbe\xef", [9], "method deadbeef, which is not read"),
    "sizes that differ": (maker.LZMA2 + b"\x04\x03\x03\x01\x03" + b"\1\0", [9, 10], "contradict"),
    "bomb in a bomb": (maker.LZMA2 + maker.LZMA2 + b"\1\0", [9, 10], "several times over"),
    "BCJ2 of one stream": (b"\x04\x03\x03\x01\x1b", [9], "BCJ2, which is not read"),
    "LZMA2 of four streams": (b"\x31\x21\4\1\1\x12\0\1\2\3", [9], "made as py7zr cannot read"),
    "many outputs": (b"\x11\x00\1\2", [9, 9], "is damaged"),
    "size that is not there": (maker.COPY, [1 << 62], "contradict"),
    "data that nothing states": (maker.COPY, [8], "contradict"),
    "noise": (maker.LZMA2, [1 << 20], "is damaged"),
}


@pytest.mark.parametrize("lie", METHOD_LIES)
def test_methods_that_lie(lie: str, tmp_path: Path) -> None:
    methods, sizes, said = METHOD_LIES[lie]
    packed = [9] * (4 if "four streams" in lie else 1)
    block = (bytes([len(sizes) if "outputs" not in lie else 1]) + methods, sizes)
    directory = b"\1\4" + maker.streams(packed, [block]) + MEMBER
    started = time.monotonic()
    path = written(tmp_path / "input", maker.archive(b"\xe0" * sum(packed), directory))
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert said in " ".join(unread.reason for unread in report.coverage.unread)
    assert time.monotonic() - started < 5


def zipped_by(method: str, plain: bytes) -> tuple[bytes, bytes]:
    """``plain`` packed, and the method as a directory names it."""
    if method == "Zstandard":
        return zstandard.ZstdCompressor(level=3).compress(plain), b"\x24\4\xf7\x11\1\5\1\5\3\0\0"
    if method == "Deflate":
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(plain) + packer.flush(), b"\3\4\1\x08"
    if method == "BZip2":
        return bz2.compress(plain), b"\3\4\2\2"
    return lzma.compress(plain, lzma.FORMAT_RAW, filters=maker.FILTERS), maker.LZMA2


@pytest.mark.parametrize("method", ["Zstandard", "Deflate", "BZip2", "LZMA2"])
def test_memory_does_not_grow_with_what_is_unpacked(method: str) -> None:
    plain = bytes(128 << 20)
    packed, name = zipped_by(method, plain)
    directory = b"\1\4" + maker.streams([len(packed)], [(b"\1" + name, [len(plain)])]) + MEMBER
    source = BytesSource(maker.archive(packed, directory))
    del plain
    tracemalloc.start()
    try:
        (item,) = SevenZip().items(source)
        assert item.data
        assert sum(map(len, item.data)) == 128 << 20
        assert tracemalloc.get_traced_memory()[1] < 80 << 20
    finally:
        tracemalloc.stop()


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py7zr", None)
    path = written(tmp_path / "input", maker.seven_zip(MEMBERS))
    report = report_of(path)
    assert (report.format, report.verdict) == ("7z", "inconclusive")
    assert "pip install 'crash-dumpscan[7z]'" in report.coverage.unread[0].reason
    with pytest.raises(RedactionError, match="py7zr"):
        redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)
    written(path, tar({"in.7z": path.read_bytes(), "x": b"x"}))
    assert report_of(path).verdict == "inconclusive"


def test_a_directory_that_packs_itself(tmp_path: Path) -> None:
    """The encoded directory, stored, is the same encoded directory again."""
    inner = maker.streams([64], [(b"\1" + maker.COPY, [64])])
    directory = (b"\x17" + inner).ljust(64, b"\0")
    report = report_of(written(tmp_path / "input", maker.archive(directory, directory)))
    assert report.verdict == "inconclusive"
    assert "packed more than 3 times" in report.coverage.unread[0].reason


MANY = 1 << 16
NONE_DEFINED = bytes(1 + MANY // 8) + b"\0"
"""A property of so many members that none of them has."""

NO_PACKED = b"\1\4\6\0\0\0\7\x0b"
LONG_READS = {
    "times": (
        b"\1\5" + maker.number(MANY) + (b"\x14" + maker.number(len(NONE_DEFINED)) + NONE_DEFINED) * 1000,
        "a property of its members twice",
    ),
    "no names": (
        b"\1\5" + maker.number(MANY) + (b"\x0e" + maker.number(MANY // 8) + bytes(MANY // 8)) * 1000,
        "a property of its members twice",
    ),
    "padding": (b"\1\5" + maker.number(MANY) + b"\x19\0" * (4 << 20), "more than 2097152 parts"),
    "methods": (
        NO_PACKED + maker.number(MANY) + b"\0" + (b"\x1c" + bytes(28) + b"\1\0" * 27) * MANY,
        "more than 2097152 parts",
    ),
    "sizes": (
        NO_PACKED + b"\1\0\1\0\x0c\0\0\x08\x0d" + maker.number(8_000_000) + b"\x09" + bytes(8_000_000),
        "more than 2097152 parts",
    ),
}


@pytest.mark.parametrize("what", LONG_READS)
def test_directories_that_take_long_to_read(what: str) -> None:
    """Within 8 MiB; some took a minute."""
    directory, said = LONG_READS[what]
    directory = directory[: 8 << 20]
    started = time.process_time()
    with pytest.raises(Damage, match=said):
        read(maker.archive(b"", directory))
    assert time.process_time() - started < 10


def test_a_directory_of_many_members_is_read() -> None:
    """As many as are read, each in a block of its own, packed by two methods."""
    count = 1 << 16
    names = [f"a/folder/with/a/name/that/is/longer/than/most/{i}" for i in range(count)]
    block = (b"\2" + maker.LZMA2 + b"\x04\x03\x03\x01\x03" + b"\1\0", [9, 9])
    directory = b"\1\4" + maker.streams([20] * count, [block] * count) + maker.files(names) + b"\0"
    items = SevenZip().items(BytesSource(maker.archive(bytes(20 * count), directory)))
    assert next(items).problem == ""


@pytest.mark.parametrize("filling", [bytes(1 << 20), b"abcd" * (1 << 18)])
def test_bombs(filling: bytes, tmp_path: Path) -> None:
    started = time.monotonic()
    path = written(tmp_path / "input", maker.seven_zip({f"f{i}": filling for i in range(48)}))
    _, problems, size = limited(path)
    assert any("bomb" in problem for problem in problems), problems
    assert size < 100 << 20
    path.write_bytes(maker.seven_zip({f"f{i}": b"x" for i in range(60)}))
    container, problems, _ = limited(path)
    assert not container.complete
    assert "more than 50 members" in problems[0]
    assert time.monotonic() - started < 30


def test_a_directory_that_is_a_bomb() -> None:
    with pytest.raises(Damage, match="states a directory of"):
        read(maker.seven_zip({"x" * (17 << 20): b"y"}, encoded=True))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_any_directory_is_read_or_refused(directory: bytes) -> None:
    for start in (b"", b"\1\4", b"\1\5", b"\x17"):
        try:
            items = list(SevenZip().items(BytesSource(maker.archive(bytes(40), start + directory))))
        except Damage:
            continue
        for item in items:
            assert item.problem or item.data is None or drained(item.data) is not None


def drained(data: Iterator[bytes]) -> int:
    try:
        return sum(len(piece) for piece in islice(data, 64))
    except Damage:
        return 0


@pytest.mark.parametrize("encoded", [True, False])
def test_noise(encoded: bool, tmp_path: Path) -> None:
    rng = random.Random(3)
    data = maker.seven_zip(MEMBERS, encoded=encoded)
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            changed[rng.randrange(32, len(changed))] = rng.randrange(256)
        path = written(tmp_path / "input", maker.resealed(bytes(changed)))
        assert scan_any(str(path), ONE).report.verdict in ("inconclusive", "findings")
