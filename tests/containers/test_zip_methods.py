"""Members of zips by every method that is read: found, redacted, written; damage and bombs end in a named limit."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dumpscan import zip_methods
from dumpscan.containers.opening import OpenedContainer, open_any, troubles
from dumpscan.errors import RedactionError, SourceError
from dumpscan.redact_container import redact_any
from dumpscan.wrappers import Limits, open_source
from dumpscan.zip_methods import Inflate64
from tests.containers.test_containers import ENVIRONMENT, MEMBERS, ONE, SECRET, TOKEN, limited, report_of
from tests.makers.containers import folder
from tests.makers.zips import METHODS, by_7zip, by_hand, endless, packed, unpacked_by_7zip, written

READ = ["Deflate64", "BZip2", "LZMA", "zstd", "xz"]
BY_7ZIP = READ[:3]
COPIED = {"BZip2": 12, "LZMA": 14}
"""The others are written as Deflate."""

NOISE = random.Random(5).randbytes(3000).hex().encode() * 20
LONG = NOISE + ENVIRONMENT + NOISE


def redacted(data: bytes) -> bytes:
    return data.replace(SECRET, b"X" * len(SECRET)).replace(TOKEN, b"X" * len(TOKEN))


def archive(method: str, members: dict[str, bytes], where: Path) -> Path:
    """By 7-Zip where it packs by ``method``."""
    path = where / "input.zip"
    if method in BY_7ZIP:
        by_7zip(method, folder(where / "files", members), path)
    else:
        path.write_bytes(by_hand(method, members))
    return path


@pytest.mark.parametrize("method", READ)
def test_a_zip_of_several_files(method: str, tmp_path: Path) -> None:
    members = {"report.txt": MEMBERS["report.txt"], "dump/core": LONG}
    members |= {"empty": b""} if method in BY_7ZIP else {}  # it does not read one that xz packs
    path, copy = archive(method, members, tmp_path), tmp_path / "copy.zip"
    with zipfile.ZipFile(path) as zipped:
        assert METHODS[method] in {info.compress_type for info in zipped.infolist()}
        names = [info.filename for info in zipped.infolist()]
        stored = {info.filename for info in zipped.infolist() if info.compress_type == 0}
    report = report_of(path)
    assert (report.format, report.verdict) == ("zip", "findings")
    places = {(o.member, o.offset) for f in report.findings for o in f.occurrences}
    assert {("report.txt", LONG.index(SECRET)), ("dump/core", LONG.index(SECRET))} & places
    redact_any(str(path), copy, ONE)
    assert report_of(copy).verdict == "clean"
    with zipfile.ZipFile(copy) as zipped:
        assert [info.filename for info in zipped.infolist()] == names
        for info in zipped.infolist():
            assert info.compress_type == (0 if info.filename in stored else COPIED.get(method, 8))
            assert info.is_dir() or zipped.read(info) == redacted(members[info.filename])
    assert unpacked_by_7zip(copy, tmp_path / "after") == {name: redacted(data) for name, data in members.items()}
    assert unpacked_by_7zip(path, tmp_path / "before") == members


@pytest.mark.parametrize("method", READ)
def test_a_zip_of_one_file(method: str, tmp_path: Path) -> None:
    """As Windows' Explorer makes one of a dump above 2 GiB, by Deflate64."""
    path, copy = archive(method, {"dump": LONG}, tmp_path), tmp_path / "copy.zip"
    report = report_of(path)
    assert (report.format, report.verdict) == ("raw", "findings")
    assert LONG.index(SECRET) in {o.offset for f in report.findings for o in f.occurrences}
    redact_any(str(path), copy, ONE)
    assert unpacked_by_7zip(copy, tmp_path / "after") == {"dump": redacted(LONG)}


@pytest.mark.parametrize("method", READ)
def test_a_zip_that_lost_its_directory(method: str, tmp_path: Path) -> None:
    path = archive(method, {"dump": LONG + bytes(200_000)}, tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"PK\1\2")])
    report = report_of(path)
    assert "its directory is missing" in report.coverage.unread[-1].reason or "cut short" in str(report.coverage)
    assert report.verdict == "inconclusive"
    assert LONG.index(SECRET) in {o.offset for f in report.findings for o in f.occurrences}


def test_ppmd_is_not_read(tmp_path: Path) -> None:
    path = by_7zip("PPMd", folder(tmp_path / "files", {"a": LONG, "b": LONG}), tmp_path / "input.zip")
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert {unread.reason for unread in report.coverage.unread} >= {
        "a: is compressed by PPMd, which is not read",
        "b: is compressed by PPMd, which is not read",
    }
    with pytest.raises(RedactionError, match="PPMd"):
        redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)
    path.write_bytes(by_hand("PPMd", {"a": LONG}))
    with pytest.raises(SourceError, match="PPMd, which is not read: unpack it"):
        report_of(path)


def test_without_inflate64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_methods, "find_spec", lambda _: None)
    path = tmp_path / "input"
    path.write_bytes(by_hand("Deflate64", {"a": LONG, "b": LONG}))
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert "inflate64 is missing: pip install" in report.coverage.unread[0].reason
    path.write_bytes(by_hand("Deflate64", {"a": LONG}))
    with pytest.raises(SourceError, match="inflate64 is missing"):
        report_of(path)


# ---------------------------------------------------------------- damage and malice


def problems_of(path: Path) -> list[str]:
    return limited(path)[1]


def all_that_is_lost_is_told(path: Path, members: dict[str, bytes]) -> bool:
    """Whether anything is."""
    try:
        with open_any(str(path)) as opened:
            if not isinstance(opened, OpenedContainer):  # it has another magic number, and is scanned as it is
                return True
            for member in opened.container.members:
                whole = member.path is not None and member.path.read_bytes() == members[member.name]
                assert whole or member.problems, member.name
            return any(troubles(opened.container))
    except SourceError:
        return True


@pytest.mark.parametrize("method", ["Deflate", *READ])
def test_noise(method: str, tmp_path: Path) -> None:
    """What is changed in the packed bytes or around them is told, or comes out as it was."""
    rng = random.Random(6)
    members = {"a": LONG[-9000:], "b": b"b"}
    data = by_hand(method, members)
    path = tmp_path / "input"
    told = 0
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 5)):
            changed[rng.randrange(data.index(b"PK\1\2"))] = rng.randrange(256)
        path.write_bytes(changed)
        told += all_that_is_lost_is_told(path, members)
    assert told > 40


@pytest.mark.parametrize("method", READ)
def test_what_follows_the_end_of_packed_data(method: str, tmp_path: Path) -> None:
    path = tmp_path / "input"
    for size in (1, 100, 700, 300_000):
        data = packed(LONG, method) + b"\0unseen" * size
        path.write_bytes(written(method, {"a": (LONG, data[: len(data) - size]), "b": (b"", packed(b"", method))}))
        (problem,) = problems_of(path)
        assert problem.startswith("a: it is damaged")


@pytest.mark.parametrize("method", READ)
def test_packed_data_that_is_cut_short(method: str, tmp_path: Path) -> None:
    path, data = tmp_path / "input", packed(LONG, method)
    path.write_bytes(written(method, {"a": (LONG, data[:-20]), "b": (b"b", b"")}))
    problems = problems_of(path)
    assert [problem[:1] for problem in problems] == ["a", "b"]
    assert all("cut short" in problem for problem in problems)


@pytest.mark.parametrize("method", READ)
def test_bombs(method: str, tmp_path: Path) -> None:
    path, many = tmp_path / "input", bytes(16 << 20)
    path.write_bytes(by_hand(method, {"a": many, "b": b"\1" + many * 3, "c": many}))
    tracemalloc.start()
    _, problems, _ = limited(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert any("decompression bomb" in problem for problem in problems)
    assert peak < 40 << 20


@pytest.mark.parametrize("one", [True, False])
def test_an_endless_deflate64(one: bool, tmp_path: Path) -> None:
    path, data = tmp_path / "input", endless()
    rest = {} if one else {"b": (b"b", packed(b"b", "Deflate64"))}
    path.write_bytes(written("Deflate64", {"a": (b"0" * 65_539, data), **rest}))
    tracemalloc.start()
    if one:
        limits = Limits(free=1 << 20, ratio=100, zero_ratio=2000)
        with pytest.raises(SourceError, match="decompression bomb"), open_source(str(path), limits=limits):
            pass
    else:
        assert "decompression bomb" in problems_of(path)[0]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20


def test_a_dictionary_that_is_too_large(tmp_path: Path) -> None:
    data = bytearray(packed(LONG, "LZMA"))
    struct.pack_into("<I", data, 5, 0xFFFFFFFF)
    path = tmp_path / "input"
    path.write_bytes(written("LZMA", {"a": (LONG, bytes(data)), "b": (LONG, packed(LONG, "LZMA"))}))
    (problem,) = problems_of(path)
    assert "a dictionary of 4294967295 bytes" in problem


def test_inflate64_keeps_nothing() -> None:
    """Version 1.0.4 lets go of no object that it was given."""
    good, before = packed(random.Random(7).randbytes(1 << 20), "Deflate64"), psutil.Process().memory_info().rss
    for data in (good, good[:-9], good[:9] + b"\7" + good[10:], b"\7" + good):
        for _ in range(60):
            with suppress(ValueError):
                Inflate64().decompress(data, 1 << 21)
    assert psutil.Process().memory_info().rss - before < 40 << 20


def test_headers_that_contradict_the_directory(tmp_path: Path) -> None:
    members = {"a": LONG, "b": b"b"}
    data = by_hand("Deflate64", members)
    path, second = tmp_path / "input", data.index(b"PK\3\4", 4)
    for at, value in ((0, b"KP"), (6, b"\1\0"), (8, b"\x08\0"), (26, b"\xff\xff"), (28, b"\xff\xff"), (30, b"c")):
        at += second
        path.write_bytes(data[:at] + value + data[at + len(value) :])
        (problem,) = problems_of(path)
        assert problem.startswith(("b: it is damaged", "b: it is cut short")), problem
