"""A small Linux guest in QEMU that holds a key and a token over page borders, and a monitor to dump it with."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.makers.planted import RSA_KEY, github_token, spki
from tests.makers.programs import need

TOKEN = github_token(random.Random(9))
_PROGRAM = Path(__file__).parent / "c" / "guest.c"


@dataclass(frozen=True)
class Kernel:
    """A bootable kernel, its version as ``uname -r`` says it, and its image with debugging information."""

    image: Path
    version: str
    debug: Path

    @property
    def modules(self) -> Path:
        """The folder of its modules."""
        return Path("/lib/modules", self.version)


def kernel() -> Kernel:
    """``DUMPSCAN_TEST_KERNEL``, else the newest in ``/boot``. Skips where there is none."""
    named = os.environ.get("DUMPSCAN_TEST_KERNEL")
    images = [Path(named)] if named else sorted(Path("/boot").glob("vmlinuz-*"), key=_numbers)
    images = [image for image in images if os.access(image, os.R_OK)]
    if not images:
        pytest.skip("no kernel: install linux-image-cloud-amd64, or name a bzImage in DUMPSCAN_TEST_KERNEL")
    version = images[-1].resolve().name.partition("-")[2]
    return Kernel(images[-1], version, Path("/usr/lib/debug/boot", f"vmlinux-{version}"))


def _numbers(image: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", image.name)]


@dataclass(frozen=True)
class Guest:
    """A running guest; ``command`` talks to QEMU's monitor."""

    monitor: Path
    serial: Path
    process: subprocess.Popen[bytes]

    def command(self, text: str, seconds: float = 60) -> str:
        """The monitor's answer."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(seconds)
            link.connect(str(self.monitor))
            answer = _until_prompt(link)
            link.sendall(text.encode() + b"\n")
            return answer + _until_prompt(link)

    def wait_for(self, word: str, seconds: float = 120) -> None:
        """Wait till the guest prints ``word``."""
        deadline = time.monotonic() + seconds
        while word not in (printed := self.serial.read_text("latin-1") if self.serial.exists() else ""):
            assert self.process.poll() is None, "QEMU ended"
            assert time.monotonic() < deadline, printed[-500:]
            time.sleep(0.5)


def _until_prompt(link: socket.socket) -> str:
    data = b""
    while not data.endswith(b"(qemu) "):
        part = link.recv(4096)
        assert part, "the monitor is gone"
        data += part
    return data.decode("utf-8", "replace")


@contextlib.contextmanager
def booted(
    folder: Path, linux: Kernel, files: Mapping[str, bytes] | None = None, disk: Path | None = None
) -> Iterator[Guest]:
    """A guest of 96 MiB that printed READY: it holds the key and the token, ``files`` in its root, ``disk`` as NVMe."""
    need("qemu-system-x86_64", "gcc")
    serial, monitor = folder / "serial", folder / "monitor"
    image = _initramfs(folder, files or {})
    command = ["qemu-system-x86_64", "-m", "96", "-cpu", "max", "-accel", "tcg", "-nographic", "-nodefaults"]
    command += ["-no-reboot", "-device", "vmcoreinfo", "-kernel", str(linux.image), "-initrd", str(image)]
    command += ["-append", "console=ttyS0 quiet panic=-1 rdinit=/init", "-serial", f"file:{serial}"]
    command += ["-monitor", f"unix:{monitor},server,nowait"]
    if disk:
        command += ["-drive", f"file={disk},if=none,id=disk,format=raw", "-device", "nvme,drive=disk,serial=1"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            guest = Guest(monitor, serial, process)
            guest.wait_for("READY")
            yield guest
        finally:
            process.terminate()


def _initramfs(folder: Path, more: Mapping[str, bytes]) -> Path:
    program = folder / "init"
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, _PROGRAM], check=True)
    numbers = RSA_KEY.private_numbers()
    secret = numbers.p.to_bytes(128, "little") + numbers.q.to_bytes(128, "little") + TOKEN.encode().ljust(128, b"\0")
    files = {"init": program.read_bytes(), "secret": bytes(byte ^ 0x5A for byte in secret), "public": spki(RSA_KEY)}
    image = folder / "initramfs"
    members = [_member(name, data) for name, data in {**files, **more}.items()]
    image.write_bytes(b"".join(members) + _member("TRAILER!!!", b""))
    return image


def _member(name: str, data: bytes) -> bytes:
    """A file in cpio's "newc" format."""
    path = name.encode() + b"\0"
    fields = (0, 0o100755, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(f"{field:08x}".encode() for field in fields) + path
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
