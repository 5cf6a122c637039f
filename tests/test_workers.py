"""Work beside the pool of processes."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dumpscan.digest import content_digest
from dumpscan.errors import SourceError
from dumpscan.source import FileSource
from dumpscan.workers import aside, pool

Work = Callable[[threading.Event], str]

forked = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


def _work(_stopped: threading.Event) -> str:
    return "done here"


def _elsewhere(_stopped: threading.Event) -> str:
    return f"done in {os.getpid()}"


def _fatal(_stopped: threading.Event) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def _wrong(_stopped: threading.Event) -> str:
    raise MemoryError


def _unreadable(_stopped: threading.Event) -> str:
    raise SourceError("cannot read it")


def _endless(stopped: threading.Event) -> str:
    stopped.wait(60)
    return ""


def test_without_a_process_it_is_done_in_a_thread() -> None:
    with aside(_elsewhere) as beside:
        assert beside.result() == f"done in {os.getpid()}"


@forked
def test_it_has_a_process_of_its_own() -> None:
    with aside(_work, _elsewhere) as beside:
        assert beside.result() not in ("done here", f"done in {os.getpid()}")


@forked
@pytest.mark.parametrize("risky", [_fatal, _wrong])
def test_what_dies_is_done_here(risky: Work, capfd: pytest.CaptureFixture[str]) -> None:
    with aside(_work, risky) as beside:
        assert beside.result() == "done here"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("risky", [None, _unreadable])
def test_what_it_cannot_read_is_told(risky: Work | None) -> None:
    with aside(_unreadable, risky) as beside, pytest.raises(SourceError, match="cannot read it"):
        beside.result()


@pytest.mark.parametrize("own_process", [False, pytest.param(True, marks=forked)])
def test_it_tells_whether_it_is_running(own_process: bool) -> None:
    reader, writer = os.pipe()

    def work(_stopped: threading.Event) -> str:
        return os.read(reader, 1).decode()

    with aside(work, work if own_process else None) as beside:
        assert beside.running()
        os.write(writer, b"x")
        assert beside.result() == "x"
        until = time.monotonic() + 30  # the process has yet to end
        while beside.running() and time.monotonic() < until:
            time.sleep(0.01)
        assert not beside.running()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("risky", [None, _endless])
def test_who_leaves_early_does_not_wait(risky: Work | None) -> None:
    started = time.monotonic()
    with pytest.raises(KeyError), aside(_endless, risky):
        raise KeyError
    assert time.monotonic() - started < 30


def test_the_digest_of_a_mapped_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dump"
    with path.open("wb") as out:
        out.write(os.urandom((33 << 20) + 5))
        out.truncate(80 << 20)  # a hole, where the file system has them
    with FileSource(path) as source:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert content_digest(source) == digest
        assert content_digest(source, mapped=True) == digest
        monkeypatch.setattr(source, "map", lambda _offset, _size: None)
        assert content_digest(source, mapped=True) == digest


@pytest.mark.parametrize(("most", "windows", "times"), [(1, 5, 0), (4, 1, 0), (4, 0, 0), (2, 2, 1)])
@forked
def test_only_what_is_shared_is_prepared(most: int, windows: int, times: int) -> None:
    prepared: list[int] = []
    with pool(most, range(windows), lambda: prepared.append(os.getpid())) as executor:
        assert (executor is None) == (times == 0)
    assert prepared == [os.getpid()] * times
