"""What formats know of a place reaches the findings: from a file on disk through ``scan_path``."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dumpscan.model import DumpReport, Finding, Occurrence
from dumpscan.scan import Options, scan_path
from tests.formats.test_pe_image import BASE, HEADERS
from tests.makers.elf import Core, Segment
from tests.makers.minidump import MinidumpMaker
from tests.makers.planted import EC_KEY, der, filler, github_token
from tests.makers.redacting import redacted

RNG = random.Random(5)
TOKEN = github_token(RNG).encode()
KEY = der(EC_KEY)


def scanned(path: Path, data: bytes) -> DumpReport:
    path.write_bytes(data)
    return scan_path(str(path), Options(jobs=1)).report


def finding(report: DumpReport, kind: str) -> Finding:
    (one,) = (finding for finding in report.findings if finding.kind == kind)
    return one


def only(report: DumpReport, kind: str) -> Occurrence:
    (place,) = finding(report, kind).occurrences
    return place


@pytest.mark.parametrize(("bits", "order", "machine"), [(32, "<", 3), (32, ">", 20), (64, ">", 22), (64, "<", 62)])
def test_cores_of_every_shape(tmp_path: Path, bits: int, order: str, machine: int) -> None:
    memory = bytes(filler(RNG, 9000))
    shape = Core(bits, order, machine)
    page = memory[:1000] + b"\0" + TOKEN + b"\0" + memory[1000:2000] + bytes(8) + KEY + bytes(8)
    shape.segments = [Segment(0x10000, page), Segment(0x40000, memory)]
    shape.notes = [shape.files((0x10000, 0x20000, b"/usr/bin/it"))]
    data = shape.build()
    report = scanned(tmp_path / "core", data)
    assert (report.format, report.verdict) == ("elf-core", "findings")
    token = only(report, "github-token")
    assert token.offset == data.index(TOKEN)
    assert token.address == 0x10000 + 1001
    assert "it" in f"{token.module} {token.region}"
    key = finding(report, "ec-private-key").occurrences
    assert min(place.offset for place in key) >= data.index(KEY)
    redacted(tmp_path / "core")


def test_more_segments_than_a_header_can_count(tmp_path: Path) -> None:
    count = 66_000
    segments = [Segment(0x1000 * index, b"0123456789abcdef") for index in range(count)]
    segments[65_900] = Segment(0x7000_0000_0000, bytes(100) + TOKEN + bytes(100))
    data = Core(segments=segments, xnum=True).build()
    report = scanned(tmp_path / "core", data)
    assert report.verdict == "findings"
    assert not report.coverage.unread
    place = only(report, "github-token")
    assert (place.offset, place.address) == (data.index(TOKEN), 0x7000_0000_0000 + 100)


def test_a_secret_across_a_gap_of_the_file(tmp_path: Path) -> None:
    """Two segments adjoin in memory and are far from each other, and in the wrong order, in the file."""
    page = bytes(filler(RNG, 4096))
    first, second = page[: 4096 - 21] + b"\0" + TOKEN[:20], TOKEN[20:] + b"\0" + page[len(TOKEN) - 19 :]
    data = Core(segments=[Segment(0x9000, second), Segment(0x50000, page), Segment(0x8000, first)]).build()
    assert TOKEN not in data
    report = scanned(tmp_path / "core", data)
    places = finding(report, "github-token").occurrences
    wanted = {(data.index(TOKEN[20:]), 0x9000, len(TOKEN) - 20), (data.index(TOKEN[:20]), 0x9000 - 20, 20)}
    assert {(place.offset, place.address, place.length) for place in places} == wanted
    redacted(tmp_path / "core")


def test_a_finding_names_module_and_section(tmp_path: Path) -> None:
    image = bytearray(HEADERS.ljust(0x5000, b"\0"))
    image[0x3123 : 0x3123 + len(TOKEN)] = TOKEN
    maker = MinidumpMaker().system(9).modules((BASE, 0x9000, "C:\\Windows\\System32\\ntdll.dll"))
    report = scanned(tmp_path / "dump", maker.memory64((BASE, bytes(image))).build())
    assert report.format == "minidump"
    place = only(report, "github-token")
    assert place.module == "ntdll.dll, section .rdata, +0x3123"
    assert place.address == BASE + 0x3123
    redacted(tmp_path / "dump")
