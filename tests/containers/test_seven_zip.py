"""7z archives: every method that is read, by 7-Zip and back; what is not read is said; lies and damage."""

from __future__ import annotations

import random
import struct
import time
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.containers.base import Member
from dumpscan.containers.seven_zip import SevenZip
from dumpscan.containers.seven_zip_coders import BZIP2, COPY, DEFLATE, DELTA, LZMA, LZMA2, ZSTD, Coder
from dumpscan.containers.seven_zip_header import ACCESSED, CREATED, MODIFIED, Entry
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
    "IA64, LZMA": ["-m0=IA64", "-m1=LZMA"],
    "Delta, BCJ, LZMA": ["-m0=Delta:4", "-m1=BCJ", "-m2=LZMA"],
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
    assert (tmp_path / "after" / "link").readlink() == Path("report.txt")
    assert copy.read_bytes() != path.read_bytes()


def facts(path: Path) -> list[str]:
    """What 7-Zip lists; the size of a compressed member that was redacted is its own."""
    lines = maker.listing(path)
    gz = next(i for i, line in enumerate(lines) if line.endswith("app.log.gz"))
    return [line for i, line in enumerate(lines) if not (line.startswith("Size = ") and i == gz + 1)]


def test_bcj2_is_read_and_becomes_bcj(tmp_path: Path) -> None:
    """7-Zip's choice for programs at its highest level."""
    path, copy = maker.by_7zip(tree(tmp_path / "in"), tmp_path / "a.7z", "-mx=9", "-mf=BCJ2"), tmp_path / "copy"
    assert any("BCJ2" in line for line in maker.listing(path))
    assert not report_of(path).coverage.unread
    redact_any(str(path), copy, ONE)
    assert maker.extracted(copy, tmp_path / "after")["program"] == program_code()
    assert any("BCJ LZMA2" in line for line in maker.listing(copy))


@pytest.mark.parametrize(
    ("switches", "said"),
    [
        (["-psecret"], "is encrypted"),
        (["-psecret", "-mhe=on"], "has a directory that is encrypted"),
        (["-m0=PPMd"], "is packed by PPMd, which is not read"),
        (["-m0=Deflate64"], "is packed by Deflate64, which is not read"),
        (["-m0=ARM64", "-m1=LZMA2"], "is packed by the filter for ARM64, which is not read"),
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


@pytest.mark.parametrize("name", ["../../evil", "/etc/cron.d/evil", "C:\\evil", "\ud800", "a\u202eb\x1b[2J", "x" * 300])
def test_names_are_never_paths(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = written(tmp_path / "input", maker.seven_zip({name: ENVIRONMENT, "other": b"x"}))
    redact_any(str(path), tmp_path / "copy", ONE)
    assert [got for got, _ in read((tmp_path / "copy").read_bytes())] == [name, "other"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "input"]


Chain = tuple[Coder, ...]
Row = tuple[str, bytes | None, dict[int, int], bool]
Block = tuple[Chain, list[Row]]

_TIMES = st.dictionaries(st.sampled_from([CREATED, ACCESSED, MODIFIED]), st.integers(0, (1 << 64) - 1))
_CODERS = st.sampled_from(
    [
        (Coder(LZMA2, b"\x10"),),
        (Coder(LZMA, b"\x5d\0\0\x10\0"),),
        (Coder(COPY),),
        (Coder(DEFLATE),),
        (Coder(BZIP2),),
        (Coder(ZSTD, b"\1\5\3\0\0"),),
        (Coder(LZMA2, b"\x10"), Coder(DELTA, b"\3")),
        (Coder(COPY), Coder(b"\4"), Coder(DELTA, b"\0")),
    ]
)
_CONTENT = st.one_of(st.none(), st.binary(max_size=200), st.integers(0, 400_000).map(lambda size: b"ab" * (size // 2)))
_MEMBER = st.tuples(st.text(st.characters(exclude_characters="\0"), max_size=9), _CONTENT, _TIMES, st.booleans())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_CODERS, st.lists(_MEMBER, max_size=4)), max_size=4))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[tuple[Chain, list[Row]]]
) -> None:
    folder = tmp_path_factory.mktemp("members")
    members, paths, out = [], {}, BytesIO()
    for number, (coders, rows) in enumerate(blocks):
        for name, data, times, has_attributes in rows:
            entry = Entry(name, data is None, False, 0x81A40020 if has_attributes else None, times, number, coders)
            members.append(Member(name, entry))
            if data is not None:
                paths[id(members[-1])] = folder / f"{len(members)}"
                paths[id(members[-1])].write_bytes(data)
    SevenZip().write(members, out, lambda member: paths.get(id(member)))
    items = iter(SevenZip().items(BytesSource(out.getvalue())))
    for member in members:
        item = next(items)
        old, new = member.meta, item.meta
        assert (new.name, new.folder, new.attributes, new.times) == (old.name, old.folder, old.attributes, old.times)
        path = paths.get(id(member))
        assert (item.data and b"".join(item.data)) == (path and path.read_bytes())
        assert new.coders in ((), old.coders)
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


LIES = {
    "many members": (b"\1\5" + maker.number(1 << 40), "states 1099511627776 members"),
    "many blocks": (b"\1\4\6\0\0\0\7\x0b" + maker.number(1 << 40) + b"\0", "states 1099511627776 blocks"),
    "many packed streams": (b"\1\4\6\0" + maker.number(1 << 50), "states 1125899906842624 packed streams"),
    "members of a block": (
        b"\1\4" + maker.streams([9], [(b"\1" + maker.COPY, [9])], b"\x08\x0d" + maker.number(1 << 40)),
        "members of one block",
    ),
    "many methods": (b"\1\4\6\0\1\x09\x09\0\7\x0b\1\0" + maker.number(1 << 20), "methods of one block"),
    "data past the end": (b"\1\4" + maker.streams([1 << 62], [(b"\1" + maker.COPY, [9])]), "cut short"),
    "data wraps around": (b"\1\4" + maker.streams([9], [(b"\1" + maker.COPY, [9])], at=(1 << 64) - 9), "cut short"),
    "a method feeds itself": (
        b"\1\4" + maker.streams([9], [(b"\2" + maker.COPY * 2 + b"\0\0", [9, 9])]),
        "do not fit together",
    ),
    "methods in a ring": (
        b"\1\4" + maker.streams([9], [(b"\3" + maker.COPY * 3 + b"\0\1" + b"\1\0", [9, 9, 9])]),
        "do not fit together",
    ),
    "a block without methods": (b"\1\4" + maker.streams([9], [(b"\0", [])]), "do not fit together"),
    "no name ends": (b"\1\5\1\x11\5\0aaaa\0\0", "names"),
    "a property without end": (b"\1\5\1\x11" + maker.number(1 << 60), "ends inside a field"),
    "a directory elsewhere": (b"\1\5\1\x11\2\1\0\0\0", "several streams"),
    "nonsense": (b"\x30" * 40, "its directory begins with 48"),
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
    "impossible dictionary": (b"\x21\x21\x01\x29", [9], "impossible properties"),
    "no properties": (b"\x03\x03\x01\x01", [9], "impossible properties"),
    "lc of 8 and lp of 4": (b"\x23\x03\x01\x01\x05" + bytes([8 + 9 * 4]) + bytes(4), [9], "is damaged"),
    "unknown": (b"\x04\xde\xad\xbe\xef", [9], "method deadbeef, which is not read"),
    "sizes that differ": (maker.LZMA2 + b"\x04\x03\x03\x01\x03" + b"\1\0", [9, 10], "contradict"),
    "bomb in a bomb": (maker.LZMA2 + maker.LZMA2 + b"\1\0", [9, 10], "several times over"),
    "BCJ2 of one stream": (b"\x04\x03\x03\x01\x1b", [9], "1 inputs"),
    "LZMA2 of four streams": (b"\x31\x21\4\1\1\x12\0\1\2\3", [9], "4 inputs"),
    "many outputs": (b"\x11\x00\1\2", [9, 9], "2 outputs"),
    "size that is not there": (maker.COPY, [1 << 62], "bytes are missing where its packed data ends"),
    "noise": (maker.LZMA2, [1 << 20], "is damaged"),
}


@pytest.mark.parametrize("lie", METHOD_LIES)
def test_methods_that_lie(lie: str, tmp_path: Path) -> None:
    methods, sizes, said = METHOD_LIES[lie]
    packed = [9] * (4 if "four streams" in lie else 1)
    block = (bytes([len(sizes) if "outputs" not in lie else 1]) + methods, sizes)
    directory = b"\1\4" + maker.streams(packed, [block]) + maker.files(["a"]) + b"\0"
    started = time.monotonic()
    path = written(tmp_path / "input", maker.archive(b"\xe0" * sum(packed), directory))
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert said in " ".join(unread.reason for unread in report.coverage.unread)
    assert time.monotonic() - started < 5


def test_a_directory_that_packs_itself(tmp_path: Path) -> None:
    """The encoded directory, stored, is the same encoded directory again."""
    inner = maker.streams([64], [(b"\1" + maker.COPY, [64])])
    directory = (b"\x17" + inner).ljust(64, b"\0")
    report = report_of(written(tmp_path / "input", maker.archive(directory, directory)))
    assert report.verdict == "inconclusive"
    assert "packed more than 3 times" in report.coverage.unread[0].reason


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
