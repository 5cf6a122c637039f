"""Wine's key objects lead to keys that stand elsewhere; the objects are made here, field by field."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.wine_keys import WINE_KEYS
from dumpscan.model import Clue, Confidence, Span
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from tests.makers.minidump import MinidumpMaker

KEY = random.Random(5).randbytes(32)
PLACE = 0x10A2160


def key_object(
    pointer: int = 8, backend: int = 2, cipher: int = 1, block: int = 16, vector: int = 16, size: int = 32
) -> bytes:
    head = struct.pack("<4sI", b"0YEK", cipher) + bytes(8 * backend) + struct.pack("<II", 0, block)
    pair = "<QI4x" if pointer == 8 else "<II"
    body = struct.pack(pair, 0x10A2190 if vector else 0, vector) + struct.pack(pair, PLACE, size)
    return head + body + bytes(40)


def clues(data: bytes, pointer: int = 8) -> list[Clue]:
    at = data.find(b"0YEK")
    hits = [Hit(index, at) for index, anchor in enumerate(WINE_KEYS.anchors) if data.startswith(anchor, at)]
    view = View(memoryview(data), (Span(0, len(data)),), pointer_size=pointer)
    return list(WINE_KEYS.match(view, hits))


@pytest.mark.parametrize("pointer", [4, 8])
@pytest.mark.parametrize("backend", [2, 3])
@pytest.mark.parametrize("vector", [0, 16])
def test_object(pointer: int, backend: int, vector: int) -> None:
    (clue,) = clues(b"before" + key_object(pointer, backend, vector=vector), pointer)
    assert (clue.start, int.from_bytes(clue.value, "big"), clue.note, clue.encoding) == (6, PLACE, b"\x20", "aes-key")


def test_triple_des() -> None:
    (clue,) = clues(key_object(cipher=0, block=8, vector=8, size=24))
    assert (clue.note, clue.encoding) == (b"\x18", "symmetric-key")


@pytest.mark.parametrize("wrong", [{"cipher": 7}, {"block": 12}, {"size": 33}, {"size": 0}, {"vector": 64}])
def test_other_objects(wrong: dict[str, int]) -> None:
    assert clues(key_object(**wrong)) == []


def test_every_cut() -> None:
    data = key_object()
    least = 8 + 16 + 8 + 16 + 12
    assert [length for length in range(8, len(data)) if clues(data[:length])] == list(range(least, len(data)))


@pytest.mark.parametrize(("processor", "pointer"), [(0, 4), (9, 8)])
def test_the_key_is_found_and_redacted(processor: int, pointer: int, tmp_path: Path) -> None:
    """The bytes of the key themselves give nothing away: only the pointer leads there."""
    dump = tmp_path / "dump"
    heap = (PLACE - 64, bytes(64) + KEY + bytes(64))

    def made(with_object: bool) -> None:
        memory = key_object(pointer) if with_object else bytes(200)
        dump.write_bytes(MinidumpMaker().system(processor).memory64((0x50000, memory), heap).build())

    made(with_object=False)
    assert scan_path(str(dump), Options(jobs=1)).report.verdict == "clean"
    made(with_object=True)
    copy = tmp_path / "copy"
    (finding,) = redact_path(str(dump), copy, Options(jobs=1)).report.findings
    assert (finding.kind, finding.confidence) == ("aes-key", Confidence.VALIDATED)
    assert [(o.offset, o.length, o.address) for o in finding.occurrences] == [(dump.read_bytes().index(KEY), 32, PLACE)]
    assert KEY[8:24] not in copy.read_bytes()
