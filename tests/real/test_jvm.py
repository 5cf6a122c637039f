"""Heap dumps of real JVMs, plain and gzipped: found by class and field, redacted, and VisualVM sees the same heap."""

from __future__ import annotations

import bz2
import gzip
import random
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dumpscan.model import DumpReport
from dumpscan.redact import redact_path
from dumpscan.scan import Options
from tests.makers.fixtures import Row, manifest
from tests.makers.heap_readers import seen_by_visualvm
from tests.makers.hprof_census import hprof_census
from tests.makers.planted import github_token
from tests.makers.programs import need, run, running

SECRETS = {"password": "horse7" + "battery", "apiToken": "st4ple" + "-in-bytes", "passphrase": "c0rrect" + "-chars"}
PROGRAM = """
public class Victim {
  static class HikariConfig { String password, username = "sa"; byte[] apiToken; char[] passphrase; }
  static class Quiet { String password = "changeme", secretName = "db-1x", tokenType = "Bearer9"; }
  static HikariConfig config = new HikariConfig();
  static Quiet quiet = new Quiet();
  public static void main(String[] a) throws Exception {
    java.io.BufferedReader in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
    config.password = in.readLine();
    config.apiToken = in.readLine().getBytes();
    config.passphrase = in.readLine().toCharArray();
    javax.net.ssl.SSLContext.getDefault();
    System.out.println("ready");
    System.out.flush();
    Thread.sleep(600000);
  }
}
"""


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    need("java", "javac", "jcmd", "jmap")
    folder = tmp_path_factory.mktemp("jvm")
    (folder / "Victim.java").write_text(PROGRAM)
    run("javac", "Victim.java", cwd=folder)  # or the heap would hold the compiler
    pipe = subprocess.PIPE
    with running(["java", "-Xmx64m", "Victim"], cwd=folder, stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("".join(f"{SECRETS[name]}\n" for name in SECRETS).encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        made = {"hprof": folder / "heap.hprof", "gzip": folder / "heap.hprof.gz", "jmap": folder / "jmap.hprof.gz"}
        pid = str(process.pid)
        for path, command in {
            made["hprof"]: ["jcmd", pid, "GC.heap_dump", "-all=false", str(made["hprof"])],
            made["gzip"]: ["jcmd", pid, "GC.heap_dump", "-gz=1", str(made["gzip"])],
            made["jmap"]: ["jmap", f"-dump:live,format=b,gz=1,file={made['jmap']}", pid],
        }.items():
            done = run(*command)
            assert path.is_file(), done.stdout + done.stderr
    return made


@dataclass(frozen=True)
class Pair:
    """A heap dump, what was found in it, and its redacted copy; ``plain`` takes the gzip off one of them."""

    dump: Path
    report: DumpReport
    copy: Path
    plain: Callable[[bytes], bytes]


@pytest.fixture(scope="module", params=["hprof", "gzip", "jmap"])
def pair(request: pytest.FixtureRequest, dumps: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Pair:
    dump, copy = dumps[request.param], tmp_path_factory.mktemp(request.param) / "copy"
    done = redact_path(str(dump), copy, Options(jobs=1))
    assert done.overwritten
    return Pair(dump, done.report, copy, bytes if request.param == "hprof" else gzip.decompress)


def test_heap_dump(pair: Pair) -> None:
    before, after = pair.plain(pair.dump.read_bytes()), pair.plain(pair.copy.read_bytes())
    assert pair.report.format == "hprof"
    holders = {f.public["name"]: {o.object for o in f.occurrences} for f in pair.report.findings if "name" in f.public}
    assert set(holders) == {f"Victim$HikariConfig.{name}" for name in SECRETS}
    assert "Victim$HikariConfig.password (java.lang.String)" in holders["Victim$HikariConfig.password"]
    assert "Victim$HikariConfig.apiToken (byte[])" in holders["Victim$HikariConfig.apiToken"]
    assert "Victim$HikariConfig.passphrase (char[])" in holders["Victim$HikariConfig.passphrase"]
    assert len(after) == len(before)
    assert hprof_census(after) == hprof_census(before)
    for secret in SECRETS.values():
        assert secret.encode() not in after
        assert secret.encode("utf-16-be") not in after


def test_visualvm_sees_the_same_heap(pair: Pair) -> None:
    before = seen_by_visualvm(pair.plain(pair.dump.read_bytes()))
    assert any(line.startswith("class Victim$HikariConfig extends java.lang.Object instances 1 ") for line in before)
    assert any("Victim.main(" in line for line in before if line.startswith("thread "))
    assert seen_by_visualvm(pair.plain(pair.copy.read_bytes())) == before


ROWS = [row for row in manifest() if "hprof JAVA PROFILE" in row.format]


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.id) for row in ROWS]
    or [pytest.param(None, marks=pytest.mark.skip(reason="no fixture directory: set DUMPSCAN_FIXTURES"))],
)
def test_visualvm_sees_the_same_heap_of_others(row: Row, tmp_path: Path) -> None:
    """A token in the characters of a string; the string keeps its length."""
    packed = row.format.startswith("bz2>")
    heap = bytearray((bz2.decompress if packed else bytes)(row.file.read_bytes()))
    token = f" {github_token(random.Random(5))} ".encode()
    text = re.search(rb"(?:\0[ -~]){60}|(?<=[\0-\x08])[ -~]{60}", heap[len(heap) // 4 :])
    assert text
    wide = b"".join(b"\0%c" % byte for byte in token) if text[0][0] == 0 else token
    at = len(heap) // 4 + text.start() + 10
    heap[at : at + len(wide)] = wide
    dump, copy = tmp_path / "dump", tmp_path / "copy"
    dump.write_bytes(bz2.compress(heap) if packed else heap)
    assert redact_path(str(dump), copy, Options(jobs=1)).overwritten >= len(token) - 2
    after = (bz2.decompress if packed else bytes)(copy.read_bytes())
    assert wide[8:] not in after
    assert seen_by_visualvm(after) == seen_by_visualvm(bytes(heap))
