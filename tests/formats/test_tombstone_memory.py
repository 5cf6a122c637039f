"""Memory that a tombstone prints in hexadecimal: found, and gone from the digits and from the characters."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dumpscan.formats.registry import plain_view, read_layout
from dumpscan.redact import redact_path
from dumpscan.scan import scan_path
from tests.formats.test_app_formats import TOMBSTONE
from tests.makers.planted import RSA_KEY, github_token, spki
from tests.makers.redacting import options
from tests.makers.source import BytesSource

TOKEN = github_token(random.Random(99)).encode()
PRIME = RSA_KEY.private_numbers().p.to_bytes(128, "little")
PUBLIC = spki(RSA_KEY)
HEAD = TOMBSTONE.replace("Authorization token ghp_", "nothing ")


def near(data: bytes, address: int, word: int = 8, name: str = "x1 ([anon:libc_malloc])", lost: int = -1) -> str:
    """``memory near``; the word ``lost`` could not be read."""
    lines = [f"\nmemory near {name}:"]
    for at in range(0, len(data), 16):
        row = data[at : at + 16].ljust(16, b"\0")
        words = [row[i : i + word][::-1].hex() for i in range(0, 16, word)]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        if at // 16 == lost:
            words[0], shown = "-" * 2 * word, "." * word + shown[word:]
        lines.append(f"    {address + at:0{2 * word}x} {' '.join(words)}  {shown}")
    return "\n".join(lines) + "\n"


def stack(data: bytes, address: int) -> str:
    lines = ["\nstack:"]
    for at in range(0, len(data), 8):
        lead = "    #00  " if at == 16 else " " * 9
        tail = "  /system/lib64/libc.so (abort+168)" if at == 24 else ""
        lines.append(f"{lead}{address + at:016x}  {data[at : at + 8][::-1].hex()}{tail}")
    return "\n".join(lines) + "\n"


def registers(values: bytes, word: int = 8, name: str = "x", columns: int = 4) -> str:
    """Rows of registers that hold ``values``."""
    lines = []
    cells = [values[i : i + word][::-1].hex() for i in range(0, len(values), word)]
    for at in range(0, len(cells), columns):
        row = (f"  {name + str(at + i):3} {cell}" for i, cell in enumerate(cells[at : at + columns]))
        lines.append("  " + "".join(row))
    return "\n".join(lines) + "\n"


def memory_of(text: str) -> bytes:
    view = plain_view(BytesSource(text.encode()))
    return b"".join(
        view.read(r.offset, r.size) for r in read_layout(view).regions if r.kind == "memory" and r.address is not None
    )


def bytes_of(text: bytes) -> bytes:
    """Every word of the file, read by hand."""
    found = bytearray()
    for line in text.decode().splitlines():
        width = len(line[4:].split(" ")[0])
        if line[:4] == "    " and line[4] in "07" and width in (8, 16):
            words = line[5 + width :].split("  ")[0].split()
            assert len(words) == 32 // width
            found += b"".join(bytes.fromhex(word)[::-1] for word in words)
        elif line.startswith(("         0", "    #00  0")):
            found += bytes.fromhex(line[27:43])[::-1]
    return bytes(found)


@pytest.mark.parametrize("word", [8, 4])
@pytest.mark.parametrize("shift", [0, 5])
def test_a_token_and_a_raw_key_are_found_and_gone(word: int, shift: int, tmp_path: Path) -> None:
    address = 0x7B2F4FD010 if word == 8 else 0x7B2F4010
    data = bytes(32 + shift) + TOKEN + bytes(60 - shift) + bytes(12)
    key = bytes(48) + PRIME + bytes(32) + PUBLIC + bytes(64)
    text = HEAD + near(data, address, word) + near(key, address + 0x10000, word, "x2") + "\nopen files:\n    fd 1: no\n"
    assert TOKEN not in text.encode()
    path, copy = tmp_path / "tombstone_00", tmp_path / "copy"
    path.write_text(text)
    report = scan_path(str(path), options()).report
    assert report.verdict == "findings"
    assert {finding.kind for finding in report.findings} == {"github-token", "rsa-private-key"}
    (token,) = (f for f in report.findings if f.kind == "github-token")
    (place,) = (o for o in token.occurrences if o.address is not None)
    assert place.address == address + 32 + shift
    redact_path(str(path), copy, options())
    after = copy.read_bytes()
    assert scan_path(str(copy), options()).report.verdict == "clean"
    assert len(after) == path.stat().st_size
    assert after.decode().count("\n") == text.count("\n")
    left = bytes_of(after)
    assert len(left) == len(bytes_of(text.encode()))
    for secret in (TOKEN, PRIME):
        assert secret in bytes_of(text.encode())
        assert not any(secret[i : i + 8] in left or secret[i : i + 6] in after for i in range(len(secret) - 8))
    assert PUBLIC in left
    same = [a == b for a, b in zip(text.splitlines(), after.decode().splitlines(), strict=True)]
    assert 10 < same.count(False) < 16
    assert memory_of(after.decode()) == left


def test_the_stack_is_memory_too(tmp_path: Path) -> None:
    path, copy = tmp_path / "tombstone_00", tmp_path / "copy"
    path.write_text(HEAD + stack(bytes(16) + TOKEN + bytes(24), 0x7FD8A4BC80))
    report = scan_path(str(path), options()).report
    assert [f.kind for f in report.findings] == ["github-token"]
    assert report.findings[0].occurrences[0].address == 0x7FD8A4BC90
    redact_path(str(path), copy, options())
    assert TOKEN[:8] not in bytes_of(copy.read_bytes())
    assert b"  /system/lib64/libc.so (abort+168)\n" in copy.read_bytes()
    assert scan_path(str(copy), options()).report.verdict == "clean"


@pytest.mark.parametrize(
    ("abi", "word", "name", "columns", "first"),
    [("arm64", 8, "x", 4, 2), ("arm64", 16, "v", 2, 0), ("arm", 4, "r", 4, 1), ("arm", 8, "d", 2, 3)],
)
def test_registers_are_memory_too(abi: str, word: int, name: str, columns: int, first: int, tmp_path: Path) -> None:
    """A token that was copied through registers, an old tombstone's vectors among them; one thread of two."""
    data = bytes(range(first * word)) + TOKEN + bytes(-len(TOKEN) % word) + bytes(2 * word)
    other = "--- --- --- --- ---\npid: 17946, tid: 17951, name: pool 2  >>> com.example.app <<<\n"
    head = HEAD.replace("ABI: 'arm64'", f"ABI: '{abi}'").replace("    x0  ", "    x0: ")
    text = head + registers(bytes(4 * word), word, name, columns) + other + registers(data, word, name, columns)
    text += "    sp  0000007fd8a4bc80  pc  0000007b2f4fd010  pst 0000000060001000\n" if abi == "arm64" else ""
    text += "\nbacktrace:\n      #00 pc 0000000000053a34  /system/lib64/libc.so\n"
    path, copy = tmp_path / "tombstone_00", tmp_path / "copy"
    path.write_text(text)
    view = plain_view(BytesSource(text.encode()))
    layout = read_layout(view)
    (one, two) = (r for r in layout.regions if r.kind == "registers")
    assert (one.thread, two.thread, two.name, two.address) == (17949, 17951, "registers", None)
    assert [(t.id, t.name) for t in layout.threads] == [(17949, "Binder"), (17951, "pool 2")]
    assert view.read(two.offset, len(data)) == data
    assert two.size == len(data) + (24 if abi == "arm64" else 0)
    report = scan_path(str(path), options()).report
    (finding,) = report.findings
    assert [(o.region, o.thread, o.offset) for o in finding.occurrences] == [
        ("registers", 17951, two.offset + first * word)
    ]
    redact_path(str(path), copy, options())
    after = copy.read_text()
    assert len(after) == len(text)
    assert scan_path(str(copy), options()).report.verdict == "clean"
    left = plain_view(BytesSource(after.encode()))
    assert left.read(two.offset, two.size) == data[: first * word] + b"X" * len(TOKEN) + view.read(
        two.offset + first * word + len(TOKEN), two.size - first * word - len(TOKEN)
    )
    assert after.replace("58", "") != after
    assert [a == b for a, b in zip(text.splitlines(), after.splitlines(), strict=True)].count(False) <= 6


@pytest.mark.parametrize(
    "line",
    [
        "    fd 12345678: /dev/null",
        "      #00 pc 0000000000053a34  /system/lib64/libc.so",
        "    x0  00000000000000001",
        "    x0  0000000000000000  and more",
        "    libexample 00000000",
        "x0  0000000000000000",
        "    " + "a1 12345678" * 300 + "!",
    ],
)
def test_other_lines_are_no_registers(line: str) -> None:
    text = HEAD.replace("    x0  ", "    x0: ") + line + "\n"
    assert [r.kind for r in read_layout(plain_view(BytesSource(text.encode()))).regions] == ["text"]


def test_what_could_not_be_read_divides_runs() -> None:
    view = plain_view(BytesSource((HEAD + near(bytes(range(64)), 0x1000, lost=1)).encode()))
    runs = [r for r in read_layout(view).regions if r.kind == "memory" and r.address]
    assert [(r.address, r.size) for r in runs] == [(0x1000, 16), (0x1018, 40)]
    assert view.read(runs[1].offset, 4) == bytes(range(24, 28))
    assert all(r.offset % 64 == (r.address or 0) % 64 for r in runs)


def test_without_memory_it_is_text() -> None:
    source = BytesSource(TOMBSTONE.replace("    x0  ", "    x0: ").encode())
    assert plain_view(source) is source
    layout = read_layout(source)
    assert [region.kind for region in layout.regions] == ["text"]
    assert (layout.architecture, layout.unread) == ("arm64", ())


def test_hostile_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dumpscan.formats.printed_memory.MAX_RUNS", 3)
    many = "".join(near(b"a" * 16, 0x1000 * n) for n in range(1, 9))
    view = plain_view(BytesSource((HEAD + many + "    " + "0" * 3_000_000).encode()))
    assert "the rest is scanned as text" in read_layout(view).unread[0].reason
    for cut in range(0, 400, 7):
        read_layout(plain_view(BytesSource((HEAD + many).encode()[: len(HEAD) + cut])))
