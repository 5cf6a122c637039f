"""BoringSSL's random generator: its schedules are told apart from those of ciphers."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from dumpscan import aes
from dumpscan.matchers.aes_schedules import AesSchedules
from dumpscan.matchers.base import View
from dumpscan.model import Candidate, Clue, Severity, Span
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
