"""OpenSSL's random generator: its key is recognised, and its schedules are marked down."""

from __future__ import annotations

import random
import struct

import pytest

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.ctr_drbg import CTR_DRBG
from dumpscan.model import Candidate, Clue, Severity, Span
from dumpscan.prove.symmetric import generators

POINTERS = (0x55AA_0000_1000, 0x55AA_0000_2000, 0x55AA_0000_3000, 0x55AA_0000_4000, 0x55AA_0000_5000)


def scan(data: bytes, phase: int = 0, pointer_size: int = 8) -> list[Clue]:
    hits = [Hit(i, data.find(a)) for i, a in enumerate(CTR_DRBG.anchors) if a in data]
    view = View(memoryview(data), (Span(0, len(data)),), phase=phase, pointer_size=pointer_size)
    return [item for item in CTR_DRBG.match(view, hits) if isinstance(item, Clue)]


def generator(key: bytes, pointers: tuple[int, ...] = POINTERS) -> bytes:
    return struct.pack("<5QQI", *pointers, len(key), 1) + key + bytes(80)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_structure(size: int) -> None:
    key = random.Random(size).randbytes(size)
    (clue,) = scan(bytes(16) + generator(key))
    assert (clue.kind, clue.value, clue.start) == ("drbg-key", key, 16 + 52)


def test_no_structure() -> None:
    key = random.Random(1).randbytes(32)
    assert scan(generator(key), phase=4) == []
    assert scan(generator(key), pointer_size=4) == []
    assert scan(generator(key, (0, *POINTERS[1:]))) == []
    assert scan(generator(bytes(32))) == []
    assert scan(generator(key)[40:]) == []
    assert scan(generator(key)[:60]) == []


def test_generators_are_marked_down() -> None:
    key, other = random.Random(2).randbytes(32), random.Random(3).randbytes(32)
    found = [
        Candidate(
            "aes-key", "AES-256 key schedule", b"aes:" + some, (Span(0, 240),), "aes-schedule", (), Severity.MEDIUM
        )
        for some in (key, other)
    ]
    clues = [
        Clue("drbg-key", key, 0, 32, "octets", b"OpenSSL's CTR_DRBG"),
        Clue("rsa-factor", other, 0, 32, "octets"),
    ]
    marked = generators(found, clues)
    assert [item.severity for item in marked] == [Severity.INFO, Severity.MEDIUM]
    assert marked[0].evidence.endswith("+ key of OpenSSL's CTR_DRBG")
    assert marked[1] is found[1]
