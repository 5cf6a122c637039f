"""The scanner guards what it found: no core dumps of its own, no secret in reprs, errors, logs or names."""

from __future__ import annotations

import ctypes
import dataclasses
import logging
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dumpscan import encodings, model
from dumpscan.errors import DumpscanError
from dumpscan.findings import Place, Secret, Secrets
from dumpscan.matchers.base import View
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from dumpscan.source import Spool
from dumpscan.sweep import Needle, Needles
from tests.makers.planted import planted
from tests.test_cli import ROOT

SECRET = b"hunter2-SWORDFISH-0123456789"

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_neither_the_command_nor_its_workers_leave_core_dumps(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(os.urandom(1 << 20) * 32)
    # each worker tells of itself, from inside a task of the scan: /proc/PID of such a process is closed to others
    code = (
        "import ctypes, os, resource, sys, dumpscan.scan as scan, dumpscan.cli as cli\n"
        "def tell(what):\n"
        "    state = resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "    with open(os.path.join(sys.argv[-1] + '.told', f'{what}-{os.getpid()}'), 'w') as file:\n"
        "        file.write(repr(state))\n"
        "real = scan.scan_window\n"
        "def scan_window(*arguments):\n    tell('worker')\n    return real(*arguments)\n"
        "scan.scan_window = scan_window\n"
        "real_scan = cli.scan_any\n"
        "def scan_any(*arguments):\n    tell('command')\n    return real_scan(*arguments)\n"
        "cli.scan_any = scan_any\n"
        "cli.main(sys.argv[1:])\n"
    )
    script, told = tmp_path / "script.py", tmp_path / "dump.told"
    script.write_text(code)
    told.mkdir()
    command = [sys.executable, str(script), "scan", "--jobs", "2", str(dump)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, timeout=120, check=False, capture_output=True)
    states = {path.name: path.read_text() for path in told.iterdir()}
    assert any(name.startswith("command-") for name in states)
    assert sum(name.startswith("worker-") for name in states) == 2
    assert set(states.values()) == {"((0, 0), 0)"}


@linux
def test_the_kernel_agrees(tmp_path: Path) -> None:
    """Seen from outside, while the real command reads a pipe."""
    with subprocess.Popen(
        [sys.executable, "-m", "dumpscan", "scan", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=ROOT,
    ) as process:
        assert process.stdin
        process.stdin.write(SECRET * 10_000)
        process.stdin.flush()
        end = time.monotonic() + 60
        while not (spools := list(tmp_path.rglob("dump"))):
            assert time.monotonic() < end
            time.sleep(0.01)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        owner = Path(f"/proc/{process.pid}/mem").stat().st_uid
        modes = [path.stat().st_mode & 0o777 for path in (spools[0], spools[0].parent)]
        process.stdin.close()
        process.wait(60)
    assert next(line.split()[4:6] for line in limits.splitlines() if "core file" in line) == ["0", "0"]
    assert owner == 0, "what is not dumpable belongs to root in /proc"
    assert modes == [0o600, 0o700]
    assert spools[0].relative_to(tmp_path).parts[1:] == ("dump",), "a name that tells nothing"
    assert not list(tmp_path.iterdir())


def test_the_test_can_tell() -> None:
    """This process is an ordinary one, and the question that is put to the workers says so."""
    if sys.platform == "linux":
        assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 1


def secretive() -> list[object]:
    """One of everything that holds a secret."""
    component = model.Component("value", SECRET, "text")
    candidate = model.Candidate("password", "Password", SECRET, (model.Span(0, 28),), "utf-8", (component,))
    clue = model.Clue("rsa-factor", SECRET, 0, 28, "limbs-le", SECRET)
    table = model.ClueTable("rsa-factor", SECRET, np.zeros(1, np.int64), 28, "limbs-le", SECRET)
    secret = Secret(candidate)
    secret.add(candidate)
    secret.place(Place(model.Span(0, 28), "value", "utf-8"))
    encoded = next(encodings.encodings(component))
    needle = Needle(0, "value", encoded)
    secrets = Secrets()
    secrets.add(candidate)
    return [component, candidate, clue, table, secret, secrets, encoded, needle, Needles((needle,), "token")]


@pytest.mark.parametrize("value", secretive(), ids=lambda value: type(value).__name__)
def test_no_secret_in_a_repr(value: object) -> None:
    assert_untold(repr(value) + str(value) + f"{value!r:>10}")
    assert SECRET in pickle.dumps(value), "it does hold the secret"


def test_every_field_of_bytes_is_out_of_its_repr() -> None:
    """A noun that is new has to decide; ``PublicKey.point`` is public."""
    for noun in vars(model).values():
        if isinstance(noun, type) and dataclasses.is_dataclass(noun):
            for field in dataclasses.fields(noun):
                if field.type == "bytes" and (noun.__name__, field.name) != ("PublicKey", "point"):
                    assert not field.repr, f"{noun.__name__}.{field.name}"
    assert "\\x" not in repr(View)


def assert_untold(text: str) -> None:
    for form in (SECRET.decode(), SECRET.hex(), SECRET[:16].decode(), SECRET[-12:].decode()):
        assert form not in text


def test_no_secret_in_results_errors_logs_or_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    memory = planted(21, 120_000)
    dump = tmp_path / "dump"
    dump.write_bytes(memory.data)
    scan = scan_path(str(dump), Options(jobs=1))
    assert scan.secrets
    captured = capfd.readouterr()
    texts = [repr(scan), repr(scan.secrets), repr(scan.report), caplog.text, captured.out, captured.err]

    names: list[str] = []

    def stop(*_: object) -> None:
        names.extend(map(str, tmp_path.rglob("*")))
        raise InterruptedError

    monkeypatch.setattr("dumpscan.redact.compare", stop)
    with pytest.raises(DumpscanError):
        redact_path(str(dump), tmp_path / "copy", Options(jobs=1))
    assert len(names) == 2, "the dump and the part of the copy"
    texts += names
    for _, secret in memory.places:
        value = secret.strip(b"\0")
        if not value.startswith(b"0\x82\x01\x22"):  # the public key
            for form in (value.decode("latin-1"), value.hex(), repr(value)[2:-1]):
                middle = form[len(form) // 2 - 8 : len(form) // 2 + 8]
                assert not any(middle in text for text in texts)


def test_an_internal_error_tells_its_type_only(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(SECRET * 10)
    code = (
        "import sys, dumpscan.cli as cli\n"
        "def scan_any(path, *more):\n    raise ValueError(open(path).read())\n"
        "cli.scan_any = scan_any; cli.main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "scan", str(dump)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 3
    assert done.stderr == "dumpscan: internal error: ValueError; please report it\n"
    assert_untold(done.stdout + done.stderr)


def test_a_spool_tells_nothing_of_what_it_holds(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.write(SECRET)
    try:
        assert_untold(repr(spool) + str(spool.path) + str(vars(spool)))
    finally:
        spool.close()
    with pytest.raises(DumpscanError) as caught:
        Spool(tmp_path / "missing")
    assert_untold(str(caught.value))
