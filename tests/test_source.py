"""Files, wrappers and temporary files: what is read, what is refused, what is left behind."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import multiprocessing
import os
import pickle
import random
import socket
import stat
import struct
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import lz4.frame
import pytest
import zstandard

import dumpscan
from dumpscan.errors import RedactionError, SourceError, UsageError
from dumpscan.source import FileSource, Source, Spool
from dumpscan.wrappers import Limits, compress_into, open_source

WRAPPERS = ["gzip", "zstd", "xz", "lz4", "bzip2", "zip"]
STREAMS = [name for name in WRAPPERS if name != "zip"]
PLAIN = random.Random(1).randbytes(700_000) + bytes(300_000) + b"\x7fELF" + random.Random(2).randbytes(5)

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files")


def wrap(wrapper: str, plain: bytes, member: str = "core") -> bytes:
    out = io.BytesIO()
    compress_into(wrapper, io.BytesIO(plain), out, member)
    return out.getvalue()


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def everything(source: Source) -> bytes:
    return source.read(0, source.size)


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory


# ---------------------------------------------------------------- FileSource


def test_reads_at_positions(tmp_path: Path) -> None:
    with FileSource(write(tmp_path / "d", b"0123456789")) as source:
        assert source.size == 10
        assert source.read(3, 4) == b"3456"
        assert source.read(8, 100) == b"89"
        assert source.read(10, 1) == source.read(99, 5) == source.read(4, 0) == b""
        buffer = bytearray(3)
        source.readinto(7, memoryview(buffer))
        assert buffer == b"789"


@pytest.mark.parametrize(("offset", "size"), [(-1, 2), (9, 2), (1 << 70, 1)])
def test_refuses_reads_outside(tmp_path: Path, offset: int, size: int) -> None:
    with FileSource(write(tmp_path / "d", b"0123456789")) as source, pytest.raises(SourceError, match="outside"):
        source.readinto(offset, memoryview(bytearray(size)))


def test_three_bytes_are_a_dump(tmp_path: Path) -> None:
    with open_source(write(tmp_path / "d", b"abc")) as opened:
        assert (everything(opened.source), opened.wrapper, opened.unread) == (b"abc", "", ())


def test_pickles_as_path_and_identity(tmp_path: Path) -> None:
    with FileSource(write(tmp_path / "d", PLAIN)) as source:
        pickled = pickle.dumps(source)
        assert len(pickled) < 500
        copy = pickle.loads(pickled)
        assert copy.size == source.size
        assert copy.read(5, 9) == PLAIN[5:14]
        copy.close()


def test_a_copy_refuses_another_file(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with FileSource(write(path, b"0123456789")) as source:
        copy = pickle.loads(pickle.dumps(source))
        path.unlink()
        write(path, b"0123456")
        with pytest.raises(SourceError, match="was 10 bytes, is 7"):
            copy.read(0, 4)
        path.unlink()
        with pytest.raises(SourceError, match="cannot open"):
            copy.read(0, 4)


def test_shrinking_file(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with FileSource(write(path, bytes(0x8F10))) as source:
        os.truncate(path, 0x7F10 + 96)
        with pytest.raises(SourceError, match="shrank while it was read: 0x1000 bytes asked at 0x7f10, 96 came"):
            source.read(0x7F10, 0x1000)


def stored(path: Path, offset: int, end: int) -> list[tuple[int, int]]:
    with FileSource(path) as source:
        return [(span.start, span.end) for span in source.stored(offset, end)]


def test_holes_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, size = tmp_path / "d", 3 << 20
    with path.open("wb") as out:
        for offset in (0, 1 << 20, 2 << 20):
            out.seek(offset)
            out.write(b"x" * 65536)
        out.truncate(size)
    if path.stat().st_blocks * 512 >= size:
        pytest.skip("a file system without holes")
    assert stored(path, 0, size) == [(0, 65536), (1 << 20, 65536 + (1 << 20)), (2 << 20, 65536 + (2 << 20))]
    assert stored(path, 5, 70000) == [(5, 65536)]
    assert stored(path, 70000, 1 << 20) == stored(path, size - 5, size) == stored(path, 9, 9) == []

    def refused(_file: int, _offset: int, _kind: int) -> int:
        raise OSError(errno.EINVAL, "not told")

    monkeypatch.setattr(os, "lseek", refused)
    assert stored(path, 5, size) == [(5, size)]
    monkeypatch.undo()
    monkeypatch.delattr(os, "SEEK_DATA")
    assert stored(path, 5, size) == [(5, size)]
    monkeypatch.undo()
    path.write_bytes(b"x" * size)
    assert stored(path, 5, size) == [(5, size)]


def test_closed_source(tmp_path: Path) -> None:
    source = FileSource(write(tmp_path / "d", b"abc"))
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read(0, 1)


def test_threads_share_a_source(tmp_path: Path) -> None:
    wrong: list[int] = []

    def check(seed: int) -> None:
        for offset in random.Random(seed).choices(range(len(PLAIN) - 100), k=300):
            if source.read(offset, 100) != PLAIN[offset : offset + 100]:
                wrong.append(offset)

    with FileSource(write(tmp_path / "d", PLAIN)) as source:
        threads = [threading.Thread(target=check, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_without_positioned_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "preadv", raising=False)
    with FileSource(write(tmp_path / "d", PLAIN)) as source:
        assert source.read(1000, 50) == PLAIN[1000:1050]
        assert source.read(10, 50) == PLAIN[10:60]


def test_refused_paths(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        FileSource(tmp_path / "absent")
    with pytest.raises(SourceError, match="is a directory"):
        FileSource(tmp_path)
    with pytest.raises(SourceError, match="empty file"):
        FileSource(write(tmp_path / "empty", b""))
    with pytest.raises(SourceError, match="cannot open"):
        FileSource("a\0b")


@posix
def test_refuses_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    os.mkfifo("fifo")
    with pytest.raises(SourceError, match="is a pipe"):
        FileSource("fifo")
    with pytest.raises(SourceError, match="is a device"):
        FileSource("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(SourceError, match="is a socket"):
            FileSource("socket")


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "d"
    write(path, b"abc")
    path.chmod(0)
    with pytest.raises(SourceError, match="Permission denied"):
        FileSource(path)


# ---------------------------------------------------------------- wrappers


@pytest.mark.parametrize("wrapper", [*WRAPPERS, "zstd+gzip", "zip+xz+lz4"])
def test_round_trip(tmp_path: Path, spool_dir: Path, wrapper: str) -> None:
    path = write(tmp_path / "named-anything", wrap(wrapper, PLAIN))
    seen: list[int] = []
    with open_source(path, spool_dir=spool_dir, progress=seen.append) as opened:
        assert everything(opened.source) == PLAIN
        assert opened.wrapper == wrapper
        assert opened.unread == ()
        assert opened.member == ("core" if "zip" in wrapper.split("+") else "")
        again = io.BytesIO()
        compress_into(opened.wrapper, opened.source, again, opened.member)
        assert again.getvalue() == Path(path).read_bytes()
        assert len(list(spool_dir.iterdir())) == 1
    assert sum(seen) >= Path(path).stat().st_size * 9 // 10
    assert list(spool_dir.iterdir()) == []


@pytest.mark.parametrize("wrapper", STREAMS)
def test_several_members(tmp_path: Path, wrapper: str) -> None:
    data = wrap(wrapper, PLAIN[:100_000]) + wrap(wrapper, PLAIN[100_000:100_001]) + wrap(wrapper, PLAIN[100_001:])
    with open_source(write(tmp_path / "d", data)) as opened:
        assert everything(opened.source) == PLAIN
        assert opened.unread == ()


@pytest.mark.parametrize("wrapper", ["gzip", "xz"])
def test_padding_between_members(tmp_path: Path, wrapper: str) -> None:
    data = wrap(wrapper, b"one ") + bytes(8) + wrap(wrapper, b"two") + bytes(512)
    with open_source(write(tmp_path / "d", data)) as opened:
        assert everything(opened.source) == b"one two"
        assert opened.unread == ()


@pytest.mark.parametrize("wrapper", ["zstd", "lz4"])
def test_skippable_frames(tmp_path: Path, wrapper: str) -> None:
    frame = struct.pack("<II", 0x184D2A53, 5) + b"12345"
    data = frame + wrap(wrapper, b"one ") + frame + wrap(wrapper, b"two") + frame
    with open_source(write(tmp_path / "d", data)) as opened:
        assert everything(opened.source) == b"one two"
        assert (opened.wrapper, opened.unread) == (wrapper, ())


def test_encoders_of_others(tmp_path: Path) -> None:
    for data in (
        gzip.compress(PLAIN),
        bz2.compress(PLAIN),
        lzma.compress(PLAIN),
        lz4.frame.compress(PLAIN, store_size=False, block_linked=True),
        zstandard.compress(PLAIN, 19),
    ):
        with open_source(write(tmp_path / "d", data)) as opened:
            assert everything(opened.source) == PLAIN


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_cut_short(tmp_path: Path, wrapper: str) -> None:
    data = wrap(wrapper, random.Random(3).randbytes(4_000_000))
    plain = random.Random(3).randbytes(4_000_000)
    with open_source(write(tmp_path / "d", data[: len(data) // 2])) as opened:
        got = everything(opened.source)
        assert plain.startswith(got)
        assert len(got) > 500_000
        assert [item.offset for item in opened.unread] == [len(got)]
        assert "cut short" in opened.unread[0].reason
    with open_source(write(tmp_path / "d", data[:-1])) as opened:
        assert plain.startswith(everything(opened.source))
        assert len(opened.unread) == 1


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_cut_anywhere_is_never_complete(tmp_path: Path, wrapper: str) -> None:
    data = wrap(wrapper, b"small dump " * 9)
    for size in range(1, len(data)):
        with open_source(write(tmp_path / "d", data[:size])) as opened:
            assert opened.unread or opened.wrapper == "", size
            if opened.unread and opened.wrapper:
                assert (b"small dump " * 9).startswith(everything(opened.source))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_flipped_bits_never_crash(tmp_path: Path, wrapper: str) -> None:
    data, rng = wrap(wrapper, PLAIN[:50] + bytes(3000)), random.Random(4)
    for _ in range(150):
        bad = bytearray(data)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        try:
            with open_source(write(tmp_path / "d", bytes(bad))) as opened:
                everything(opened.source)
        except SourceError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_garbage_after_the_end(tmp_path: Path, wrapper: str) -> None:
    data = wrap(wrapper, PLAIN) + b"garbage that nobody compressed"
    with open_source(write(tmp_path / "d", data)) as opened:
        assert everything(opened.source) == PLAIN
        assert "followed by 30 bytes" in opened.unread[0].reason


@pytest.mark.parametrize("wrapper", STREAMS)
def test_only_the_magic(tmp_path: Path, wrapper: str) -> None:
    data = wrap(wrapper, PLAIN)[:12] + b"\xff" * 300
    with open_source(write(tmp_path / "d", data)) as opened:
        assert opened.unread
        if opened.wrapper == "":
            assert everything(opened.source) == data


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_nothing_inside(tmp_path: Path, spool_dir: Path, wrapper: str) -> None:
    path = write(tmp_path / "d", wrap(wrapper, b""))
    with pytest.raises(SourceError, match="empty file in"), open_source(path, spool_dir=spool_dir):
        pass
    assert list(spool_dir.iterdir()) == []


def test_depth(tmp_path: Path, spool_dir: Path) -> None:
    data = wrap("gzip+zstd+xz", b"deep")
    with open_source(write(tmp_path / "d", data), spool_dir=spool_dir) as opened:
        assert everything(opened.source) == b"deep"
    path = write(tmp_path / "d", wrap("gzip", data))
    with pytest.raises(SourceError, match="more than 3 wrappers"), open_source(path, spool_dir=spool_dir):
        pass
    assert list(spool_dir.iterdir()) == []


# ---------------------------------------------------------------- zip


def test_zip_must_hold_one_file(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dir/", "")
        archive.writestr("dir/core", "stored dump")
    with open_source(str(path)) as opened:
        assert everything(opened.source) == b"stored dump"
        assert opened.member == "dir/core"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("second", "x")
    with pytest.raises(SourceError, match="zip with 2 files"), open_source(str(path)):
        pass


def test_zip_with_a_huge_directory(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number:060}", "")
    with pytest.raises(SourceError, match="zip directory of"), open_source(str(path)):
        pass


@pytest.mark.parametrize("cut", [0, 22])
def test_encrypted_zip(tmp_path: Path, cut: int) -> None:
    data = bytearray(wrap("zip", b"secret"))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path = write(tmp_path / "d", bytes(data[: len(data) - cut]))
    with pytest.raises(SourceError, match="encrypted"), open_source(path):
        pass


def test_member_names_cannot_climb() -> None:
    out = io.BytesIO()
    compress_into("zip", io.BytesIO(b"x"), out, "..\\../../etc/passwd")
    assert zipfile.ZipFile(out).namelist() == ["passwd"]


# ---------------------------------------------------------------- bombs, disks


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_bomb(tmp_path: Path, spool_dir: Path, wrapper: str) -> None:
    path = write(tmp_path / "d", wrap(wrapper, b"boom" * 500_000))
    limits = Limits(ratio=100, free=1 << 19)
    if wrapper == "lz4":  # cannot do better than 255
        limits = Limits(ratio=20, free=1 << 19)
    with pytest.raises(SourceError, match="bomb"), open_source(path, spool_dir=spool_dir, limits=limits):
        pass
    assert list(spool_dir.iterdir()) == []


def test_bomb_of_zeros_and_of_layers(tmp_path: Path) -> None:
    limits = Limits(ratio=1100, zero_ratio=500, free=1 << 19)
    path = write(tmp_path / "d", wrap("bzip2", bytes(4 << 20)))
    with pytest.raises(SourceError, match="over 500 times"), open_source(path, limits=limits):
        pass
    nested = wrap("gzip", wrap("gzip", b"boom" * (8 << 18)))
    path = write(tmp_path / "d", nested)
    with pytest.raises(SourceError, match="bomb"), open_source(path, limits=limits):
        pass


def test_a_sparse_dump_is_no_bomb(tmp_path: Path, spool_dir: Path) -> None:
    plain = bytes(6 << 20) + b"x" * 100 + bytes(6 << 20)
    path = write(tmp_path / "d", wrap("zstd", plain))
    with open_source(path, spool_dir=spool_dir, limits=Limits(ratio=50, free=1 << 19)) as opened:
        assert everything(opened.source) == plain
        (spooled,) = spool_dir.glob("*/dump")
        if hasattr(os.stat_result, "st_blocks"):
            assert spooled.stat().st_blocks * 512 < 1 << 20


def test_disk_without_room(tmp_path: Path, spool_dir: Path) -> None:
    path = write(tmp_path / "d", wrap("gzip", PLAIN))
    limits = Limits(reserve=1 << 62)
    expected = pytest.raises(SourceError, match="not enough temporary space")
    with expected, open_source(path, spool_dir=spool_dir, limits=limits):
        pass
    assert list(spool_dir.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk(spool_dir: Path) -> None:
    spool = Spool(spool_dir)
    spool._file.close()
    spool._file = io.FileIO("/dev/full", "wb")
    with pytest.raises(SourceError, match="temporary space is full after 0 bytes"):
        spool.write(b"x" * 100)
    spool.close()
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(RedactionError, match="No space left"):
        compress_into("zstd", io.BytesIO(PLAIN), full)


@pytest.mark.parametrize("pieces", [[5, 16383, 16384, 1], [100_000], [1] * 50])
def test_spool_keeps_bytes(spool_dir: Path, pieces: list[int]) -> None:
    rng, plain = random.Random(5), b""
    spool = Spool(spool_dir)
    for turn, size in enumerate(pieces * 6):
        data = bytes(size) if turn % 3 == 0 else rng.randbytes(size)
        plain += data
        spool.write(data)
    plain += bytes(40_000)
    spool.write(bytes(40_000))
    spool.finish()
    assert spool.path.read_bytes() == plain
    assert spool.size == len(plain)
    spool.close()
    spool.close()
    assert list(spool_dir.iterdir()) == []


@posix
def test_temporary_files_are_private(tmp_path: Path, spool_dir: Path) -> None:
    old = os.umask(0)
    try:
        with open_source(write(tmp_path / "d", wrap("gzip", PLAIN)), spool_dir=spool_dir):
            (directory,) = spool_dir.iterdir()
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            assert stat.S_IMODE((directory / "dump").stat().st_mode) == 0o600
    finally:
        os.umask(old)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_temporary_files_go_with_errors(tmp_path: Path, spool_dir: Path, error: type[BaseException]) -> None:
    def fail(_: int) -> None:
        raise error

    path = write(tmp_path / "d", wrap("gzip", PLAIN))
    with pytest.raises(error), open_source(path, spool_dir=spool_dir):
        raise error
    with pytest.raises(error), open_source(path, spool_dir=spool_dir, progress=fail):
        pass
    assert list(spool_dir.iterdir()) == []


def _at(source: Source, offset: int) -> bytes:
    return source.read(offset, 20)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_read_the_spool(tmp_path: Path, method: str) -> None:
    context = multiprocessing.get_context(method)
    with open_source(write(tmp_path / "d", wrap("zstd", PLAIN))) as opened:
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            for offset in (0, 5000, 60_000):
                assert pool.submit(_at, opened.source, offset).result() == PLAIN[offset : offset + 20]
        assert everything(opened.source) == PLAIN


# ---------------------------------------------------------------- standard input

_CHILD = """
import sys
from pathlib import Path
from dumpscan.wrappers import open_source
context = open_source("-", spool_dir=Path(sys.argv[1]))
opened = context.__enter__()
print(opened.wrapper, opened.source.size, len(list(Path(sys.argv[1]).iterdir())))
sys.exit(7)
"""


def test_standard_input(spool_dir: Path) -> None:
    command = [sys.executable, "-c", _CHILD, str(spool_dir)]
    environment = {**os.environ, "PYTHONPATH": str(Path(dumpscan.__file__).parents[1])}
    done = subprocess.run(command, input=wrap("xz", PLAIN), capture_output=True, check=False, env=environment)
    assert (done.stderr, done.returncode) == (b"", 7)
    assert done.stdout.split() == [b"xz", str(len(PLAIN)).encode(), b"1"]
    assert list(spool_dir.iterdir()) == []  # the context was never left: the interpreter's exit cleaned up


def test_injected_stream(spool_dir: Path) -> None:
    with open_source("-", spool_dir=spool_dir, stdin=io.BytesIO(PLAIN)) as opened:
        assert everything(opened.source) == PLAIN
    with pytest.raises(SourceError, match="empty file"), open_source("-", spool_dir=spool_dir, stdin=io.BytesIO()):
        pass
    assert list(spool_dir.iterdir()) == []


def test_unknown_wrapper() -> None:
    with pytest.raises(UsageError, match="rar"):
        compress_into("gzip+rar", io.BytesIO(b"x"), io.BytesIO())
