"""What goes wrong from outside: one line, the right exit code, nothing left behind."""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.makers.planted import planted
from tests.test_cli import ROOT, check_one_line, dumpscan_run

COMMAND = [sys.executable, "-m", "dumpscan"]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("failures") / "dump"
    path.write_bytes(planted(12, 200_000).data)
    return path


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def environment(spool: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(spool)}


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to this"
        time.sleep(0.01)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------- signals

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_a_pipe_is_read_removes_the_spool_file(
    tmp_path: Path, spool: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [*COMMAND, "redact", "-", "-o", str(tmp_path / "copy")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(spool),
        cwd=ROOT,
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(os.urandom(1 << 20))
        process.stdin.flush()
        wait_for(lambda: list(spool.rglob("dump")))
        process.send_signal(number)
        error = process.stderr.read()
        assert process.wait(30) == 3
    assert error == b"dumpscan: interrupted\n"
    assert names(tmp_path) == ["tmp"]
    assert not names(spool)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_copy_is_written_removes_it(tmp_path: Path, spool: Path, number: signal.Signals) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1 << 20) * 24)
    with subprocess.Popen(
        [*COMMAND, "redact", str(big), "-o", str(tmp_path / "copy"), "--jobs", "2"],
        stderr=subprocess.PIPE,
        env=environment(spool),
        cwd=ROOT,
    ) as process:
        assert process.stderr
        wait_for(lambda: list(tmp_path.glob(".copy.*.part")), 120)
        process.send_signal(number)
        error = process.stderr.read()
        assert process.wait(30) == 3
    assert error == b"dumpscan: interrupted\n"
    assert names(tmp_path) == ["big", "tmp"]
    assert not names(spool)


def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As ``nohup`` does it."""
    with subprocess.Popen(
        [*COMMAND, "scan", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(tmp_path),
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    ) as process:
        assert process.stdin
        process.stdin.write(b"hello" * 10_000)
        process.stdin.flush()
        wait_for(lambda: list(tmp_path.rglob("dump")))
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        process.stdin.close()
        assert process.wait(60) == 0


# ---------------------------------------------------------------- streams


def closing(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


def test_streams_that_are_closed_from_the_start(dump: Path, tmp_path: Path) -> None:
    clean, copy = tmp_path / "clean", tmp_path / "copy"
    clean.write_bytes(b"abc")

    def code(*arguments: str | Path, closed: int) -> int:
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, preexec_fn=closing(closed), timeout=120, check=False).returncode

    for path, verdict in ((clean, 0), (dump, 1)):
        assert code("scan", "-o", tmp_path / "report", path, closed=0) == verdict
        assert code("scan", "-o", tmp_path / "report", path, closed=2) == verdict
    assert code("scan", clean, closed=1) == 3
    assert code("formats", closed=1) == 3
    for closed in range(3):
        assert code("redact", dump, "-o", copy, "--force", closed=closed) == 0
        assert dumpscan_run("scan", copy).returncode == 0
    assert b"interrupted" not in copy.read_bytes()
    assert copy.stat().st_size == dump.stat().st_size


def test_a_closed_pipe_is_quiet_and_not_a_verdict(dump: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [*COMMAND, "scan", "-f", "json", str(dump)]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, cwd=ROOT, check=False)
    finally:
        os.close(writing)
    assert done.returncode == 3
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["scan"], ["formats"], ["signatures", "list"]])
def test_full_standard_output(dump: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [*COMMAND, *arguments, *([str(dump)] if arguments == ["scan"] else [])]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 3
    assert done.stderr == b"dumpscan: No space left on device\n"


# ---------------------------------------------------------------- disks


def largest(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_no_room_for_the_spool_file(dump: Path, tmp_path: Path, spool: Path) -> None:
    packed = tmp_path / "dump.gz"
    packed.write_bytes(gzip.compress(dump.read_bytes()))
    more: dict[str, Any] = {"preexec_fn": largest(50_000), "env": environment(spool)}
    check_one_line(dumpscan_run("scan", packed, **more))
    check_one_line(dumpscan_run("scan", "-", stdin=dump.read_bytes(), **more))
    check_one_line(dumpscan_run("redact", packed, "-o", tmp_path / "copy", **more))
    assert names(tmp_path) == ["dump.gz", "tmp"]
    assert not names(spool)


def test_no_room_for_the_report(dump: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    check_one_line(dumpscan_run("scan", "-f", "html", "-o", report, dump, preexec_fn=largest(1000)))
    assert not names(tmp_path)


def test_no_report_no_copy(dump: Path, tmp_path: Path) -> None:
    """Exit 3 leaves no copy, not even one that was verified."""
    code = (
        "import sys, dumpscan.cli as cli\n"
        "def full(report, out):\n    out.write('{'); raise OSError(28, 'No space left on device')\n"
        "cli.WRITERS = {**cli.WRITERS, 'json': full}; cli.main(sys.argv[1:])"
    )
    arguments = ["redact", str(dump), "-o", str(tmp_path / "copy"), "--report", str(tmp_path / "report")]
    command = [sys.executable, "-c", code, *arguments]
    check_one_line(subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120, check=False))
    assert not names(tmp_path)


# ---------------------------------------------------------------- inputs


def test_a_file_that_may_not_be_read(dump: Path, tmp_path: Path) -> None:
    secret, copy = tmp_path / "secret", tmp_path / "copy"
    secret.write_bytes(dump.read_bytes())
    secret.chmod(0)
    code = (  # root may read everything: be nobody while the dump is opened
        "import os, sys, dumpscan.source as source, dumpscan.cli as cli\n"
        "real, user = source._open_regular, os.geteuid()\n"
        "def open_regular(path):\n"
        "    user or os.seteuid(65534)\n"
        "    try: return real(path)\n"
        "    finally: os.seteuid(user)\n"
        "source._open_regular = open_regular; cli.main(sys.argv[1:])"
    )
    for arguments in (["scan", secret], ["redact", secret, "-o", copy]):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120, check=False)
        check_one_line(done)
        assert b"ermission denied" in done.stderr
    assert names(tmp_path) == ["secret"]


@pytest.mark.parametrize("content", [b"", b"abc"])
def test_tiny_files(tmp_path: Path, content: bytes) -> None:
    tiny, copy = tmp_path / "tiny", tmp_path / "copy"
    tiny.write_bytes(content)
    done = dumpscan_run("redact", tiny, "-o", copy)
    if content:
        assert done.returncode == 0, done.stderr
        assert copy.read_bytes() == content
    else:
        check_one_line(done)
        assert b"empty" in done.stderr
        assert names(tmp_path) == ["tiny"]


def test_a_dump_that_shrinks_while_it_is_redacted(tmp_path: Path) -> None:
    big, copy = tmp_path / "big", tmp_path / "copy"
    big.write_bytes(os.urandom(1 << 20) * 24)
    command = [*COMMAND, "redact", str(big), "-o", str(copy), "--jobs", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stderr
        wait_for(lambda: list(tmp_path.glob(".copy.*.part")), 120)
        os.truncate(big, 1000)
        error = process.stderr.read()
        assert process.wait(60) == 3
    assert error.count(b"\n") == 1
    assert b"shrank" in error
    assert names(tmp_path) == ["big"]


def test_a_dump_that_shrinks_while_it_is_scanned(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1 << 20) * 64)
    code = (
        "import os, sys, dumpscan.scan as scan, dumpscan.cli as cli; first = scan._first_pass\n"
        "def shrink(*arguments):\n    os.truncate(sys.argv[-1], 1000)\n    return first(*arguments)\n"
        "scan._first_pass = shrink; cli.main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "scan", "-f", "json", "--jobs", "2", str(big)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120, check=False)
    check_one_line(done)
    assert b"shrank" in done.stderr or b"replaced" in done.stderr
    assert json.loads(done.stdout)["dumps"][0]["verdict"] == "inconclusive"


# ---------------------------------------------------------------- copies


def test_standard_input_is_redacted_into_a_private_copy(dump: Path, tmp_path: Path, spool: Path) -> None:
    copy = tmp_path / "copy"
    done = dumpscan_run(
        "redact", "-", "-o", copy, stdin=dump.read_bytes(), env=environment(spool), preexec_fn=lambda: os.umask(0)
    )
    assert done.returncode == 0, done.stderr
    assert copy.stat().st_size == dump.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert dumpscan_run("scan", copy).returncode == 0
    assert not names(spool)


def test_the_mode_of_the_copy(dump: Path, tmp_path: Path) -> None:
    assert dumpscan_run("redact", dump, "-o", tmp_path / "copy", "--mode", "640").returncode == 0
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o640
    for mode in ("rw", "1777", "-1"):
        check_one_line(dumpscan_run("redact", dump, "-o", tmp_path / "other", f"--mode={mode}"), 2)
    assert names(tmp_path) == ["copy"]


def test_the_input_keeps_its_bytes_and_times(dump: Path, tmp_path: Path) -> None:
    before, content = dump.stat(), dump.read_bytes()
    assert dumpscan_run("redact", dump, "-o", tmp_path / "copy").returncode == 0
    after = dump.stat()
    assert (after.st_mtime_ns, after.st_ino, after.st_mode) == (before.st_mtime_ns, before.st_ino, before.st_mode)
    assert dump.read_bytes() == content


def test_a_report_goes_to_what_its_path_leads_to(dump: Path, tmp_path: Path) -> None:
    pipe, link, file, log = (tmp_path / name for name in ("pipe", "link", "file", "log"))
    os.mkfifo(pipe)
    file.write_text("older")
    link.symlink_to("file")
    log.write_text("before\n")
    with ThreadPoolExecutor(1) as reader:
        piped = reader.submit(pipe.read_text)
        assert dumpscan_run("scan", dump, "-f", "json", "-o", pipe).returncode == 1
        assert json.loads(piped.result(60))["dumps"]
    assert dumpscan_run("scan", dump, "-f", "json", "-o", link).returncode == 1
    with log.open("ab") as appended:
        command = [*COMMAND, "scan", str(dump), "-f", "json", "-o", "/dev/stdout"]
        assert subprocess.run(command, cwd=ROOT, stdout=appended, timeout=120, check=False).returncode == 1
    assert link.is_symlink()
    assert json.loads(file.read_text())["dumps"]
    assert json.loads(log.read_text().removeprefix("before\n"))["dumps"]
    assert names(tmp_path) == ["file", "link", "log", "pipe"]


def test_a_report_is_written_to_a_device(tmp_path: Path) -> None:
    (tmp_path / "clean").write_bytes(b"abc")
    terminal, device = os.openpty()
    try:
        assert dumpscan_run("scan", tmp_path / "clean", "-o", os.ttyname(device)).returncode == 0
        assert b"CLEAN" in os.read(terminal, 4096)
    finally:
        os.close(device)
        os.close(terminal)


def test_what_a_copy_never_replaces(dump: Path, tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for copy in (folder, pipe, tmp_path / "missing" / "copy"):
        check_one_line(dumpscan_run("redact", dump, "-o", copy, "--force"), 2)
    assert names(tmp_path) == ["folder", "pipe"]


def test_force_that_fails_keeps_what_was_there(dump: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(b"older")
    check_one_line(dumpscan_run("redact", dump, "-o", copy, "--force", preexec_fn=largest(50_000)))
    assert copy.read_bytes() == b"older"
    assert names(tmp_path) == ["copy"]
