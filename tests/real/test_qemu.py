"""A Linux guest dumped by QEMU and makedumpfile; crash, drgn and makedumpfile read the redacted copy as the dump."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dumpscan.formats.registry import plain_view, read_layout
from dumpscan.model import DumpReport
from dumpscan.source import FileSource
from tests.makers.guest import TOKEN, Guest, Kernel, booted, kernel
from tests.makers.planted import RSA_KEY
from tests.makers.programs import need, program, run
from tests.makers.redacting import redacted

pytestmark = pytest.mark.heavy

QEMU = {"elf": "", "zlib": "-z", "lzo": "-l", "snappy": "-s"}
MAKEDUMPFILE = {"makedumpfile-zlib": "-c", "makedumpfile-lzo": "-l", "makedumpfile-flattened": "-F"}
LIBRARIES = {"lzo": "lzallright", "makedumpfile-lzo": "lzallright", "snappy": "cramjam"}
CRASH = "sys\nbt -a\nps\nmod\nlog\nexit\n"
ERASED = re.compile(r"WARNING: \S+:\nKernel data has been erased .*?runtime behavior\.\n", re.S)


@dataclass(frozen=True)
class Pair:
    """A dump, what was found in it, and its redacted copy."""

    name: str
    dump: Path
    report: DumpReport
    copy: Path


@pytest.fixture(scope="module")
def linux() -> Kernel:
    return kernel()


@pytest.fixture(scope="module")
def guest(linux: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    driver = linux.modules / "kernel/drivers/firmware/qemu_fw_cfg.ko"
    files = {driver.name: driver.read_bytes()} if driver.is_file() else {}
    with booted(tmp_path_factory.mktemp("guest"), linux, files) as guest:
        yield guest


@pytest.fixture(scope="module", params=[*QEMU, *MAKEDUMPFILE])
def pair(request: pytest.FixtureRequest, guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    name = request.param
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name])
    dump = tmp_path_factory.mktemp(name) / "vmcore"
    answer = guest.command(f"dump-guest-memory {QEMU.get(name, '')} {dump}")
    if "not available" in answer or not dump.exists():
        pytest.skip(f"this QEMU does not dump as {name}")
    if name in MAKEDUMPFILE:
        dump = made(dump, MAKEDUMPFILE[name])
    report, copy = redacted(dump, None, same_length=name == "elf")
    yield Pair(name, dump, report, copy)
    for path in (dump, copy):
        path.unlink()


def made(core: Path, option: str) -> Path:
    """What makedumpfile makes of QEMU's ELF core."""
    need("makedumpfile")
    core.chmod(0o600)
    with core.open("r+b") as file:
        _headers_where_makedumpfile_looks(file.fileno())
    out = core.with_name("made")
    if option == "-F":
        with out.open("wb") as flat:
            subprocess.run(["makedumpfile", "-F", "-c", "-d", "1", core], stdout=flat, stderr=-3, check=True)
    else:
        subprocess.run(["makedumpfile", option, "-d", "1", core, out], capture_output=True, check=True)
    core.unlink()
    return out


def _headers_where_makedumpfile_looks(core: int) -> None:
    """QEMU 7.2 puts section headers before the program headers; makedumpfile 1.7 takes the latter to be at 64."""
    head = bytearray(os.pread(core, 4096, 0))
    (start,), (count,) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<H", head, 56)
    table = bytes(head[start : start + 56 * count])
    head[64 : start + len(table)] = table.ljust(start + len(table) - 64, b"\0")
    struct.pack_into("<2Q", head, 32, 64, 0)
    struct.pack_into("<6H", head, 52, 64, 56, count, 0, 0, 0)
    os.pwrite(core, head, 0)


def test_a_key_over_page_borders_is_found_and_gone(pair: Pair) -> None:
    assert pair.report.format == ("elf-core" if pair.name == "elf" else "kdump")
    found = {finding.kind: finding for finding in pair.report.findings}
    assert "p*q = n" in found["rsa-private-key"].evidence
    assert len(found["github-token"].occurrences) >= 2
    assert all(o.virtual is not None for o in found["github-token"].occurrences)
    p = RSA_KEY.private_numbers().p.to_bytes(128, "little")
    with FileSource(pair.dump) as source, FileSource(pair.copy) as other:
        before, after = plain_view(source), plain_view(other)
        assert len(read_layout(after).spaces) == len(read_layout(before).spaces)
        whole = before.read(0, before.size)
        assert whole.count(p[:24]) == whole.count(p[24:]) == 1
        assert p not in whole
        rest = after.read(0, after.size)
    assert not any(part in rest for part in (p[:24], p[24:], TOKEN[:24].encode(), TOKEN[24:].encode()))


def assembled(dump: Path, folder: Path) -> Path:
    """The dump itself, or what makedumpfile puts together of a flattened one, which drgn does not read."""
    with dump.open("rb", buffering=0) as flat:
        if flat.read(12) != b"makedumpfile":
            return dump
        flat.seek(0)
        need("makedumpfile")
        whole = folder / dump.name
        subprocess.run(["makedumpfile", "-R", whole], stdin=flat, check=True, capture_output=True)
    return whole


def test_drgn_sees_the_same_tasks_backtraces_modules_and_log(pair: Pair, linux: Kernel, tmp_path: Path) -> None:
    if pair.name in ("zlib", "lzo", "snappy"):
        pytest.skip("drgn misses the machine's name in QEMU's own kdump")
    before = seen_by_drgn(assembled(pair.dump, tmp_path), linux)
    assert "init" in {name for _, name, _ in before["tasks"]}
    assert all("__schedule" in trace for pid, name, trace in before["tasks"] if name == "init")
    assert b"Run /init as init process" in before["log"]
    assert "qemu_fw_cfg" in before["modules"]
    assert seen_by_drgn(assembled(pair.copy, tmp_path), linux) == before


def seen_by_drgn(dump: Path, linux: Kernel) -> dict[str, Any]:
    """Tasks with their backtraces, modules and the kernel's log."""
    drgn = pytest.importorskip("drgn")
    from drgn.helpers.linux.module import for_each_module
    from drgn.helpers.linux.pid import for_each_task
    from drgn.helpers.linux.printk import get_dmesg

    if not linux.debug.is_file():
        pytest.skip(f"no {linux.debug}: install linux-image-cloud-amd64-dbg")
    machine = drgn.Program()
    machine.set_core_dump(str(dump))
    with contextlib.suppress(drgn.MissingDebugInfoError):  # that of modules
        machine.load_debug_info([str(linux.debug)])
    tasks = list(for_each_task(machine))
    return {
        "tasks": [(t.pid.value_(), t.comm.string_().decode(), _trace(machine, t)) for t in tasks],
        "modules": [module.name.string_().decode() for module in for_each_module(machine)],
        "log": get_dmesg(machine),
    }


def _trace(machine: Any, task: Any) -> str:
    try:
        return str(machine.stack_trace(task))
    except ValueError as error:  # on a processor
        return str(error)


def test_crash_sees_the_same_system_modules_and_log(pair: Pair, linux: Kernel) -> None:
    """Of a kdump it also says, from the eraseinfo, that data has been erased."""
    before = seen_by_crash(pair.dump, linux)
    assert re.search(r"RELEASE: " + re.escape(linux.version), before)
    assert "Run /init as init process" in before
    assert "qemu_fw_cfg" in before
    after, warnings = ERASED.subn("", seen_by_crash(pair.copy, linux))
    assert warnings == (pair.name != "elf")
    assert after == before


def seen_by_crash(dump: Path, linux: Kernel) -> str:
    """What ``crash`` says, without the name of the dump. Of Debian's 6.1.192 version 8.0.2 lists the idle task only."""
    if not program("crash"):
        pytest.skip("crash not installed")
    if not linux.debug.is_file():
        pytest.skip(f"no {linux.debug}: install linux-image-cloud-amd64-dbg")
    done = run("crash", "-s", linux.debug, dump, input=CRASH)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return re.sub(r"(?m)^DUMPFILE: \S+", "DUMPFILE", "\n".join(said))


def test_makedumpfile_reads_the_copy(pair: Pair, tmp_path: Path) -> None:
    """It puts a flattened copy together; it reads the kernel's log from one of its own."""
    need("makedumpfile")
    whole = assembled(pair.copy, tmp_path)
    if whole != pair.copy:
        with FileSource(whole) as source, FileSource(pair.copy) as other:
            plain, after = plain_view(source), plain_view(other)
            theirs, ours = read_layout(plain), read_layout(after)
            for a, b in zip(theirs.regions, ours.regions, strict=False):
                if a.kind == "memory":
                    assert (a.address, plain.read(a.offset, a.size)) == (b.address, after.read(b.offset, b.size))
    elif pair.name.startswith("makedumpfile"):
        logs = []
        for path in (pair.dump, pair.copy):
            run("makedumpfile", "--dump-dmesg", path, tmp_path / path.name)
            logs.append((tmp_path / path.name).read_bytes())
        assert b"Run /init as init process" in logs[0]
        assert logs[1] == logs[0]
    else:
        pytest.skip("makedumpfile does not read QEMU's ELF core as it is")
