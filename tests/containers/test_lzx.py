"""LZX in cabinets: read as cabextract reads it, written as MSZIP; damage and what takes long ends in a named limit."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dumpscan.containers import cab
from dumpscan.containers.cab import Cabinet
from dumpscan.containers.lzx import MOST_BLOCKS, WINDOWS, Lzx
from dumpscan.decoders import Damage
from dumpscan.errors import RedactionError
from dumpscan.redact_container import redact_any
from tests.containers.test_containers import ENVIRONMENT, MEMBERS, ONE, SECRET, content, limited, report_of
from tests.makers import cab as maker
from tests.makers.lzx import ALIGNED, UNCOMPRESSED, VERBATIM, Encoder, Token
from tests.makers.source import BytesSource

LZX = 3


def sample() -> bytes:
    """Text, noise, calls of x86 and zeros: matches near and far, and bytes that no code makes shorter."""
    rng = random.Random(8)
    words = [bytes(rng.choices(b"abcdefghij", k=rng.randrange(2, 9))) for _ in range(200)]
    text = b" ".join(rng.choices(words, k=6000))
    calls = b"".join(rng.choice((b"\xe8", b"\x90\xe8", b"\xc3")) + struct.pack("<i", t) for t in rng.choices(
        (0, 40_000, -40_000, 70_000, -5, 1 << 30, -(1 << 31)), k=6000))  # fmt: skip
    return text + rng.randbytes(33_333) + calls + text + bytes(40_000) + b"\xe8" * 21


SAMPLE = sample()
PLANS = {
    "verbatim": [(VERBATIM, 1 << 20)],
    "aligned": [(ALIGNED, 1 << 20)],
    "uncompressed": [(UNCOMPRESSED, 1 << 20)],
    "uncompressed, of odd sizes": [(UNCOMPRESSED, 33_333)],
    "of all kinds": [*maker.LZX_PLAN[:3], (UNCOMPRESSED, 1), (UNCOMPRESSED, 32_767), (ALIGNED, 5), (VERBATIM, 50_000)],
}


def unpacked(data: bytes) -> bytes:
    """The only member of a cabinet."""
    (item,) = Cabinet().items(BytesSource(data))
    assert not item.problem
    assert item.data
    return b"".join(item.data)


@pytest.mark.parametrize("calls", [0, 1000, len(SAMPLE), 12_000_000])
@pytest.mark.parametrize("plan", PLANS)
def test_every_kind_of_block(plan: str, calls: int, tmp_path: Path) -> None:
    path = tmp_path / "a.cab"
    data = maker.cabinet([{"a": SAMPLE}], LZX | 17 << 8, plan=PLANS[plan], calls=calls)
    path.write_bytes(data)
    assert unpacked(data) == SAMPLE
    assert maker.extracted(path, tmp_path / "out") == {"a": SAMPLE}


@pytest.mark.parametrize("window", [WINDOWS[0], 18, WINDOWS[-1]])
def test_every_window(window: int, tmp_path: Path) -> None:
    """Matches from the end of the window: their distances have 17 bits behind the slot in the largest ones."""
    far = random.Random(window).randbytes(9000)
    plain = far + random.Random(0).randbytes((1 << window) - 9500) + far
    path = tmp_path / "a.cab"
    data = maker.cabinet([{"a": plain}], LZX | window << 8, plan=[(VERBATIM, 100_000), (ALIGNED, 3 << 20)])
    path.write_bytes(data)
    assert len(data) < len(plain) * 1.2
    assert unpacked(data) == plain
    assert maker.extracted(path, tmp_path / "out") == {"a": plain}


def test_redacted(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.cab", tmp_path / "copy.cab"
    path.write_bytes(maker.cabinet([MEMBERS, {"more": SAMPLE + ENVIRONMENT}], LZX | 15 << 8))
    report = report_of(path)
    assert (report.format, report.verdict) == ("cab", "findings")
    places = {(o.member, o.offset) for f in report.findings for o in f.occurrences}
    assert ("more", len(SAMPLE) + ENVIRONMENT.index(SECRET)) in places
    redact_any(str(path), copy, ONE)
    assert report_of(copy).verdict == "clean"
    assert [struct.unpack_from("<IHH", copy.read_bytes(), 36 + 8 * i)[2] for i in range(2)] == [1, 1]
    before, after = maker.extracted(path, tmp_path / "before"), maker.extracted(copy, tmp_path / "after")
    assert before == {**MEMBERS, "more": SAMPLE + ENVIRONMENT}
    assert list(after) == list(before)
    assert after["more"] == before["more"].replace(SECRET, b"X" * len(SECRET))
    assert all(SECRET not in content(data) for data in after.values())
    assert [line[12:] for line in maker.listing(copy)] == [line[12:] for line in maker.listing(path)]


# ---------------------------------------------------------------- damage and malice


def test_no_more_than_a_named_number_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cab, "MOST_LZX", 200_000)
    path = tmp_path / "a.cab"
    path.write_bytes(maker.cabinet([{"a": ENVIRONMENT + bytes(99_000)}, {"b": bytes(150_000)}], LZX | 15 << 8))
    report = report_of(path)
    assert report.verdict == "inconclusive"
    assert SECRET in unpacked(maker.cabinet([{"a": ENVIRONMENT + bytes(99_000)}], LZX | 15 << 8))
    assert {o.member for f in report.findings for o in f.occurrences} == {"a"}
    assert "b: it is not read to its end: more than 200000 bytes of LZX" in [u.reason for u in report.coverage.unread]
    with pytest.raises(RedactionError):
        redact_any(str(path), tmp_path / "copy", ONE)


def test_noise(tmp_path: Path) -> None:
    """Damage is told, or nothing came of it; no frame takes long."""
    rng = random.Random(9)
    plan = [(VERBATIM, 3000), (ALIGNED, 3000), (UNCOMPRESSED, 333), (ALIGNED, 9000)]
    good = Encoder(SAMPLE[:12_000] + SAMPLE[-9000:], 15, plan, 12_000_000).pack()
    told = 0
    for _ in range(400):
        data = bytearray(good[0])
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(rng.choice((20, 200, len(data))))] = rng.randrange(256)
        started = time.process_time()
        try:
            plain = Lzx(15).frame(bytes(data[: rng.choice((len(data), len(data) // 2))]), 21_000)
            assert len(plain) == 21_000
        except Damage:
            told += 1
        assert time.process_time() - started < 3
    assert told > 200


def test_what_is_damaged_spoils_its_folder(tmp_path: Path) -> None:
    data = bytearray(maker.cabinet([{"a": SAMPLE}, {"b": ENVIRONMENT}], LZX | 15 << 8))
    at = struct.unpack_from("<I", data, 36)[0]
    data[at : at + 4] = bytes(4)  # no checksum
    data[at + 8 : at + 12] = b"\xff" * 4
    path = tmp_path / "a.cab"
    path.write_bytes(data)
    _, problems, _ = limited(path)
    assert len(problems) == 1
    assert problems[0].startswith("a: it is damaged (LZX)")
    assert report_of(path).findings


def bits(text: str) -> bytes:
    """Bits as a frame."""
    text = text.replace(" ", "")
    text += "0" * (-len(text) % 16)
    return b"".join(int(text[i : i + 16], 2).to_bytes(2, "little") for i in range(0, len(text), 16))


def block(kind: int, size: int) -> str:
    return f"{kind:03b} {size:024b} "


LIES = {
    "no data": (b"", "a block of type 0"),
    "a block of no kind": (bits("0" + block(0, 5)), "a block of type 0"),
    "a block of another kind": (bits("0" + block(7, 5)), "a block of type 7"),
    "a code without symbols": (bits("0" + block(VERBATIM, 5) + "0" * 80), "too early"),
    "a code of one symbol": (bits("0" + block(VERBATIM, 5) + "0001" + "0" * 76), "not complete"),
    "a code of too many symbols": (bits("0" + block(VERBATIM, 5) + "0001" * 20), "not complete"),
    "more symbols than there are": (
        bits("0" + block(VERBATIM, 5) + "0" * 68 + "0001" + "0001" + "0000" + ("1" + "1" * 5) * 20),
        "more codes than symbols",
    ),
    "octets that are missing": (bits("0" + block(UNCOMPRESSED, 99) + "0" * 4) + bytes(12), "octets are missing"),
    "blocks of nothing": (bits("0" + block(UNCOMPRESSED, 0) + "0" * 4) + bytes(12), "a block of type 0|too early"),
}


@pytest.mark.parametrize("lie", LIES)
def test_frames_that_lie(lie: str) -> None:
    data, said = LIES[lie]
    with pytest.raises(Damage, match=said):
        Lzx(15).frame(data, 32_768)


class MatchAtTheBegin(Encoder):
    """Begins with a match of the distance that is remembered, which is 1 at first."""

    def tokens(self, end: int) -> Iterator[Token]:
        self.block_start = self.at
        self.at = end
        yield (256 + end - 2, -1, 0)


def test_a_match_from_before_the_begin() -> None:
    with pytest.raises(Damage, match="a match 1 bytes back"):
        Lzx(15).frame(MatchAtTheBegin(b"aaaa", 15, [(VERBATIM, 4)]).pack()[0], 4)


def test_many_blocks() -> None:
    plain = bytes(range(200)) * 3
    few = Encoder(plain, 15, [(UNCOMPRESSED, -(-len(plain) // MOST_BLOCKS))]).pack()[0]
    assert Lzx(15).frame(few, len(plain)) == plain
    many = Encoder(plain, 15, [(UNCOMPRESSED, len(plain) // MOST_BLOCKS)]).pack()[0]
    with pytest.raises(Damage, match=f"more than {MOST_BLOCKS} blocks"):
        Lzx(15).frame(many, len(plain))
