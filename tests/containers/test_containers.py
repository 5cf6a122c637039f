"""Archives, crash reports and folders: every member scanned, and the same container written without the secrets."""

from __future__ import annotations

import base64
import gzip
import io
import os
import random
import stat
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from dumpscan.containers.base import Container
from dumpscan.containers.opening import Bounds, OpenedContainer, leaves, open_any, troubles
from dumpscan.errors import RedactionError, SourceError, UsageError
from dumpscan.model import DumpReport
from dumpscan.redact_container import redact_any
from dumpscan.scan import Options
from dumpscan.scan_container import scan_any
from dumpscan.wrappers import Limits
from tests.makers.containers import apport, folder, tar, zipped
from tests.makers.planted import github_token

ONE = Options(jobs=1)
TOKEN = github_token(random.Random(9)).encode()
SECRET = b"tr0ub4" + b"dor&3x"
ENVIRONMENT = b"\0HOME=/\0DB_PASSWORD=" + SECRET + b"\0LANG=C\0"
MEMBERS = {
    "report.txt": b"crashed with " + SECRET + b" on the stack\n",
    "dump/core": bytes(5000) + ENVIRONMENT + bytes(5000),
    "logs/app.log.gz": gzip.compress(b"token " + TOKEN + b"\n", mtime=0),
    "nothing.txt": b"nothing to see\n",
    "empty": b"",
}


def report_of(path: Path, options: Options = ONE) -> DumpReport:
    return scan_any(str(path), options).report


def made(kind: str, where: Path, members: dict[str, bytes] = MEMBERS) -> Path:
    """The members in a container of this kind."""
    path = where / "input"
    if kind == "folder":
        return folder(path, members)
    data = {
        "tar": lambda: tar(members),
        "pax": lambda: tar(members, tarfile.PAX_FORMAT),
        "tar.gz": lambda: gzip.compress(tar(members)),
        "zip": lambda: zipped(members),
        "stored zip": lambda: zipped(members, zipfile.ZIP_STORED),
        "tar in zip": lambda: zipped({"a.tar": tar(members), "x": b"x"}),
        "zip in tar.gz": lambda: gzip.compress(tar({"a.zip": zipped(members), "x": b"x"})),
    }[kind]()
    path.write_bytes(data)
    return path


KINDS = ("folder", "tar", "pax", "tar.gz", "zip", "stored zip", "tar in zip", "zip in tar.gz")


@pytest.mark.parametrize("kind", KINDS)
def test_end_to_end(kind: str, tmp_path: Path) -> None:
    path, copy = made(kind, tmp_path), tmp_path / "copy"
    report = report_of(path)
    assert report.verdict == "findings"
    places = {(f.kind, o.member.removeprefix("a.tar/").removeprefix("a.zip/"))
              for f in report.findings for o in f.occurrences if o.member}  # fmt: skip
    assert places == {
        ("password", "report.txt"),  # found in the core, looked for in the others
        ("password", "dump/core"),
        ("github-token", "logs/app.log.gz"),
    }
    for finding in report.findings:
        for place in finding.occurrences:
            name = (place.member or "").removeprefix("a.tar/").removeprefix("a.zip/")
            data = MEMBERS[name]
            data = gzip.decompress(data) if name.endswith(".gz") else data
            assert data[place.offset : place.offset + place.length] in (SECRET, TOKEN)
    done = redact_any(str(path), copy, ONE)
    assert done.overwritten == 2 * len(SECRET) + len(TOKEN)
    assert report_of(copy).verdict == "clean"
    assert plain(copy) == {
        name: data.replace(SECRET, b"X" * len(SECRET)).replace(TOKEN, b"X" * len(TOKEN))
        for name, data in plain(path).items()
    }
    assert list(plain(copy)) == list(plain(path))
    if kind == "folder":
        assert [p.stat().st_mtime_ns for p in sorted(copy.rglob("*"))] == [
            p.stat().st_mtime_ns for p in sorted(path.rglob("*"))
        ]
    else:
        assert facts(copy.read_bytes()) == facts(path.read_bytes())
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "input"]


def plain(path: Path) -> dict[str, bytes]:
    """Every member by name, read by the standard library."""
    if path.is_dir():
        return {str(p.relative_to(path)): content(p.read_bytes()) for p in sorted(path.rglob("*")) if p.is_file()}
    return unpacked(path.read_bytes())


def content(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def unpacked(data: bytes) -> dict[str, bytes]:
    data = content(data)
    found: dict[str, bytes] = {}
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    else:
        with tarfile.open(fileobj=io.BytesIO(data)) as tape:
            members = [(info.name, (tape.extractfile(info) or io.BytesIO()).read()) for info in tape]
    for name, part in members:
        if name in ("a.tar", "a.zip"):
            found |= unpacked(part)
        else:
            found[name] = content(part)
    return found


def facts(data: bytes) -> list[object]:
    """Names, modes, times, owners, in order."""
    data = content(data)
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(i.filename, i.date_time, i.external_attr, i.compress_type) for i in archive.infolist()]
    with tarfile.open(fileobj=io.BytesIO(data)) as tape:
        return [(i.name, i.mode, i.mtime, i.uid, i.gid, i.uname, i.gname, i.type, i.linkname) for i in tape]


def test_apport(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.crash", tmp_path / "copy"
    core = bytes(20_000) + ENVIRONMENT + os.urandom(20_000)
    fields = {"ProcCmdline": "app -v", "ProcEnviron": "\n SHELL=/bin/sh\n SVC_TOKEN=" + TOKEN.decode()}
    path.write_bytes(apport(core, fields))
    report = report_of(path)
    assert (report.format, report.verdict) == ("apport-crash", "findings")
    assert {o.member for f in report.findings for o in f.occurrences} == {"fields of text", "CoreDump"}
    redact_any(str(path), copy, ONE)
    lines = copy.read_bytes().split(b"\n")
    before = path.read_bytes().split(b"\n")
    assert [line for line in lines if not line.startswith(b" ")] == [
        line for line in before if not line.startswith(b" ")
    ]
    start = lines.index(b"CoreDump: base64") + 1
    packed = b"".join(base64.b64decode(line) for line in lines[start:] if line.startswith(b" "))
    assert gzip.decompress(packed) == core.replace(SECRET, b"X" * len(SECRET))
    assert TOKEN not in copy.read_bytes()
    assert report_of(copy).verdict == "clean"


def test_links_and_folders_stay(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.tar", tmp_path / "copy"
    with tarfile.open(path, "w") as archive:
        for name, kind, target in (
            ("d", tarfile.DIRTYPE, ""),
            ("d/link", tarfile.SYMTYPE, "/etc/passwd"),
            ("pipe", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, target, 0o751
            archive.addfile(info)
        info = tarfile.TarInfo("d/" + "x" * 200)
        info.size = len(ENVIRONMENT)
        archive.addfile(info, io.BytesIO(ENVIRONMENT))
        info = tarfile.TarInfo("hard")
        info.type, info.linkname = tarfile.LNKTYPE, "d/" + "x" * 200
        archive.addfile(info)
    redact_any(str(path), copy, ONE)
    assert facts(copy.read_bytes()) == facts(path.read_bytes())


@pytest.mark.parametrize("name", ["../../evil", "/etc/cron.d/evil", "a/../../b", "C:\\evil", "x" * 90])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_names_are_never_paths(name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    monkeypatch.setenv("TMPDIR", str(inside))
    path = made(kind, tmp_path, {name: ENVIRONMENT, "other": b"x"})
    redact_any(str(path), tmp_path / "copy", ONE)
    assert list(plain(tmp_path / "copy")) == [name, "other"]
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["a", "a/b", "copy", "input"]


# ---------------------------------------------------------------- damage and malice


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "tar in zip"])
def test_cut_off(kind: str, tmp_path: Path) -> None:
    path = made(kind, tmp_path)
    data = path.read_bytes()
    data = data.rstrip(b"\0") if kind == "tar" else data  # without its padding
    for cut in range(600, len(data) - 1, max(1, len(data) // 9)):
        path.write_bytes(data[:cut])
        assert report_of(path).verdict == "inconclusive", cut
        with pytest.raises(RedactionError):
            redact_any(str(path), tmp_path / "copy", ONE)
        assert [p.name for p in tmp_path.iterdir()] == ["input"]


def test_a_cut_off_tar_is_redacted_on_request(tmp_path: Path) -> None:
    path, copy = made("tar", tmp_path), tmp_path / "copy"
    path.write_bytes(path.read_bytes().rstrip(b"\0"))
    redact_any(str(path), copy, ONE, accept_incomplete=True)
    assert SECRET not in copy.read_bytes()


def test_what_could_not_be_unpacked_is_not_copied(tmp_path: Path) -> None:
    path, copy = tmp_path / "input", tmp_path / "copy"
    packed = gzip.compress(random.Random(1).randbytes(300_000).hex().encode(), mtime=0)
    damaged = packed[:200_000] + b"\xff" * 40 + b"what nobody has seen" + packed[200_060:]
    path.write_bytes(tar({"a.gz": damaged, "inner.tar": tar({"x": b"x" * 600})[:1536] + b"unseen" * 500, "b": b"b"}))
    with pytest.raises(RedactionError, match="inconclusive"):
        redact_any(str(path), copy, ONE)
    redact_any(str(path), copy, ONE, accept_incomplete=True)
    written = copy.read_bytes()
    assert b"nobody" not in written
    assert b"unseen" not in written


@pytest.mark.parametrize("kind", ["tar", "zip", "tar in zip"])
def test_noise(kind: str, tmp_path: Path) -> None:
    rng = random.Random(3)
    data = made(kind, tmp_path).read_bytes()
    for _ in range(40):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 12)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        (tmp_path / "input").write_bytes(changed)
        try:
            report = report_of(tmp_path / "input")
        except SourceError:
            continue
        assert report.verdict in ("inconclusive", "findings", "clean")


def limited(path: Path, **more: int) -> tuple[Container, list[str], int]:
    """What is read within narrow bounds: the container, what is missing, and the bytes on disk."""
    limits = Limits(free=1 << 20, ratio=100, zero_ratio=2000)
    bounds = Bounds(**{"members": 50, "depth": 3, **more}, wrappers=limits)
    with open_any(str(path), bounds=bounds) as opened:
        assert isinstance(opened, OpenedContainer)
        size = sum(member.path.stat().st_size for _, member in leaves(opened.container) if member.path)
        return opened.container, list(troubles(opened.container)), size


def test_too_many_members(tmp_path: Path) -> None:
    container, problems, _ = limited(made("tar", tmp_path, {f"f{i}": b"x" for i in range(60)}))
    assert not container.complete
    assert "more than 50 members" in problems[0]
    assert len(container.members) == 50


@pytest.mark.parametrize("filling", [bytes(1 << 20), b"abcd" * (1 << 18)])
@pytest.mark.parametrize("kind", ["zip", "zip in tar.gz"])
def test_bombs(kind: str, filling: bytes, tmp_path: Path) -> None:
    started = time.monotonic()
    path = made(kind, tmp_path, {f"f{i}": filling for i in range(8)} | {"gz": gzip.compress(filling * 50)})
    _, problems, size = limited(path)
    assert any("bomb" in problem for problem in problems), problems
    assert time.monotonic() - started < 30
    assert size < 100 << 20


def test_containers_in_one_another(tmp_path: Path) -> None:
    data = ENVIRONMENT
    for level in range(6):
        data = zipped({f"level{level}": data, "x": b"x"})
    path = tmp_path / "input"
    path.write_bytes(data)
    _, problems, _ = limited(path)
    assert any("more than 3 containers in one another" in problem for problem in problems)
    assert report_of(path).verdict == "inconclusive"
    with pytest.raises(RedactionError, match="could not be read"):
        redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)


def test_a_header_that_states_too_much(tmp_path: Path) -> None:
    data = bytearray(tar(MEMBERS))
    data[124:136] = b"77777777777\0"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path = tmp_path / "input"
    path.write_bytes(data)
    assert report_of(path).verdict == "inconclusive"
    pax = bytearray(tar({"ä" * 200: b"x"}, tarfile.PAX_FORMAT))
    pax[124:136] = b"77777777777\0"
    pax[148:156] = b" " * 8
    pax[148:156] = b"%06o\0 " % sum(pax[:512])
    path.write_bytes(pax)
    assert report_of(path).verdict == "inconclusive"


def test_encrypted_members(tmp_path: Path) -> None:
    data = bytearray(zipped(MEMBERS))
    data[data.index(b"PK\1\2") + 8] |= 1
    path = tmp_path / "input"
    path.write_bytes(data)
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert "report.txt: is encrypted" in report.coverage.unread[0].reason
    with pytest.raises(RedactionError):
        redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "input"
    magic = b"Rar!\x1a\x07\1\0"
    path.write_bytes(magic + bytes(100))
    with pytest.raises(SourceError, match="rar archives are not supported"):
        scan_any(str(path), ONE)
    path.write_bytes(tar({"a": magic + bytes(100), "b": b"b"}))
    assert report_of(path).verdict == "inconclusive"
    with pytest.raises(RedactionError):
        redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)


@pytest.mark.parametrize("magic", [b"7z\xbc\xaf\x27\x1c\0\4", b"MSCF\0\0\0\0"])
def test_no_empty_copy_of_what_cannot_be_opened(magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / "input"
    for data in (magic + b"?" * 100, tar({"a": magic + b"?" * 100, "b": b"b"})):
        path.write_bytes(data)
        assert report_of(path).verdict == "inconclusive"
        with pytest.raises(RedactionError):
            redact_any(str(path), tmp_path / "copy", ONE, accept_incomplete=True)
        assert not (tmp_path / "copy").exists()


def test_nothing_in_it(tmp_path: Path) -> None:
    for data in (zipped({}), tar({"d/e": b""})):
        (tmp_path / "input").write_bytes(data)
        assert report_of(tmp_path / "input").verdict == "inconclusive"


def test_apport_that_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.crash"
    whole = apport(bytes(3000) + ENVIRONMENT, {"A": "b"})
    for old, new in (
        (b"\n H4s", b"\n !!!!"),
        (b"\n Y", b"\n A"),
        (b"CoreDump: base64\n", b"CoreDump: base64\nX: base64\n"),
    ):
        path.write_bytes(whole.replace(old, new, 1))
        report = report_of(path)
        assert report.verdict in ("inconclusive", "findings")
    path.write_bytes(whole[: len(whole) // 2])
    assert report_of(path).verdict == "inconclusive"


# ---------------------------------------------------------------- folders


def test_folders(tmp_path: Path) -> None:
    root, copy = folder(tmp_path / "wer", MEMBERS), tmp_path / "copy"
    (root / "link").symlink_to("/etc/passwd")
    (root / "loop").symlink_to(root)
    assert report_of(root).verdict == "findings"
    redact_any(str(root), copy, ONE)
    assert (copy / "link").readlink() == Path("/etc/passwd")
    assert SECRET not in (copy / "dump" / "core").read_bytes()
    with pytest.raises(UsageError):
        redact_any(str(root), copy, ONE, force=True)
    with pytest.raises(UsageError):
        redact_any(str(root), root / "copy", ONE)
    os.mkfifo(root / "pipe")
    assert report_of(root).verdict == "inconclusive"
