"""A real JVM's heap dump, plain and gzipped: found by class and field, redacted, and still whole."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from tests.makers.hprof_census import hprof_census
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
    need("java", "jcmd")
    folder = tmp_path_factory.mktemp("jvm")
    (folder / "Victim.java").write_text(PROGRAM)
    pipe = subprocess.PIPE
    with running(["java", "-Xmx64m", "Victim.java"], cwd=folder, stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("".join(f"{SECRETS[name]}\n" for name in SECRETS).encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        made = {"hprof": folder / "heap.hprof", "gzip": folder / "heap.hprof.gz"}
        for option, path in zip(("-all=false", "-gz=1"), made.values(), strict=True):
            done = run("jcmd", str(process.pid), "GC.heap_dump", option, path)
            assert path.is_file(), done.stdout + done.stderr
    return made


@pytest.mark.parametrize("form", ["hprof", "gzip"])
def test_heap_dump(dumps: dict[str, Path], form: str, tmp_path: Path) -> None:
    opened = gzip.decompress if form == "gzip" else bytes
    before = opened(dumps[form].read_bytes())
    report = scan_path(str(dumps[form]), Options(jobs=1)).report
    assert report.format == "hprof"
    holders = {f.public["name"]: {o.object for o in f.occurrences} for f in report.findings if "name" in f.public}
    assert set(holders) == {f"Victim$HikariConfig.{name}" for name in SECRETS}
    assert "Victim$HikariConfig.password (java.lang.String)" in holders["Victim$HikariConfig.password"]
    assert "Victim$HikariConfig.apiToken (byte[])" in holders["Victim$HikariConfig.apiToken"]
    assert "Victim$HikariConfig.passphrase (char[])" in holders["Victim$HikariConfig.passphrase"]
    copy = tmp_path / "copy"
    redact_path(str(dumps[form]), copy, Options(jobs=1))
    after = opened(copy.read_bytes())
    assert len(after) == len(before)
    assert hprof_census(after) == hprof_census(before)
    for secret in SECRETS.values():
        assert secret.encode() not in after
        assert secret.encode("utf-16-be") not in after
