"""A Linux guest that holds a key over page borders, dumped by QEMU in the formats that it has.

Needs ``qemu-system-x86_64``, ``gcc`` with a static C library, and the path of a bzImage in
``DUMPSCAN_TEST_KERNEL``: ``DUMPSCAN_TEST_KERNEL=/boot/vmlinuz python -m pytest -m heavy tests/real/test_qemu.py``.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dumpscan.formats.registry import plain_view, read_layout
from dumpscan.source import FileSource
from tests.makers.planted import RSA_KEY, github_token, spki
from tests.makers.programs import need
from tests.makers.redacting import redacted

KERNEL = os.environ.get("DUMPSCAN_TEST_KERNEL", "")
GUEST = Path(__file__).parents[1] / "makers" / "c" / "guest.c"
TOKEN = github_token(random.Random(9))

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(not Path(KERNEL).is_file(), reason="no DUMPSCAN_TEST_KERNEL")]


@dataclass
class Guest:
    """A running guest; ``command`` talks to QEMU's monitor."""

    monitor: Path

    def command(self, text: str, seconds: float = 60) -> str:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(seconds)
            link.connect(str(self.monitor))
            answer = _until_prompt(link)
            link.sendall(text.encode() + b"\n")
            return answer + _until_prompt(link)


def _until_prompt(link: socket.socket) -> str:
    data = b""
    while not data.endswith(b"(qemu) "):
        part = link.recv(4096)
        assert part, "the monitor is gone"
        data += part
    return data.decode("utf-8", "replace")


def _initramfs(folder: Path) -> Path:
    program = folder / "init"
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, GUEST], check=True)
    numbers = RSA_KEY.private_numbers()
    secret = numbers.p.to_bytes(128, "little") + numbers.q.to_bytes(128, "little") + TOKEN.encode().ljust(128, b"\0")
    files = {"init": program.read_bytes(), "secret": bytes(byte ^ 0x5A for byte in secret), "public": spki(RSA_KEY)}
    image = folder / "initramfs"
    image.write_bytes(b"".join(_member(name, data) for name, data in files.items()) + _member("TRAILER!!!", b""))
    return image


def _member(name: str, data: bytes) -> bytes:
    """A file in cpio's "newc" format."""
    path = name.encode() + b"\0"
    fields = (0, 0o100755, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(f"{field:08x}".encode() for field in fields) + path
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    for name in ("qemu-system-x86_64", "gcc"):
        need(name)
    folder = tmp_path_factory.mktemp("guest")
    serial, monitor = folder / "serial", folder / "monitor"
    command = [
        "qemu-system-x86_64",
        "-m",
        "128",
        "-cpu",
        "max",
        "-nographic",
        "-nodefaults",
        "-no-reboot",
        "-device",
        "vmcoreinfo",
    ]
    command += ["-accel", "tcg", "-kernel", KERNEL, "-initrd", str(_initramfs(folder))]
    command += ["-append", "console=ttyS0 quiet panic=-1 rdinit=/init", "-serial", f"file:{serial}"]
    command += ["-monitor", f"unix:{monitor},server,nowait"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 120
            while "READY" not in (serial.read_text("latin-1") if serial.exists() else ""):
                assert process.poll() is None, "QEMU ended"
                assert time.monotonic() < deadline, serial.read_text("latin-1")[-500:]
                time.sleep(0.5)
            yield Guest(monitor)
        finally:
            process.terminate()


@pytest.mark.parametrize("flags", ["", "-z", "-l", "-s"], ids=["elf", "zlib", "lzo", "snappy"])
def test_a_key_over_page_borders_is_found_and_gone(guest: Guest, flags: str, tmp_path: Path) -> None:
    if flags in ("-l", "-s"):
        pytest.importorskip({"-l": "lzallright", "-s": "cramjam"}[flags])
    dump = tmp_path / "vmcore"
    answer = guest.command(f"dump-guest-memory {flags} {dump}")
    if "not available" in answer or not dump.exists():
        pytest.skip(f"this QEMU cannot: {answer[-200:]}")
    report, copy = redacted(dump, None, same_length=not flags)
    assert report.format == ("kdump" if flags else "elf-core")
    found = {finding.kind: finding for finding in report.findings}
    assert "p*q = n" in found["rsa-private-key"].evidence
    assert len(found["github-token"].occurrences) >= 2
    assert all(o.virtual is not None for o in found["github-token"].occurrences)
    p = RSA_KEY.private_numbers().p.to_bytes(128, "little")
    with FileSource(dump) as source, FileSource(copy) as other:
        before, after = plain_view(source), plain_view(other)
        assert len(read_layout(after).spaces) == len(read_layout(before).spaces)
        whole = before.read(0, before.size)
        assert whole.count(p[:24]) == whole.count(p[24:]) == 1
        assert p not in whole
        rest = after.read(0, after.size)
    assert not any(part in rest for part in (p[:24], p[24:], TOKEN[:24].encode(), TOKEN[24:].encode()))


def test_makedumpfile_puts_the_copy_together(guest: Guest, tmp_path: Path) -> None:
    need("makedumpfile")
    dump = tmp_path / "vmcore"
    guest.command(f"dump-guest-memory -z {dump}")
    _, copy = redacted(dump, None, same_length=False)
    whole = tmp_path / "whole"
    with copy.open("rb") as flat:
        subprocess.run(["makedumpfile", "-R", whole], stdin=flat, check=True, capture_output=True)
    with FileSource(whole) as source, FileSource(copy) as other:
        plain, after = plain_view(source), plain_view(other)
        theirs, ours = read_layout(plain), read_layout(after)
        for a, b in zip(theirs.regions, ours.regions, strict=False):
            if a.kind == "memory":
                assert (a.address, plain.read(a.offset, a.size)) == (b.address, after.read(b.offset, b.size))
