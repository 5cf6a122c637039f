"""Cabinets: read by gcab and cabextract as well; what is not read is said; lies and damage."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.containers.base import Member
from dumpscan.containers.cab import Cabinet
from dumpscan.containers.cab_header import Entry, checksum
from dumpscan.decoders import Damage
from dumpscan.errors import RedactionError
from dumpscan.redact_container import redact_any
from dumpscan.scan_container import scan_any
from tests.containers.test_containers import ENVIRONMENT, MEMBERS, ONE, SECRET, TOKEN, content, limited, report_of
from tests.makers import cab as maker
from tests.makers.containers import folder, zipped
from tests.makers.source import BytesSource

LARGE = {"a": random.Random(2).randbytes(70_000) + ENVIRONMENT + b"text " * 30_000, "b": b"b" * 40_000, "c": b""}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def read(data: bytes) -> list[tuple[str, bytes]]:
    """Names and bytes of the files."""
    return [(item.name, b"".join(item.data or ())) for item in Cabinet().items(BytesSource(data))]


def redacted(data: bytes) -> bytes:
    return data.replace(SECRET, b"X" * len(SECRET)).replace(TOKEN, b"X" * len(TOKEN))


@pytest.mark.parametrize("switches", [[], ["-z"]])
def test_real_cabinets(switches: list[str], tmp_path: Path) -> None:
    root, copy = folder(tmp_path / "in", {**MEMBERS, **LARGE}), tmp_path / "copy"
    path = maker.by_gcab(root, tmp_path / "a.cab", [*MEMBERS, *LARGE], *switches)
    report = report_of(path)
    assert (report.format, report.verdict) == ("cab", "findings")
    places = {(f.kind, o.member) for f in report.findings for o in f.occurrences}
    assert places == {
        ("password", "report.txt"),
        ("password", "dump\\core"),
        ("password", "a"),
        ("github-token", "logs\\app.log.gz"),
    }
    redact_any(str(path), copy, ONE)
    assert report_of(copy).verdict == "clean"
    before, after = maker.extracted(path, tmp_path / "before"), maker.extracted(copy, tmp_path / "after")
    assert before == {**MEMBERS, **LARGE}
    assert {n: content(d) for n, d in after.items()} == {n: redacted(content(d)) for n, d in before.items()}
    assert [line.split("|")[1:] for line in maker.listing(copy)] == [
        line.split("|")[1:] for line in maker.listing(path)
    ]


@pytest.mark.parametrize("method", [0, 1])
@pytest.mark.parametrize("reserved", [False, True])
def test_cabinets_made_by_hand(method: int, reserved: bool, tmp_path: Path) -> None:
    path, copy = tmp_path / "a.cab", tmp_path / "copy"
    path.write_bytes(maker.cabinet([LARGE, MEMBERS, {"ä": b"x"}], method, reserved=reserved))
    assert dict(read(path.read_bytes())) == {**LARGE, **MEMBERS, "ä": b"x"}
    redact_any(str(path), copy, ONE)
    assert [name for name, _ in read(copy.read_bytes())] == [name for name, _ in read(path.read_bytes())]
    folders = struct.unpack_from("<H", copy.read_bytes(), 26)[0]
    assert [struct.unpack_from("<H", copy.read_bytes(), 36 + 8 * i + 6)[0] for i in range(folders)] == [method] * 3
    assert maker.extracted(copy, tmp_path / "out")["a"] == redacted(LARGE["a"])


def test_files_in_another_order_than_their_data(tmp_path: Path) -> None:
    parts = {"one": b"1" * 100, "two": b"2" * 50, "three": ENVIRONMENT}
    rows = [(len(ENVIRONMENT), 150, 0, b"three"), (100, 0, 0, b"one"), (50, 100, 0, b"two")]
    path, copy = written(tmp_path / "a.cab", maker.cabinet([parts], rows=rows)), tmp_path / "copy"
    redact_any(str(path), copy, ONE)
    assert maker.extracted(copy, tmp_path / "out") == {**parts, "three": redacted(ENVIRONMENT)}
    assert [line.split("|")[2].strip() for line in maker.listing(copy)] == ["three", "one", "two"]


def test_in_other_containers(tmp_path: Path) -> None:
    path, copy = tmp_path / "a", tmp_path / "copy"
    path.write_bytes(zipped({"in.cab": maker.cabinet([MEMBERS]), "x": b"x"}))
    assert {o.member for f in report_of(path).findings for o in f.occurrences} == {
        "in.cab/report.txt",
        "in.cab/dump/core",
        "in.cab/logs/app.log.gz",
    }
    redact_any(str(path), copy, ONE)
    assert report_of(copy).verdict == "clean"


@pytest.mark.parametrize("name", ["../../evil", "/etc/cron.d/evil", "C:\\evil", "\x1b[2J", "x" * 250])
def test_names_are_never_paths(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = written(tmp_path / "input", maker.cabinet([{name: ENVIRONMENT, "other": b"x"}]))
    redact_any(str(path), tmp_path / "copy", ONE)
    assert [got for got, _ in read((tmp_path / "copy").read_bytes())] == [name, "other"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "input"]


@given(st.binary(max_size=300))
def test_checksums(data: bytes) -> None:
    assert checksum(data) == maker.words(data)


_FILE = st.tuples(st.integers(0, 2), st.integers(0, 100_000), st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=9))


@settings(max_examples=40, deadline=None)
@given(st.lists(_FILE, max_size=8), st.tuples(*[st.sampled_from([0, 1])] * 3), st.randoms(use_true_random=False))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, int, bytes]],
    methods: tuple[int, int, int],
    source: random.Random,
) -> None:
    where = tmp_path_factory.mktemp("files")
    members, paths, out = [], {}, BytesIO()
    for number, (home, size, date, name) in enumerate(sorted(rows, key=lambda row: row[0])):
        entry = Entry(number, home, 0, size, date, number, 0x20, name.replace(b"\0", b"z"), methods[home])
        members.append(Member(entry.name, entry))
        paths[id(members[-1])] = written(where / str(number), source.randbytes(size // 2) + bytes(size - size // 2))
    Cabinet().write(members, out, lambda member: paths[id(member)])
    items = {}
    for item in Cabinet().items(BytesSource(out.getvalue())):
        items[item.meta.number] = (item.meta, b"".join(item.data or ()))
    assert len(items) == len(members)
    for member in members:
        new, data = items[member.meta.number]
        assert (new.raw_name, new.date, new.time, new.attributes) == (
            member.meta.raw_name,
            member.meta.date,
            member.meta.time,
            member.meta.attributes,
        )
        assert data == paths[id(member)].read_bytes()
        assert new.method == member.meta.method


# ---------------------------------------------------------------- what is not read, damage, malice


@pytest.mark.parametrize(
    ("method", "flags", "said"),
    [
        (3 | 14 << 8, 0, "states a window of LZX of 14 bits"),
        (2, 0, "is packed by Quantum, which is not read"),
        (9, 0, "is packed by method 9, which is not read"),
        (1, 1, "lies in one of several cabinets"),
        (1, 2, "lies in one of several cabinets"),
        (1, 3, "lies in one of several cabinets"),
    ],
)
def test_what_is_not_read_is_said(method: int, flags: int, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "input", maker.cabinet([MEMBERS], method, flags=flags))
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert said in report.coverage.unread[0].reason
    with pytest.raises(RedactionError):
        redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)
    assert not (tmp_path / "copy").exists()


def test_cut_off(tmp_path: Path) -> None:
    data = maker.cabinet([MEMBERS, LARGE])
    for cut in range(8, len(data), max(1, len(data) // 25)):
        path = written(tmp_path / "input", data[:cut])
        assert report_of(path).verdict == "inconclusive", cut
        with pytest.raises(RedactionError):
            redact_any(str(path), tmp_path / "copy", ONE)
        assert [p.name for p in tmp_path.iterdir()] == ["input"]


def test_what_is_left_of_a_cabinet_is_scanned(tmp_path: Path) -> None:
    data = maker.cabinet([MEMBERS, {"last": random.Random(5).randbytes(100_000)}])
    path = written(tmp_path / "input", data[:-20_000])
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert {o.member for f in report.findings for o in f.occurrences} == {
        "report.txt",
        "dump/core",
        "logs/app.log.gz",
    }
    reasons = [unread.reason for unread in report.coverage.unread]
    assert any("bytes are missing where its folder ends" in reason for reason in reasons)
    assert any(f"is cut short: it ends at byte {len(data) - 20_000}, and should at {len(data)}" in r for r in reasons)
    redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)
    assert dict(read((tmp_path / "copy").read_bytes()))["report.txt"] == redacted(MEMBERS["report.txt"])


@pytest.mark.parametrize("method", [0, 1])
def test_damage_in_a_folder_spoils_what_follows_in_it_and_no_more(method: int, tmp_path: Path) -> None:
    parts = {f"{i}": random.Random(i).randbytes(30_000) + ENVIRONMENT for i in range(4)}
    data = bytearray(maker.cabinet([parts, {"last": ENVIRONMENT}], method))
    data[50_000:50_004] = b"\xff" * 4
    report = report_of(written(tmp_path / "input", bytes(data)))
    assert report.verdict == "inconclusive"
    reasons = " ".join(unread.reason for unread in report.coverage.unread)
    assert "does not match its checksum" in reasons
    assert "3: cannot be unpacked: its folder is damaged before it" in reasons
    assert {o.member for f in report.findings for o in f.occurrences} == {"0", "last"}


ROWS = {
    "overlap": ([(100, 0, 0, b"a"), (100, 50, 0, b"b")], "b: overlaps another member"),
    "the same bytes": ([(100, 0, 0, b"a")] + [(100, 0, 0, b"b%d" % i) for i in range(40)], "overlaps another member"),
    "gap": ([(100, 0, 0, b"a"), (50, 150, 0, b"b")], "b: lies behind bytes of no member"),
    "rest": ([(100, 0, 0, b"a")], "and 100 that are packed, that belong to no member"),
    "past the end": ([(1000, 0, 0, b"a")], "bytes are missing where its folder ends"),
    "far past the end": ([(9, 0xFFFFFFF0, 0, b"a")], "lies behind bytes of no member"),
    "no such folder": ([(9, 0, 5, b"a")], "in folder 5 of 1"),
    "another cabinet": ([(200, 0, 0, b"a"), (9, 0, 0xFFFE, b"b")], "b: goes on in another cabinet"),
    "endless name": ([(200, 0, 0, b"a" * 300)], "has no end"),
}


@pytest.mark.parametrize("lie", ROWS)
def test_directories_that_lie(lie: str, tmp_path: Path) -> None:
    rows, said = ROWS[lie]
    report = report_of(written(tmp_path / "input", maker.cabinet([{"x": b"x" * 200}], rows=rows)))
    assert report.verdict == "inconclusive"
    assert said in " ".join(unread.reason for unread in report.coverage.unread)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (8, 1 << 31, "and should at 2147483648"),
        (16, 1 << 31, "is cut short"),
        (16, 36, "inside its folders"),
        (25, 7, "is of version 7"),
        (36, 36, "lies in other data"),
        (36, 1 << 31, "is cut short"),
        (40, 0xFFFF, "is cut short"),
    ],
)
def test_fields_that_lie(at: int, value: int, said: str, tmp_path: Path) -> None:
    data = bytearray(maker.cabinet([{"x": b"x" * 200}]))
    struct.pack_into({25: "<B", 40: "<H"}.get(at, "<I"), data, at, value)
    report = report_of(written(tmp_path / "input", bytes(data)))
    assert report.verdict == "inconclusive"
    assert said in " ".join(unread.reason for unread in report.coverage.unread)


def test_bytes_of_no_member(tmp_path: Path) -> None:
    whole = maker.cabinet([MEMBERS], reserved=True)
    assert whole[40:46] == bytes(6)
    for data in (
        maker.cabinet([MEMBERS], tail=ENVIRONMENT),
        whole[:40] + b"hidden" + whole[46:],
    ):
        report = report_of(written(tmp_path / "input", data))
        assert report.verdict == "inconclusive"
        assert any("belong to no member" in unread.reason for unread in report.coverage.unread)


@pytest.mark.parametrize("filling", [bytes(1 << 20), b"abcd" * (1 << 18)])
def test_bombs(filling: bytes, tmp_path: Path) -> None:
    started = time.monotonic()
    path = written(tmp_path / "input", maker.cabinet([{f"f{i}": filling * 2 for i in range(20)}]))
    _, problems, size = limited(path)
    assert any("bomb" in problem for problem in problems) == (filling[:1] != b"\0"), problems  # deflate: 1032 to 1
    assert size < 100 << 20
    path.write_bytes(maker.cabinet([{f"f{i}": b"x" for i in range(60)}]))
    container, problems, _ = limited(path)
    assert not container.complete
    assert "more than 50 members" in problems[0]
    assert time.monotonic() - started < 30


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 260), st.binary(min_size=1, max_size=5)), min_size=1, max_size=4))
def test_any_cabinet_is_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(maker.cabinet([{"a": b"abc" * 30, "b": b""}, {"c": b"xyz" * 9}]))
    for at, new in changes:
        data[at : at + len(new)] = new
    try:
        for item in Cabinet().items(BytesSource(bytes(data))):
            assert item.problem or item.data is not None
            assert drained(item.data or iter(())) < 1 << 20
    except Damage:
        pass


def drained(data: Iterator[bytes]) -> int:
    try:
        return sum(len(piece) for piece in islice(data, 64))
    except Damage:
        return 0


@pytest.mark.parametrize("method", [0, 1])
def test_noise(method: int, tmp_path: Path) -> None:
    rng = random.Random(3)
    data = maker.cabinet([MEMBERS], method)
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            changed[rng.randrange(8, len(changed))] = rng.randrange(256)
        path = written(tmp_path / "input", bytes(changed))
        assert scan_any(str(path), ONE).report.verdict in ("inconclusive", "findings")
