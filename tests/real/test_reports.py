"""What crash handlers leave behind, as a whole: report folders of WER and ABRT, an sosreport, systemd-coredump's files.

The cores are real, and so is what the kernel says of the process beside them.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import random
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dumpscan.model import DumpReport
from dumpscan.redact_container import redact_any
from dumpscan.scan_container import scan_any
from tests.containers.test_containers import ONE
from tests.makers import seven_zip
from tests.makers.cab import by_gcab
from tests.makers.containers import folder
from tests.makers.minidump import MinidumpMaker
from tests.makers.planted import github_token
from tests.makers.programs import gcore, need, run, running

SOURCE = random.Random(11)
TOKEN = github_token(SOURCE)
PASSWORD = "Tr0ub4dor" + "-and-Xylophone9"
QUIET = {
    "reason": b"sh killed by SIGSEGV\n",
    "hostname": b"build-7.example.org\n",
    "os_release": b"Debian GNU/Linux 12 (bookworm)\n",
    "core_backtrace": json.dumps({"signal": 11, "stacktrace": [{"frames": [{"address": 4096}]}]}).encode(),
}


@dataclass(frozen=True)
class Crash:
    """A shell that waits, dumped: its core, and the files of its folder in /proc."""

    core: bytes
    proc: dict[str, bytes]


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> Crash:
    need("gcore", "sh")
    where = tmp_path_factory.mktemp("crash")
    command = ["sh", "-c", "echo ready; read line", "app", f"--token={TOKEN}"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/srv/app", "DB_PASSWORD": PASSWORD, "LANG": "C"}
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=where) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        proc = Path(f"/proc/{process.pid}")
        files = {name: (proc / name).read_bytes() for name in ("environ", "cmdline", "maps", "limits", "status")}
        core = gcore(process.pid, where).read_bytes()
    assert TOKEN.encode() in core
    assert PASSWORD.encode() in core
    assert PASSWORD.encode() in files["environ"]
    return Crash(core, files)


def stack(core: Path) -> list[str]:
    """What gdb shows of the threads; the name of the core apart."""
    need("gdb")
    done = run("gdb", "-nx", "-batch", "-ex", "info threads", "-ex", "bt", "-ex", "info registers", "/bin/sh", core)
    assert "#0 " in done.stdout
    return [line for line in done.stdout.splitlines() if str(core) not in line]


def members(report: DumpReport, kind: str) -> set[str]:
    """The members in which something of a kind lies."""
    return {o.member or "" for f in report.findings if f.kind == kind for o in f.occurrences}


def scanned_whole(report: DumpReport, plain: Mapping[str, bytes]) -> bool:
    """Whether every byte of all members was looked at."""
    coverage = report.coverage
    whole = sum(map(len, plain.values()))
    return coverage.size == whole == coverage.scanned + coverage.zero and not coverage.unread and not coverage.limits


def gone(data: bytes) -> bool:
    """Whether nothing is left of the secrets, as text of one byte or two a character."""
    forms = [text.encode(form) for text in (TOKEN, PASSWORD) for form in ("ascii", "utf-16-le")]
    return not any(form[at : at + 16] in data for form in forms for at in range(0, len(form) - 15, 4))


def redacted_folder(root: Path, copy: Path, touched: set[str]) -> dict[str, bytes]:
    """Redact a folder: members that are not ``touched`` are as they were, the others as long, and free of secrets."""
    redact_any(str(root), copy, ONE)
    before, after = files_in(root), files_in(copy)
    assert list(before) == list(after)
    assert {name for name in before if before[name] != after[name]} == touched
    assert all(len(before[name]) == len(after[name]) for name in before)
    assert all(gone(data) for data in after.values())
    assert scan_any(str(copy), ONE).report.verdict == "clean"
    return after


def files_in(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


# ---------------------------------------------------------------- ABRT


def abrt(crash: Crash) -> dict[str, bytes]:
    """The files of a problem of ABRT, one an element; it writes the environment a variable a line."""
    return {
        **QUIET,
        "coredump": crash.core,
        "environ": crash.proc["environ"].replace(b"\0", b"\n"),
        "cmdline": crash.proc["cmdline"].rstrip(b"\0").replace(b"\0", b" "),
        "maps": crash.proc["maps"],
        "limits": crash.proc["limits"],
        "proc_pid_status": crash.proc["status"],
        "var_log_messages": f"Nov 26 10:00:00 build-7 app[77]: login failed with {PASSWORD}\n".encode(),
        "count": b"1",
    }


def test_a_folder_of_abrt(crash: Crash, tmp_path: Path) -> None:
    files = abrt(crash)
    root = folder(tmp_path / "ccpp-2026-11-26-10:00:00.1-77", files)
    (root / "sosreport.tar.xz").symlink_to("/var/tmp/sosreport.tar.xz")
    report = scan_any(str(root), ONE).report
    assert scanned_whole(report, files)
    assert members(report, "github-token") == {"coredump", "cmdline"}
    assert members(report, "password") == {"coredump", "environ", "var_log_messages"}
    touched = {"coredump", "cmdline", "environ", "var_log_messages"}
    after = redacted_folder(root, tmp_path / "copy", touched)
    assert after["maps"] == crash.proc["maps"]
    assert b"HOME=/srv/app\n" in after["environ"]
    assert b"DB_PASSWORD=X" in after["environ"]
    assert stack(tmp_path / "copy" / "coredump") == stack(root / "coredump")


# ---------------------------------------------------------------- Windows Error Reporting


def wer() -> dict[str, bytes]:
    """A report's folder: text in UTF-16 with lines that end as on Windows, a minidump, a dump with its heap."""
    settings = {
        "Version": "1",
        "EventType": "APPCRASH",
        "Sig[0].Name": "Application Name",
        "Sig[0].Value": "server.exe",
        "LoadedModule[0]": "C:\\app\\server.exe",
        "CustomMetadata[0].Name": "ConnectionString",
        "CustomMetadata[0].Value": f"Server=db;Database=x;User Id=sa;Password={PASSWORD};",
    }
    report = "\ufeff" + "".join(f"{name}={value}\r\n" for name, value in settings.items())
    environment = f"windir=C:\\Windows\0API_TOKEN={TOKEN}\0\0".encode("utf-16-le")
    heap = SOURCE.randbytes(3000) + environment + bytes(5000) + PASSWORD.encode() + bytes(4000)
    small = MinidumpMaker().system(9)
    row = small.thread(7, (0x1000, 4096, small.place(environment.ljust(4096, b"\0"))), bytes(1232))
    small.threads(row).modules((0x400000, 0x1000, "c:\\app\\server.exe")).memory((0x10000, b"nothing " * 100))
    large = MinidumpMaker().system(9).modules((0x400000, 0x1000, "c:\\app\\server.exe")).memory((0x20000, heap))
    metadata = '<?xml version="1.0" encoding="UTF-16"?><WERReportMetadata><Pid>77</Pid></WERReportMetadata>'
    return {
        "Report.wer": report.encode("utf-16-le"),
        "minidump.mdmp": small.build(),
        "memory.hdmp": large.build(),
        "WERInternalMetadata.xml": ("\ufeff" + metadata).encode("utf-16-le"),
        "memory.csv": b"Time,Private bytes\r\n1,4096\r\n",
    }


WER_TOKENS = {"minidump.mdmp", "memory.hdmp"}
WER_PASSWORDS = {"Report.wer", "memory.hdmp"}


def test_a_folder_of_wer(tmp_path: Path) -> None:
    files = wer()
    root = folder(tmp_path / "AppCrash_server.exe_1", files)
    report = scan_any(str(root), ONE).report
    assert scanned_whole(report, files)
    assert members(report, "github-token") == WER_TOKENS
    assert members(report, "password") == WER_PASSWORDS
    found = [o for f in report.findings for o in f.occurrences if o.member == "memory.hdmp"]
    assert len({(o.address or 0) - o.offset for o in found}) == 1
    assert all(0x20000 < (o.address or 0) < 0x20000 + 16_000 for o in found)
    after = redacted_folder(root, tmp_path / "copy", WER_TOKENS | WER_PASSWORDS)
    text = after["Report.wer"].decode("utf-16")
    assert "EventType=APPCRASH\r\n" in text
    assert f"Password={'X' * len(PASSWORD)};" in text


@pytest.mark.parametrize("kind", ["cab", "7z"])
def test_a_report_of_wer_that_was_packed_to_be_sent(kind: str, tmp_path: Path) -> None:
    files = wer()
    root, path = folder(tmp_path / "in", files), tmp_path / f"report.{kind}"
    if kind == "cab":
        by_gcab(root, path, list(files), "-z")
    else:
        seven_zip.by_7zip(root, path)
    report = scan_any(str(path), ONE).report
    assert scanned_whole(report, files)
    assert members(report, "github-token") == WER_TOKENS
    assert members(report, "password") == WER_PASSWORDS
    redact_any(str(path), tmp_path / "copy", ONE)
    redact_any(str(root), tmp_path / "folder", ONE)
    (tmp_path / "out").mkdir()
    program = ["cabextract", "-q", "-d"] if kind == "cab" else ["7zz", "x", "-y"]
    target = [tmp_path / "out"] if kind == "cab" else [f"-o{tmp_path / 'out'}"]
    need(program[0])
    assert run(*program, *target, tmp_path / "copy").returncode == 0
    assert files_in(tmp_path / "out") == files_in(tmp_path / "folder")


# ---------------------------------------------------------------- sosreport


def test_a_report_of_sos(crash: Crash, tmp_path: Path) -> None:
    """A tar.xz of a tree with logs that were rotated, links, and ABRT's folder in an archive of its own."""
    need("tar", "xz")
    top = "sosreport-build-7-2026-11-26-abcdefg"
    noise = b"".join(b"Nov 26 10:%02d:00 build-7 kernel: nothing to see\n" % (i % 60) for i in range(20_000))
    inner = folder(tmp_path / "abrt", abrt(crash))
    assert run("tar", "-C", inner.parent, "-czf", tmp_path / "abrt.tar.gz", inner.name).returncode == 0
    plain = {
        "sos_commands/process/ps_auxwww": b"root 77 0.0 sh -c app --token=" + TOKEN.encode() + b"\n",
        "sos_commands/networking/ip_addr": b"1: lo: <LOOPBACK,UP>\n",
        "var/log/messages": noise,
        "var/log/messages-20261125.gz": gzip.compress(noise + b"DB_PASSWORD=" + PASSWORD.encode() + b"\n" + noise),
        "var/log/boot.log-1.xz": lzma.compress(noise),
        "var/spool/abrt.tar.gz": (tmp_path / "abrt.tar.gz").read_bytes(),
        "etc/empty.conf": b"",
    }
    root = folder(tmp_path / top, plain)
    (root / "ps").symlink_to("sos_commands/process/ps_auxwww")
    path, copy = tmp_path / "sos.tar.xz", tmp_path / "copy"
    assert run("tar", "-C", tmp_path, "-cJf", path, top).returncode == 0
    report = scan_any(str(path), ONE).report
    assert (report.format, report.verdict, report.coverage.unread) == ("tar", "findings", ())
    archive = f"{top}/var/spool/abrt.tar.gz/abrt/"
    assert members(report, "github-token") == {
        f"{top}/sos_commands/process/ps_auxwww",
        f"{archive}coredump",
        f"{archive}cmdline",
    }
    assert members(report, "password") == {
        f"{top}/var/log/messages-20261125.gz",
        f"{archive}coredump",
        f"{archive}environ",
        f"{archive}var_log_messages",
    }
    redact_any(str(path), copy, ONE)
    assert scan_any(str(copy), ONE).report.verdict == "clean"
    assert copy.read_bytes()[:6] == path.read_bytes()[:6]
    before, after = listed(path), listed(copy)
    changed = {"var/log/messages-20261125.gz", "var/spool/abrt.tar.gz"}
    assert [line for line in before if not line.endswith(tuple(changed))] == [
        line for line in after if not line.endswith(tuple(changed))
    ]
    with tarfile.open(copy) as tape:
        data = {info.name: tape.extractfile(info).read() for info in tape if info.isreg()}  # type: ignore[union-attr]
    for name in plain.keys() - changed - {"sos_commands/process/ps_auxwww"}:
        assert data[f"{top}/{name}"] == plain[name]
    log = gzip.decompress(data[f"{top}/var/log/messages-20261125.gz"])
    assert log == noise + b"DB_PASSWORD=" + b"X" * len(PASSWORD) + b"\n" + noise
    (tmp_path / "inner").write_bytes(data[f"{top}/var/spool/abrt.tar.gz"])
    assert run("tar", "-C", tmp_path, "-xzf", tmp_path / "inner", "--one-top-level=out").returncode == 0
    assert all(gone(content) for content in files_in(tmp_path / "out").values())
    assert stack(tmp_path / "out" / "abrt" / "coredump") == stack(inner / "coredump")


def listed(path: Path) -> list[str]:
    """Kind, rights, owner, size, time and name of each member, as tar has them."""
    done = run("tar", "-tvf", path)
    assert done.returncode == 0
    return done.stdout.splitlines()


# ---------------------------------------------------------------- systemd-coredump


@pytest.mark.parametrize("program", ["zstd", "lz4", "xz"])
def test_a_core_of_systemd(program: str, crash: Crash, tmp_path: Path) -> None:
    """Compressed by its own program, with what systemd-coredump writes beside it into attributes of the file."""
    need(program)
    plain = tmp_path / "plain"
    plain.write_bytes(crash.core)
    name = "core.sh.0.0123456789abcdef0123456789abcdef.77.1764151200000000"
    path, copy = tmp_path / f"{name}.{program}", tmp_path / f"copy.{program}"
    with path.open("wb") as out:
        subprocess.run([program, "-q", "-c", str(plain)], stdout=out, check=True)
    attribute = "user.coredump.environ"
    try:
        os.setxattr(path, attribute, b"DB_PASSWORD=" + PASSWORD.encode())
    except OSError:
        attribute = ""
    report = scan_any(str(path), ONE).report
    assert (report.format, report.verdict) == ("elf-core", "findings")
    assert {"github-token", "password"} <= {finding.kind for finding in report.findings}
    redact_any(str(path), copy, ONE)
    unpacked = subprocess.run([program, "-q", "-d", "-c", str(copy)], capture_output=True, check=True).stdout
    assert len(unpacked) == len(crash.core)
    assert gone(unpacked)
    assert not attribute or attribute not in os.listxattr(copy)
    (tmp_path / "after").write_bytes(unpacked)
    assert stack(tmp_path / "after") == stack(plain)
