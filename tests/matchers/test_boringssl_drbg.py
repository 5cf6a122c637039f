"""BoringSSL's random generator: its schedules are told apart from those of ciphers."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from dumpscan import aes
from dumpscan.matchers.aes_schedules import AesSchedules
from dumpscan.matchers.base import View
from dumpscan.matchers.boringssl_drbg import OWNER
from dumpscan.model import Candidate, Clue, Evidence, Mapped, Severity, Span
from dumpscan.prove.symmetric import generators

KEY = random.Random(7).randbytes(32)
SCHEDULE = aes.expand(np.frombuffer(KEY, np.uint8).reshape(1, 8, 4)).tobytes()
BLOCK = random.Random(8).randbytes(16)
FUNCTIONS = struct.pack("<QQ", 0x55AA_0000_1000, 0x55AA_0000_2000)


def is_generator(behind: bytes, pointer_size: int = 8) -> bool:
    data = bytes(8) + SCHEDULE + behind + bytes(128)
    view = View(memoryview(data), (Span(0, len(data)),), address=0x1000, pointer_size=pointer_size)
    found = list(AesSchedules().match(view, []))
    clues = [item for item in found if isinstance(item, Clue)]
    (candidate,) = generators((item for item in found if isinstance(item, Candidate)), clues)
    assert all((clue.kind, clue.value, clue.start) == ("drbg-key", KEY, 8) for clue in clues)
    assert candidate.severity == (Severity.INFO if clues else Severity.MEDIUM)
    return bool(clues)


def state(rounds: int = 13, reseeded: int = 5, rest: bytes = struct.pack("<QQII", 1, 2, 4, 0)) -> bytes:
    return struct.pack("<II", rounds, 0) + FUNCTIONS + BLOCK + struct.pack("<Q", reseeded) + rest


@pytest.mark.parametrize(
    "rest",
    [struct.pack("<QQII", 1, 2, 4, 0), struct.pack("<QII", 2, 4, 0), struct.pack("<II", 4, 1)],
    ids=["with df", "with fork generation", "calls alone"],
)
@pytest.mark.parametrize("rounds", [13, 14])
def test_a_thread_s_state(rest: bytes, rounds: int) -> None:
    assert is_generator(state(rounds, rest=rest))


def test_its_derivation_function_on_the_stack() -> None:
    behind = struct.pack("<I", 13) + BLOCK[:12] + KEY + BLOCK + struct.pack(">II", 2, 0)
    assert is_generator(behind)
    assert not is_generator(behind[:-8] + struct.pack(">II", 3, 0))
    assert not is_generator(behind[:20] + BLOCK + behind[36:])


def test_a_cipher_is_no_generator() -> None:
    assert not is_generator(struct.pack("<II", 13, 0) + FUNCTIONS)
    assert not is_generator(struct.pack("<II", 13, 0) + FUNCTIONS + BLOCK + struct.pack("<QQQQ", 9, 1, 2, 3))
    assert not is_generator(state(rounds=10))
    assert not is_generator(state(reseeded=0))
    assert not is_generator(state(), pointer_size=4)
    assert not is_generator(state().replace(FUNCTIONS, bytes(16)))
    assert not is_generator(state().replace(BLOCK, bytes(16)))
    assert not is_generator(b"")


# ---------------------------------------------------------------- calls of the derivation function

STACK = 0x7F00_0000_1000
BACK = 0x55AA_0012_3456
DERIVED = struct.pack("<I", 13) + BLOCK[:12] + KEY + BLOCK + struct.pack(">II", 2, 0)


def called(
    key: bytes,
    behind: bytes = b"",
    frame: int = 528,
    back: int = BACK,
    address: int | None = STACK,
    out: int = 0,
) -> list[Evidence]:
    """What the matcher makes of a schedule, or of one whose end is lost, behind what a call saved of its frame."""
    schedule = aes.expand(np.frombuffer(key, np.uint8).reshape(1, 8, 4)).tobytes()
    saved = struct.pack("<QQQQ", STACK + 64 + frame, back, 0, out)
    data = bytes(32) + saved + (schedule + behind if behind else schedule[:-16]) + bytes(128)
    mapped = () if address is None else (Mapped(0, address, len(data)),)
    return list(AesSchedules().match(View(memoryview(data), (Span(0, len(data)),), mapped=mapped), []))


def severity(*evidence: Evidence, key: bytes) -> Severity:
    clues = [item for item in evidence if isinstance(item, Clue)]
    told = generators((item for item in evidence if isinstance(item, Candidate)), clues)
    return next(item.severity for item in told if item.identity == b"aes:" + key)


def test_an_overwritten_derivation_is_told_by_another_with_the_same_call() -> None:
    other = random.Random(9).randbytes(32)
    whole, left = called(KEY, DERIVED), called(other)
    assert severity(*whole, *left, key=other) == Severity.INFO
    assert severity(*whole, *left, key=KEY) == Severity.INFO
    assert severity(*left, key=other) == Severity.MEDIUM


@pytest.mark.parametrize(
    ("frame", "back", "address"),
    [(528, BACK + 1, STACK), (544, BACK, STACK), (528, STACK + 8, STACK), (100, BACK, STACK), (528, BACK, None)],
    ids=["another call", "another frame", "no return address", "no frame around it", "no address"],
)
def test_what_was_called_elsewhere_stays_a_data_key(frame: int, back: int, address: int | None) -> None:
    other = random.Random(9).randbytes(32)
    left = called(other, b"", frame, back, address)
    assert severity(*called(KEY, DERIVED), *left, key=other) == Severity.MEDIUM


def test_a_call_of_a_cipher_tells_nothing() -> None:
    other = random.Random(9).randbytes(32)
    evidence = [*called(KEY), *called(other)]
    assert severity(*evidence, key=KEY) == severity(*evidence, key=other) == Severity.MEDIUM


OUT = STACK + 64 + 560


def test_its_frame_tells_where_there_is_a_generator() -> None:
    other = random.Random(9).randbytes(32)
    left, elsewhere = called(other, out=OUT), called(other, out=OUT + 8)
    generator = Clue("drbg-key", KEY, 8, 40, "octets", OWNER)
    assert severity(*left, generator, key=other) == Severity.INFO
    assert severity(*left, key=other) == severity(*elsewhere, generator, key=other) == Severity.MEDIUM
    assert severity(*left, generator._replace(note=b"OpenSSL's CTR_DRBG"), key=other) == Severity.MEDIUM
