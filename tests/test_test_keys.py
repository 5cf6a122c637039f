"""The list of published keys."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from dumpscan.model import Severity
from dumpscan.scan import Options, scan_path

ROWS = files("dumpscan").joinpath("test_keys.tsv").read_text("utf-8").splitlines()[1:]
IMAGES = (
    *(
        "libgnutls.so.30",
        "libmbedx509.so.1",
        "libfreeblpriv3.so",
        "libsoftokn3.so",
        "libgcrypt.so.20",
        "libcrypto.so.3",
    ),
    *("libwolfssl.so.35", "libtomcrypt.so.1", "libbotan-2.so.19", "libnettle.so.8", "libhogweed.so.6"),
)


def test_each_row_is_a_digest_and_a_source() -> None:
    assert ROWS
    assert all(re.fullmatch(r"[0-9a-f]{64}\t\S.+", row) for row in ROWS)
    assert len({row[:64] for row in ROWS}) == len(ROWS)


@pytest.mark.heavy
@pytest.mark.parametrize("name", IMAGES)
def test_keys_in_library_images_are_information(name: str) -> None:
    path = next(Path("/usr/lib").glob(f"*/{name}"), None)
    if path is None:
        pytest.skip(f"{name} is not installed")
    report = scan_path(str(path), Options(jobs=1)).report
    assert [f.title for f in report.findings if f.severity > Severity.INFO] == []
    assert report.verdict == "clean"
