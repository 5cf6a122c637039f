"""Breakpad's microdumps: made ones, and real ones with a token on the stack; Breakpad reads the copy, where it is
installed."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.formats.registry import plain_view, read_layout, recognise
from dumpscan.redact import redact_path
from dumpscan.scan import scan_path
from tests.makers.fixtures import Row, manifest
from tests.makers.planted import RSA_KEY, github_token, spki
from tests.makers.programs import run
from tests.makers.redacting import options
from tests.makers.source import BytesSource

TOKEN = github_token(random.Random(41)).encode()
PRIME = RSA_KEY.private_numbers().p.to_bytes(128, "little")
PUBLIC = spki(RSA_KEY)
ROWS = [row for row in manifest() if row.format.startswith("microdump")]
REAL = pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
PREFIX = "02-25 07:59:17.030 F/google-breakpad(16162): "


def microdump(stack: bytes, context: bytes, address: int = 0x7FE2BA6000, prefix: str = PREFIX, digits: int = 16) -> str:
    """A microdump with lines of 384 bytes of stack, as Breakpad writes them."""
    lines = [
        "-----BEGIN BREAKPAD MICRODUMP-----",
        "V WebView:48.0",
        "O A arm64 02 aarch64 lge/p1:6.0/release-keys",
        "G",
    ]
    lines.append(f"S 0 {address + 16:0{digits}X} {address:0{digits}X} {len(stack):0{digits}X}")
    for at in range(0, len(stack), 384):
        lines.append(f"S {address + at:0{digits}X} {stack[at : at + 384].hex().upper()}")
    lines.append(f"C {context.hex().upper()}")
    module, size = f"{0x5500000000 % (1 << 4 * digits):0{digits}X}", f"{0x8000:0{digits}X}"
    lines.append(f"M {module} {0:0{digits}X} {size} 50D89C8096239F07B843A4C5C35923170 libthe app.so")
    lines.append("-----END BREAKPAD MICRODUMP-----")
    return "".join(prefix + line + "\n" for line in lines)


def memory_of(data: bytes) -> bytes:
    """The bytes of S and C lines, read by hand."""
    found = re.findall(rb"(?m): (?:S [0-9A-F]{8,16}|C) ([0-9A-F]+)\r?$", data)
    return b"".join(bytes.fromhex(digits.decode()) for digits in found)


@pytest.mark.parametrize("prefix", [PREFIX, "F google-breakpad: ", "W/google-breakpad( 3745): "])
@pytest.mark.parametrize("digits", [16, 8])
def test_a_token_and_a_raw_key_are_found_and_gone(prefix: str, digits: int, tmp_path: Path) -> None:
    address = 0x7FE2BA6000 % (1 << 4 * digits)
    # over the border of a line; at an odd place; in the registers of the context
    stack = bytes(384 - 21) + TOKEN + bytes(384 - 19 - 64) + PRIME + bytes(64) + PUBLIC + bytes(90)
    context = bytes(272) + TOKEN[:32] + bytes(400)
    text = f"{prefix}something else\n" + microdump(stack, context, address, prefix, digits)
    path, copy = tmp_path / "log.txt", tmp_path / "copy"
    path.write_text(text)
    report = scan_path(str(path), options()).report
    assert (report.format, report.architecture) == ("breakpad-microdump", "aarch64")
    assert {finding.kind for finding in report.findings} == {"github-token", "rsa-private-key"}
    (token,) = (f for f in report.findings if f.kind == "github-token")
    assert {(o.address, o.region) for o in token.occurrences} == {(address + 384 - 21, "stack"), (None, "context")}
    redact_path(str(path), copy, options())
    after = copy.read_bytes()
    assert scan_path(str(copy), options()).report.verdict == "clean"
    assert len(after) == len(text)
    left, whole = memory_of(after), memory_of(text.encode())
    assert whole == stack + context
    assert len(left) == len(whole)
    for secret in (TOKEN, PRIME):
        assert secret in whole
        assert not any(secret[i : i + 8] in left for i in range(len(secret) - 8))
    assert PUBLIC in left
    same = [a == b for a, b in zip(text.splitlines(), after.decode().splitlines(), strict=True)]
    assert same.count(False) == 4  # three lines of stack, and the context


LOG = "02-25 07:59:16.871 D/dalvikvm( 9337): GC_CONCURRENT freed 418K, 7% free 9342K/9991K, paused 2ms+3ms\n"


@pytest.mark.parametrize("lines", [50, 60_000])
def test_in_a_whole_log(lines: int, tmp_path: Path) -> None:
    """A logcat: the microdump begins anywhere in it, also over the border of what is read at once."""
    stack = bytes(100) + TOKEN + bytes(100)
    border = 1 << 20 if lines > 50 else 0
    before = LOG * (border // len(LOG) - 1 if border else lines)
    before += "x" * (border - len(before) - len(PREFIX) - 9) + "\n" if border else ""
    path, copy = tmp_path / "logcat.txt", tmp_path / "copy"
    path.write_text(before + microdump(stack, bytes(300)) + LOG * (lines - 50))
    report = scan_path(str(path), options()).report
    assert (report.format, report.architecture) == ("breakpad-microdump", "aarch64")
    (token,) = report.findings
    assert [(o.address, o.region) for o in token.occurrences] == [(0x7FE2BA6000 + 100, "stack")]
    redact_path(str(path), copy, options())
    assert TOKEN not in memory_of(copy.read_bytes())
    assert copy.read_text().count(LOG) == path.read_text().count(LOG)


def test_how_far_a_log_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (LOG * 20_000 + microdump(bytes(64), b"")).encode()
    assert recognise(BytesSource(text)).name == "breakpad-microdump"
    assert recognise(BytesSource(b"\0" + text)).name == "raw"  # no text
    monkeypatch.setattr("dumpscan.formats.microdump.SEARCHED", len(LOG) * 20_000)
    assert recognise(BytesSource(text)).name == "raw"


def test_what_is_known_of_the_process() -> None:
    source = BytesSource((microdump(bytes(1000), bytes(300)) + microdump(bytes(64), b"", 0x1000)).encode())
    view = plain_view(source)
    layout = read_layout(view)
    assert [(m.name, m.start, m.end) for m in layout.modules[:1]] == [("libthe app.so", 0x5500000000, 0x5500008000)]
    runs = [(r.kind, r.name, r.address, r.size) for r in layout.regions if r.kind in ("memory", "registers")]
    assert runs == [
        ("memory", "stack", 0x7FE2BA6000, 1000),
        ("registers", "context", None, 300),
        ("memory", "stack", 0x1000, 64),
    ]
    assert all(r.offset % 64 == (r.address or 0) % 64 for r in layout.regions if r.kind == "memory")
    assert (layout.pointer_size, layout.unread) == (8, ())


def test_digits_of_the_copy_keep_their_case(tmp_path: Path) -> None:
    text = microdump(bytes(range(200, 255)) + TOKEN + bytes(range(200, 255)), b"")
    text = re.sub("S ([0-9A-F]+) ([0-9A-F]+)", lambda m: f"S {m[1]} {m[2].lower()}", text)
    path, copy = tmp_path / "log.txt", tmp_path / "copy"
    path.write_text(text)
    redact_path(str(path), copy, options())
    changed = [i for i, (a, b) in enumerate(zip(text, copy.read_text(), strict=True)) if a != b]
    assert changed
    assert changed[-1] - changed[0] < 2 * len(TOKEN)


def test_hostile_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dumpscan.formats.printed_memory.MAX_RUNS", 3)
    many = "".join(microdump(b"a" * 16, b"c" * 8, 0x1000 * n) for n in range(1, 9))
    layout = read_layout(plain_view(BytesSource((many + ": S " + "0" * 3_000_000).encode())))
    assert "the rest is scanned as text" in layout.unread[0].reason


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(b"\0\nSCM: 0AFZ-\xff")), max_size=12), st.integers(0, 3000)
)
def test_damage_is_survived(edits: list[tuple[int, int]], keep: int) -> None:
    data = bytearray(microdump(bytes(range(256)) * 4, bytes(128)).encode())
    for place, value in edits:
        data[place % len(data)] = value
    source = BytesSource(bytes(data[: max(keep, 1)]))
    view = plain_view(source)
    position = 0
    for region in read_layout(view).regions:
        assert region.offset == position
        position = region.end
    assert position == view.size


# ---------------------------------------------------------------- real ones


@REAL
def test_real_microdumps(row: Row, tmp_path: Path) -> None:
    """A token and a raw prime on the stack of a real microdump."""
    path, copy = tmp_path / "dump", tmp_path / "copy"
    with_secrets(row, path)
    report = scan_path(str(path), options()).report
    assert "github-token" in {f.kind for f in report.findings}
    redact_path(str(path), copy, options())
    after = copy.read_bytes()
    assert len(after) == row.size
    assert TOKEN in memory_of(path.read_bytes())
    assert TOKEN[:16] not in memory_of(after)


def with_secrets(row: Row, path: Path) -> None:
    """Write a real microdump with a token and a prime on its stack."""
    data = row.file.read_bytes()
    assert recognise(BytesSource(data)).name == "breakpad-microdump"
    lines = re.findall(rb": S [0-9A-F]{8,16} [0-9A-F]{760,}", data)
    old = lines[1].rpartition(b" ")[2]
    raw = bytearray(bytes.fromhex(old.decode()))
    raw[100 : 100 + len(TOKEN) + 2] = b"\0" + TOKEN + b"\0"
    raw[168 : 168 + 8 + len(PRIME)] = bytes(8) + PRIME
    path.write_bytes(data.replace(old, raw.hex().upper().encode(), 1))


@REAL
def test_breakpad_walks_the_same_stack(row: Row, tmp_path: Path) -> None:
    """By Breakpad's ``microdump_stackwalk``, which is in no package: its own build has it."""
    if shutil.which("microdump_stackwalk") is None:
        pytest.skip("microdump_stackwalk not installed")
    path, copy = tmp_path / "dump", tmp_path / "copy"
    with_secrets(row, path)
    redact_path(str(path), copy, options())
    assert walked(copy) == walked(path)


def walked(path: Path) -> list[str]:
    """What it sees."""
    done = run("microdump_stackwalk", path)
    assert done.returncode == 0, done.stderr[-300:]
    assert "Crashed" in done.stdout or "Thread 0" in done.stdout
    return done.stdout.splitlines()
