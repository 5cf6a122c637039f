"""The protobuf of a tombstone: registers as bytes, memory with its addresses, and numbers that keep their length."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.formats.registry import plain_view, read_layout, recognise
from dumpscan.formats.tombstone_proto import MAX_THREAD
from dumpscan.redact import redact_path
from dumpscan.scan import scan_path
from tests.makers.planted import RSA_KEY, github_token, spki
from tests.makers.redacting import options
from tests.makers.source import BytesSource

TOKEN = github_token(random.Random(77)).encode()
PRIME = RSA_KEY.private_numbers().p.to_bytes(128, "little")
FINGERPRINT = b"google/panther/panther:14/UQ1A.240205.002/11224170:user/release-keys12345"
ADDRESS = 0x7B2F4FD010


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    """A number; as protobuf 3 does, nothing where it is 0."""
    return varint(field << 3) + varint(value) if value else b""


def message(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def thread(tid: int, name: bytes, registers: list[int], *dumps: tuple[str, int, bytes], field: int = 16) -> bytes:
    body = number(1, tid) + message(2, name)
    body += b"".join(message(3, message(1, b"x%d" % i) + number(2, v)) for i, v in enumerate(registers))
    body += message(4, number(1, 0x53A34) + message(4, b"abort"))
    for register, address, memory in dumps:
        shown = message(1, register.encode()) + message(2, b"[anon:libc_malloc]") + number(3, address)
        body += message(5, shown + message(4, memory))
    return message(field, number(1, tid) + message(2, body))


def tombstone(*threads: bytes, arch: int = 1) -> bytes:
    head = number(1, arch) + message(2, FINGERPRINT) + message(3, b"MP1.0") + number(5, 17946) + number(6, 17949)
    tail = message(17, number(1, 0x5500000000) + message(7, b"/system/lib64/libc.so")) + number(20, 61)
    fixed = varint(23 << 3 | 1) + bytes(8) + varint(24 << 3 | 5) + bytes(4)
    return head + b"".join(threads) + tail + fixed


def values(data: bytes, word: int = 8) -> list[int]:
    data = data + bytes(-len(data) % word)
    return [number for (number,) in struct.iter_unpack("<Q" if word == 8 else "<I", data)]


def registers_of(data: bytes) -> list[bytes]:
    """The varints of registers as they stand, by hand: after ``name`` of two characters, field 2."""
    found, at = [], 0
    while (at := data.find(b"\x0a\x02x", at)) >= 0:
        start = at + 5
        end = start
        while data[end] & 0x80:
            end += 1
        found.append(data[start : end + 1])
        at = end
    return found


@pytest.mark.parametrize(("arch", "word"), [(1, 8), (3, 8), (4, 8), (0, 4), (2, 4)])
def test_a_token_in_registers_is_found_and_gone(arch: int, word: int, tmp_path: Path) -> None:
    held = values(b"\x10\x20".ljust(word, b"\0") + bytes(word) + TOKEN, word)[:10]
    secret = TOKEN[: (10 - 2) * word]
    other = thread(17950, b"pool", [7, 8, 9])
    guest = thread(3, b"guest", [1], field=25)
    near = bytes(32) + TOKEN + bytes(31)
    data = tombstone(other, thread(17949, b"Binder", held, ("x1", ADDRESS, near)), guest, arch=arch)
    path, copy = tmp_path / "tombstone_00.pb", tmp_path / "copy"
    path.write_bytes(data)
    assert recognise(BytesSource(data)).name == "android-tombstone-proto"
    layout = read_layout(plain_view(BytesSource(data)))
    assert [(t.id, t.name) for t in layout.threads] == [(17950, "pool"), (17949, "Binder"), (3, "guest")]
    assert (layout.unread, layout.pointer_size) == ((), word)
    (memory,) = (r for r in layout.regions if r.kind == "memory")
    assert (memory.address, memory.name, memory.thread) == (ADDRESS, "memory near x1", 17949)
    assert data[memory.offset : memory.end] == near
    report = scan_path(str(path), options()).report
    (finding,) = report.findings
    places = {(o.region, o.address, o.thread, o.length) for o in finding.occurrences}
    assert places == {("memory near x1", ADDRESS + 32, 17949, 40), ("registers", None, 17949, len(secret))}
    redact_path(str(path), copy, options())
    after = copy.read_bytes()
    assert len(after) == len(data)
    assert scan_path(str(copy), options()).report.verdict == "clean"
    before, left = registers_of(data), registers_of(after)
    assert [len(a) for a in before] == [len(a) for a in left]
    assert [a == b for a, b in zip(before, left, strict=True)].count(False) == len(secret) // word
    assert TOKEN[:8] not in after
    whole = plain_view(BytesSource(after))
    (region,) = (r for r in read_layout(whole).regions if r.kind == "registers" and r.thread == 17949)
    assert whole.read(region.offset, region.size) == b"\x10\x20".ljust(word, b"\0") + bytes(word) + b"X" * len(secret)


def test_a_raw_key_in_memory_is_found_where_it_is_aligned(tmp_path: Path) -> None:
    """The address, not the place in the file, tells where numbers begin."""
    memory = bytes(48) + PRIME + bytes(32) + spki(RSA_KEY) + bytes(64)
    path = tmp_path / "tombstone_00.pb"
    for shift in range(8):
        path.write_bytes(tombstone(thread(1, b"n" * shift, [1], ("x1", ADDRESS, memory))))
        report = scan_path(str(path), options()).report
        assert [f.kind for f in report.findings] == ["rsa-private-key"]
        assert {o.address for o in report.findings[0].occurrences if o.component == "p"} == {ADDRESS + 48}


def test_a_value_that_does_not_fit_is_still_gone(tmp_path: Path) -> None:
    """Two characters, a digit the later one, are a number of 14 bits in two bytes; ``XX`` has 15 bits."""
    token = next(t for seed in range(999) if (t := github_token(random.Random(seed)))[-1].isdigit()).encode()
    data = tombstone(thread(1, b"a", values(b"\1\1" + token)))
    path, copy = tmp_path / "tombstone_00.pb", tmp_path / "copy"
    path.write_bytes(data)
    assert registers_of(data)[-1] == varint(int.from_bytes(token[-2:], "little"))
    redact_path(str(path), copy, options())
    assert registers_of(copy.read_bytes())[-1] == varint(0x5858 & 0x3FFF)
    assert registers_of(copy.read_bytes())[0] == varint(int.from_bytes(b"\1\1" + b"X" * 6, "little"))
    assert scan_path(str(copy), options()).report.verdict == "clean"


def test_what_is_cut_off_is_told() -> None:
    parts = [thread(1, b"a", values(TOKEN)), thread(2, b"b", [1, 2, 3])]
    data = tombstone(*parts)
    first = data.index(parts[0])
    for size in range(first, first + len(parts[0] + parts[1]) + 1):
        layout = read_layout(plain_view(BytesSource(data[:size])))
        whole = size - first in (0, len(parts[0]), len(parts[0] + parts[1]))
        assert bool(layout.unread) == (not whole)


def test_lies_are_bounded() -> None:
    head = number(1, 1) + message(2, FINGERPRINT)
    big = varint(16 << 3 | 2) + varint(MAX_THREAD + 1) + bytes(MAX_THREAD + 1)
    layout = read_layout(plain_view(BytesSource(head + big)))
    assert "is not looked into" in layout.unread[0].reason
    huge = head + varint(16 << 3 | 2) + varint((1 << 64) - 1) + b"\x08\x01"
    assert read_layout(plain_view(BytesSource(huge))).unread
    endless = head + b"\xff" * 4000
    assert read_layout(plain_view(BytesSource(endless))).unread
    high = thread(1, b"a", [1], ("x1", (1 << 64) - 8, bytes(64)))
    regions = read_layout(plain_view(BytesSource(head + high))).regions
    assert [r.size for r in regions if r.kind == "memory"] == [8]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(80, 900), st.integers(0, 255)), max_size=16), st.integers(80, 900))
def test_damage_is_survived(edits: list[tuple[int, int]], keep: int) -> None:
    data = bytearray(tombstone(*(thread(i, b"n", values(TOKEN), ("x1", ADDRESS, bytes(64))) for i in range(3))))
    for place, value in edits:
        data[place % len(data)] = value
    view = plain_view(BytesSource(bytes(data[:keep])))
    position = 0
    for region in read_layout(view).regions:
        assert region.offset == position
        position = region.end
    assert position == view.size
