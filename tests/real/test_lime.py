"""A real LiME image, made by LiME's module in a guest: found, redacted, and volatility3 reads the copy as the image."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.makers.guest import TOKEN, Kernel, booted, kernel
from tests.makers.planted import RSA_KEY
from tests.makers.programs import need
from tests.makers.redacting import redacted
from tests.makers.volatility import seen_by_us, seen_by_volatility

pytestmark = pytest.mark.heavy
SOURCES = Path(os.environ.get("DUMPSCAN_LIME", "/"), "usr/src")


def module(linux: Kernel, folder: Path) -> Path:
    """LiME's module, from the sources in Debian's ``lime-forensics-dkms``, unpacked in ``DUMPSCAN_LIME``."""
    need("make", "gcc")
    sources = sorted(SOURCES.glob("lime-forensics-*"))
    headers = linux.modules / "build"
    if not sources or not headers.is_dir():
        pytest.skip("no sources of LiME, or no headers: lime-forensics-dkms, linux-headers-cloud-amd64")
    build = folder / "lime"
    shutil.copytree(sources[-1], build)
    subprocess.run(["make", "-C", headers, f"M={build}", "modules"], check=True, capture_output=True)
    subprocess.run(["strip", "--strip-debug", build / "lime.ko"], check=True)
    return build / "lime.ko"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the module wrote to a disk of the guest, without the rest of the disk."""
    folder = tmp_path_factory.mktemp("lime")
    linux = kernel()
    disk = folder / "image"
    disk.touch()
    os.truncate(disk, 160 << 20)
    with booted(folder, linux, {"lime.ko": module(linux, folder).read_bytes()}, disk) as guest:
        guest.wait_for("DUMPED")
    at, head = 0, struct.Struct("<IIQQQ")
    with disk.open("r+b") as file:
        while (fields := head.unpack(os.pread(file.fileno(), head.size, at)))[:2] == (0x4C694D45, 1):
            at += head.size + fields[3] + 1 - fields[2]
        file.truncate(at)
    return disk


def test_a_real_image(image: Path) -> None:
    report, copy = redacted(image, None)
    assert report.format == "lime"
    found = {finding.kind: finding for finding in report.findings}
    assert "p*q = n" in found["rsa-private-key"].evidence
    p = RSA_KEY.private_numbers().p.to_bytes(128, "little")
    before, after = image.read_bytes(), copy.read_bytes()
    for place in found["github-token"].occurrences:
        assert place.virtual is not None
    for part in (p[:24], p[24:], TOKEN[:24].encode(), TOKEN[24:].encode()):
        assert part in before
        assert part not in after
    for path in (image, copy):
        assert seen_by_volatility(path, "lime") == seen_by_us(path)
