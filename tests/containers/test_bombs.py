"""Archives made to take time, memory or disk: each ends soon, at a limit that has a name."""

from __future__ import annotations

import gzip
import io
import random
import struct
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from dumpscan.containers.opening import Bounds, open_any
from dumpscan.errors import RedactionError, SourceError
from dumpscan.redact_container import redact_any
from dumpscan.wrappers import Limits
from tests.containers.test_containers import ENVIRONMENT, ONE, limited, report_of
from tests.makers.cab import cabinet
from tests.makers.containers import tar, zipped
from tests.makers.seven_zip import seven_zip

MAKERS: dict[str, Callable[[Mapping[str, bytes]], bytes]] = {
    "zip": zipped,
    "7z": seven_zip,
    "cab": lambda members: cabinet([members]),
    "tar": tar,
}
SOON = 30
"""Seconds of the processor, which other work on the machine does not lengthen."""


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    started = time.process_time()
    yield
    assert time.process_time() - started < SOON


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the bomb goes; nothing else is left beside it afterwards."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "input"


def test_members_of_all_levels_count_together(path: Path) -> None:
    """As in 42.zip: sixteen archives in each of sixteen, in each of sixteen."""
    data = b"x"
    for level in range(5):
        data = zipped({f"{level}-{i}": data for i in range(16)})
    path.write_bytes(data)
    container, problems, _ = limited(path)
    assert not container.complete
    assert any("more than 50 members" in problem for problem in problems)


@pytest.mark.parametrize("kinds", ["zip", "7z", "cab", "zip 7z", "tar cab 7z zip"])
def test_containers_in_one_another(kinds: str, path: Path) -> None:
    data = ENVIRONMENT
    for i in range(40):
        data = MAKERS[kinds.split()[i % len(kinds.split())]]({"a": data, "b": b"b"})
    path.write_bytes(data)
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert any("more than 3 containers in one another" in unread.reason for unread in report.coverage.unread)
    with pytest.raises(RedactionError, match="could not be read"):
        redact_any(str(path), path.with_name("copy"), ONE, accept_incomplete=True)


def test_wrappers_around_one_another(path: Path) -> None:
    data = ENVIRONMENT
    for _ in range(40):
        data = gzip.compress(data)
    path.write_bytes(tar({"a.gz": data, "b": b"b"}))
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert "more than 3 wrappers" in report.coverage.unread[0].reason


def overlapping(files: int, content: bytes) -> bytes:
    """A zip whose directory lists one and the same data under many names (as in "A better zip bomb", Fifield 2019)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0" * 8, content)
    whole = out.getvalue()
    start = whole.index(b"PK\1\2")
    row = whole[start : whole.index(b"PK\5\6")]
    rows = b"".join(row[:46] + b"%08d" % i + row[54:] for i in range(files))
    return whole[:start] + rows + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, files, files, len(rows), start, 0)


@pytest.mark.parametrize("content", [b"abcd" * (1 << 18), random.Random(1).randbytes(1 << 20)])
def test_zip_entries_that_overlap(content: bytes, path: Path) -> None:
    path.write_bytes(overlapping(40, content))
    _, problems, size = limited(path)
    assert size < 100 << 20
    assert any("is damaged" in problem or "bomb" in problem for problem in problems)
    path.write_bytes(overlapping(60, ENVIRONMENT))
    report = report_of(path)  # at the limits that are in force
    assert report.verdict == "inconclusive"
    with pytest.raises(RedactionError):
        redact_any(str(path), path.with_name("copy"), ONE)


def test_many_members_of_nothing(path: Path) -> None:
    """At the limits that are in force."""
    path.write_bytes(seven_zip({f"{i}": b"" for i in range(50_050)}))
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert any("more than 50000 members" in unread.reason for unread in report.coverage.unread)


@pytest.mark.parametrize("kind", ["7z", "cab", "zip", "tar"])
def test_the_disk_is_not_filled(kind: str, path: Path) -> None:
    members = {"a": random.Random(1).randbytes(1000), "b": b"b"}
    path.write_bytes(MAKERS[kind](members))
    bounds = Bounds(wrappers=Limits(reserve=1 << 60))
    with pytest.raises(SourceError, match="not enough temporary space"), open_any(str(path), bounds=bounds):
        pass
    assert [p.name for p in path.parent.iterdir()] == ["input"]
