"""The command line's contract: exit codes, streams, errors, no partial files."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import dumpscan
from dumpscan.containers.opening import kinds
from dumpscan.formats.registry import formats
from tests.makers.planted import EC_KEY, pem, planted

ROOT = Path(dumpscan.__file__).parents[1]


def dumpscan_run(*arguments: str | Path, stdin: bytes = b"", **more: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "dumpscan", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120, cwd=ROOT, **more)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "dump"
    path.write_bytes(planted(11, 200_000).data)
    return path


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    path = tmp_path / "clean"
    path.write_bytes(b"nothing to see here\n" * 100)
    return path


def test_clean_exits_0(clean: Path) -> None:
    done = dumpscan_run("scan", clean)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert b"CLEAN" in done.stdout.upper()


def test_findings_exit_1_and_the_json_is_the_contract(dump: Path) -> None:
    done = dumpscan_run("scan", "-f", "json", dump)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["schema"] == "dumpscan-report/1"
    (one,) = report["dumps"]
    assert one["path"] == str(dump)
    assert one["size"] == dump.stat().st_size == one["coverage"]["bytes"]
    assert one["verdict"] == "findings"
    assert {finding["kind"] for finding in one["findings"]} >= {"rsa-private-key", "github-token"}


@pytest.mark.parametrize("writer", ["text", "json", "jsonl", "sarif", "html"])
def test_no_writer_tells_a_secret(dump: Path, writer: str) -> None:
    done = dumpscan_run("scan", "-f", writer, dump)
    output = done.stdout + done.stderr
    for _, secret in planted(11, 200_000).places:
        text = secret.strip(b"\0")
        for form in (text, text.hex().encode()):
            assert not any(form[i : i + 16] in output for i in range(16, len(form) - 16, 8)), writer


def test_the_digest_can_be_left_out(dump: Path) -> None:
    with_digest, without = (
        json.loads(dumpscan_run("scan", "-f", "json", *more, dump).stdout)["dumps"][0] for more in ([], ["--no-digest"])
    )
    assert with_digest["sha256"] == hashlib.sha256(dump.read_bytes()).hexdigest()
    assert without["sha256"] == ""
    assert without["coverage"] == with_digest["coverage"]
    assert b"sha256 " not in dumpscan_run("scan", "--no-digest", dump).stdout
    assert b"sha256 " not in dumpscan_run("scan", "--no-digest", "-f", "html", dump).stdout


def test_thresholds(dump: Path) -> None:
    assert dumpscan_run("scan", "--min-severity", "critical", dump).returncode == 1


def test_usage_errors_exit_2(dump: Path, tmp_path: Path) -> None:
    assert dumpscan_run("scan").returncode == 2
    assert dumpscan_run("scan", "--no-such-option", dump).returncode == 2
    assert dumpscan_run("scan", "-f", "yaml", dump).returncode == 2
    assert dumpscan_run("nonsense").returncode == 2
    bad = tmp_path / "bad.yar"
    bad.write_text("rule x { condition: nonsense }")
    done = dumpscan_run("scan", "--signatures", bad, dump)
    assert done.returncode == 2
    assert b"bad.yar" in done.stderr
    assert dumpscan_run("scan", "--known-key", clean_file(tmp_path), dump).returncode == 2


def test_a_dump_that_cannot_carry_a_mark_exits_2(dump: Path, tmp_path: Path) -> None:
    check_one_line(dumpscan_run("redact", "--mark", dump, "-o", tmp_path / "copy"), 2)
    assert not list(tmp_path.iterdir())


def clean_file(folder: Path) -> Path:
    path = folder / "not-a-key"
    path.write_bytes(b"hello")
    return path


def check_one_line(done: subprocess.CompletedProcess[bytes], code: int = 3) -> None:
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(b"dumpscan: ")
    assert done.stderr.count(b"\n") == 1
    assert b"Traceback" not in done.stderr


def test_what_cannot_be_read_exits_3(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert dumpscan_run("scan", tmp_path).returncode == 3  # a folder without any dump
    for path in (empty, fifo, tmp_path / "missing"):
        check_one_line(dumpscan_run("scan", path))
        copy = tmp_path / "copy"
        check_one_line(dumpscan_run("redact", path, "-o", copy))
        assert not copy.exists()


def test_an_unreadable_dump_is_in_the_report(tmp_path: Path, dump: Path) -> None:
    done = dumpscan_run("scan", "-f", "json", tmp_path / "missing", dump)
    assert done.returncode == 3
    verdicts = [one["verdict"] for one in json.loads(done.stdout)["dumps"]]
    assert verdicts == ["inconclusive", "findings"]


def test_three_bytes_are_a_dump(tmp_path: Path) -> None:
    path = tmp_path / "three"
    path.write_bytes(b"abc")
    assert dumpscan_run("scan", path).returncode == 0


def test_standard_input_and_wrappers(dump: Path, tmp_path: Path) -> None:
    done = dumpscan_run("scan", "-f", "json", "-", stdin=gzip.compress(dump.read_bytes()))
    assert done.returncode == 1
    assert json.loads(done.stdout)["dumps"][0]["size"] == dump.stat().st_size


def test_a_cut_off_wrapper_is_inconclusive(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(dump.read_bytes())[:-20])
    assert dumpscan_run("scan", path).returncode == 3


def test_output_file_and_closed_output(dump: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert dumpscan_run("scan", "-f", "json", "-o", report, dump).returncode == 1
    assert json.loads(report.read_text())["schema"] == "dumpscan-report/1"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert dumpscan_run("scan", "-o", dump, dump).returncode == 2
    with subprocess.Popen(
        [sys.executable, "-m", "dumpscan", "scan", "-f", "json", dump], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        error = process.stderr.read()
    assert b"Traceback" not in error


def test_redact(dump: Path, tmp_path: Path) -> None:
    copy, report = tmp_path / "copy", tmp_path / "report.json"
    done = dumpscan_run("redact", dump, "-o", copy, "--report", report)
    assert done.returncode == 0, done.stderr
    assert copy.stat().st_size == dump.stat().st_size
    assert json.loads(report.read_text())["dumps"][0]["findings"]
    assert dumpscan_run("scan", copy).returncode == 0
    before = copy.read_bytes()
    check_one_line(dumpscan_run("redact", dump, "-o", copy), 2)
    assert copy.read_bytes() == before
    assert dumpscan_run("redact", dump, "-o", copy, "--force").returncode == 0


def test_redact_never_touches_the_input(dump: Path, tmp_path: Path) -> None:
    before = dump.read_bytes()
    check_one_line(dumpscan_run("redact", dump, "-o", dump, "--force"), 2)
    link = tmp_path / "link"
    os.link(dump, link)
    check_one_line(dumpscan_run("redact", dump, "-o", link, "--force"), 2)
    assert dump.read_bytes() == before


@pytest.mark.parametrize("name", ["gzip", "zstd", "xz", "lz4", "bzip2", "zip"])
def test_redact_keeps_the_wrapper(dump: Path, tmp_path: Path, name: str) -> None:
    from dumpscan.source import FileSource
    from dumpscan.wrappers import compress_into, open_source

    packed, copy = tmp_path / "packed", tmp_path / "copy"
    with packed.open("wb") as out, FileSource(dump) as plain:
        compress_into(name, plain, out)
    assert dumpscan_run("redact", packed, "-o", copy).returncode == 0
    with open_source(str(copy)) as opened:
        assert opened.wrapper == name
        assert opened.source.size == dump.stat().st_size
    assert dumpscan_run("scan", copy).returncode == 0


def test_an_inconclusive_dump_is_not_redacted_unasked(dump: Path, tmp_path: Path) -> None:
    packed, copy = tmp_path / "cut.gz", tmp_path / "copy"
    packed.write_bytes(gzip.compress(dump.read_bytes())[:-20])
    check_one_line(dumpscan_run("redact", packed, "-o", copy))
    assert not copy.exists()
    assert dumpscan_run("redact", packed, "-o", copy, "--accept-incomplete").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1 << 20) * 192)
    spool = tmp_path / "tmp"
    spool.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "dumpscan", "redact", str(big), "-o", str(tmp_path / "copy")],
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(spool)},
        cwd=ROOT,
        start_new_session=True,
    )
    while process.poll() is None and len(list(tmp_path.iterdir())) < 3:
        time.sleep(0.01)  # till the copy is begun
    os.killpg(process.pid, number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 3, error
    assert b"Traceback" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "tmp"]
    assert not list(spool.iterdir())


def test_a_full_disk_leaves_nothing(dump: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "dumpscan", "scan", str(dump)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr


def test_a_copy_that_outgrows_the_limit_leaves_nothing(dump: Path, tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = dumpscan_run("redact", dump, "-o", tmp_path / "copy", preexec_fn=limit)
    check_one_line(done)
    assert not list(tmp_path.iterdir())


def test_the_scanner_forbids_its_own_core_dump(clean: Path) -> None:
    code = (
        "import resource, ctypes; from dumpscan.protect import forbid_core_dumps; forbid_core_dumps();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["(0,", "0)", "0"]


def test_baseline(dump: Path, tmp_path: Path) -> None:
    key, accepted = tmp_path / "key", tmp_path / "baseline.json"
    key.write_bytes(b"k" * 32)
    assert dumpscan_run("baseline", dump, "-o", accepted).returncode == 2
    assert dumpscan_run("baseline", dump, "-o", accepted, "--fingerprint-key", key).returncode == 0
    done = dumpscan_run("scan", dump, "--baseline", accepted, "--fingerprint-key", key)
    assert done.returncode == 0, done.stdout
    assert dumpscan_run("scan", dump, "--baseline", accepted).returncode == 2


def test_known_key_names_the_owner(tmp_path: Path) -> None:
    public = tmp_path / "production.pem"
    public.write_bytes(
        EC_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    dump = tmp_path / "dump"
    dump.write_bytes(bytes(100) + pem(EC_KEY) + bytes(100))
    done = dumpscan_run("scan", "-f", "json", "--known-key", public, dump)
    (finding,) = json.loads(done.stdout)["dumps"][0]["findings"]
    assert "production.pem" in finding["evidence"] or "owner" in finding["public"]


def test_lists() -> None:
    done = dumpscan_run("formats")
    assert done.returncode == 0
    listed = [line.split()[0].decode() for line in done.stdout.splitlines()]
    known = {fmt.name for fmt in formats()} | {kind.name for kind in kinds()}
    assert set(listed) == known | {"folder", "gzip", "zstd", "xz", "lz4", "bzip2", "rar"}
    assert len(listed) == len(set(listed))
    rules = dumpscan_run("signatures", "list")
    assert rules.returncode == 0
    assert b"github" in rules.stdout
    assert dumpscan_run("--version").returncode == 0


def test_module_and_script_are_the_same_program() -> None:
    assert dumpscan_run("--help").stdout.startswith(b"Usage: dumpscan ")


def test_a_known_key_is_looked_for_amid_random_data(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)
    public = tmp_path / "production.pub"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    noise = random.Random(7)
    dump = tmp_path / "noise"
    d = key.private_numbers().d.to_bytes(128, "little")
    dump.write_bytes(noise.randbytes(40_000) + d + noise.randbytes(40_000))
    assert dumpscan_run("scan", dump).returncode == 0
    done = dumpscan_run("scan", "-f", "json", "--known-key", public, dump)
    (finding,) = json.loads(done.stdout)["dumps"][0]["findings"]
    assert (finding["kind"], finding["confidence"]) == ("rsa-private-key", "proven")
    assert [place["offset"] for place in finding["occurrences"]] == [40_000]
