"""A running Node.js that writes a heap snapshot and a report on a signal; node itself reads the redacted copies."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from tests.makers.planted import github_token
from tests.makers.programs import need, run, running

CENSUS = Path(__file__).parents[1] / "makers" / "heap_census.js"
TOKEN = github_token(random.Random(8))
PASSWORD = "c0rrect" + "-horse9"
PROGRAM = """
class HikariConfig { constructor(p) { this.password = p; } }
require("fs").createReadStream(null, { fd: 0 }).once("data", (data) => {
  const { password, token } = JSON.parse(data);
  globalThis.config = new HikariConfig(password);
  globalThis.pool = Array.from({ length: 50 }, () => new HikariConfig("x"));
  globalThis.header = ["authorization:", token].join(" ");
  console.log("ready");
});
setInterval(() => {}, 1000);
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files that the program left: ``heapsnapshot`` and ``report``."""
    need("node")
    folder = tmp_path_factory.mktemp("node")
    (folder / "program.js").write_text(PROGRAM)
    options = ["--heapsnapshot-signal=SIGUSR2", "--report-on-signal", "--report-signal=SIGHUP"]
    options += [f"--diagnostic-dir={folder}", f"--report-directory={folder}"]
    pipe, environment = subprocess.PIPE, {**os.environ, "DB_PASSWORD": PASSWORD}
    command = ["node", *options, "program.js"]
    with running(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment) as node:
        assert node.stdin
        assert node.stdout
        node.stdin.write(json.dumps({"password": PASSWORD, "token": TOKEN}).encode())
        node.stdin.flush()
        assert node.stdout.readline() == b"ready\n"
        files = {}
        for number, pattern in ((signal.SIGUSR2, "*.heapsnapshot"), (signal.SIGHUP, "report.*.json")):
            node.send_signal(number)
            files[pattern.strip("*.").partition(".")[0]] = _whole(folder, pattern)
    return files


def _whole(folder: Path, pattern: str, seconds: float = 120) -> Path:
    """The file once it is JSON to its end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for path in folder.glob(pattern):
            if path.read_bytes().rstrip().endswith(b"}"):
                return path
        time.sleep(0.2)
    raise TimeoutError(f"no whole {pattern}")


def copy_of(path: Path, folder: Path) -> Path:
    """The redacted copy of a file of node's; nothing is found in it."""
    copy = folder / "copy"
    redact_path(str(path), copy, Options(jobs=1))
    again = scan_path(str(copy), Options(jobs=1)).report
    assert (again.format, again.verdict) == (scan_path(str(path), Options(jobs=1)).report.format, "clean")
    assert not [secret for secret in (PASSWORD, TOKEN[4:]) if secret in copy.read_text()]
    return copy


def seen_by_node(snapshot: Path) -> dict[str, Any]:
    """Nodes, edges and strings as node counts them."""
    done = run("node", CENSUS, snapshot)
    assert done.returncode == 0, done.stderr[-500:]
    counted: dict[str, Any] = json.loads(done.stdout)
    return counted


def test_heap_snapshot(written: dict[str, Path], tmp_path: Path) -> None:
    report = scan_path(str(written["heapsnapshot"]), Options(jobs=1)).report
    assert report.format == "v8-heap-snapshot"
    assert "HikariConfig.password" in {finding.public.get("name") for finding in report.findings}
    assert "github-token" in {finding.kind for finding in report.findings}
    before = seen_by_node(written["heapsnapshot"])
    assert before["instances of HikariConfig"] >= 51
    assert seen_by_node(copy_of(written["heapsnapshot"], tmp_path)) == before


def test_diagnostic_report(written: dict[str, Path], tmp_path: Path) -> None:
    report = scan_path(str(written["report"]), Options(jobs=1)).report
    assert report.format == "node-report"
    assert "password" in {finding.kind for finding in report.findings}
    before = json.loads(written["report"].read_bytes())
    after = json.loads(copy_of(written["report"], tmp_path).read_bytes())
    assert before["environmentVariables"].pop("DB_PASSWORD") == PASSWORD
    assert set(after["environmentVariables"].pop("DB_PASSWORD")) == {"X"}
    for part in ("header", "javascriptStack", "nativeStack", "javascriptHeap", "libuv", "sharedObjects", "workers"):
        assert after[part] == before[part]
    assert before["environmentVariables"].keys() == after["environmentVariables"].keys()
