"""ChaCha20 states and the constants in libraries that look like them."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.chacha20 import block
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.chacha import CHACHA
from dumpscan.model import Candidate, Clue, Evidence, Mapped, Severity, Span
from dumpscan.prove.symmetric import generators

CONSTANT = CHACHA.anchors[0]


def scan(data: bytes, address: int | None = 0x1000) -> list[Evidence]:
    start = data.find(CONSTANT)
    hits = [Hit(0, start)] if start >= 0 else []
    return list(CHACHA.match(View(memoryview(data), (Span(0, len(data)),), address=address), hits))


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_a_state(seed: int, word: int) -> None:
    key = random.Random(seed).randbytes(32)
    start = 4 * word + len(CONSTANT)
    found = scan(bytes(4 * word) + CONSTANT + key + bytes(16))
    assert [item.spans for item in found if isinstance(item, Candidate)] == [(Span(start, start + 32),)]
    assert key.hex() not in repr(found)


@pytest.mark.parametrize(
    "data",
    [
        CONSTANT,
        CONSTANT + bytes(64),
        CONSTANT + b"expand 16-byte k" + random.Random(1).randbytes(64),
        b"expand 16-byte k" + CONSTANT + random.Random(1).randbytes(64),
        CONSTANT + b"invalid length of the nonce, or of the key, in this call",
        CONSTANT + bytes(range(64)),
        CONSTANT + b"\x01\0\0\0" * 16,
        CONSTANT + b"\x03\x02\x01\x00\x07\x06\x05\x04\x0b\x0a\x09\x08\x0f\x0e\x0d\x0c" * 2,
        b"\0" + CONSTANT + random.Random(1).randbytes(64),
        CONSTANT + random.Random(1).randbytes(32) + b"\0\0\0\x10" + bytes(12),
        CONSTANT + random.Random(1).randbytes(32) + bytes(15),
    ],
)
def test_constants_of_libraries(data: bytes) -> None:
    assert scan(data) == []


# ---------------------------------------------------------------- generators

KEY = random.Random(5).randbytes(32)
ADDRESS = 0x7F00_0000_1000


def state(counter: int, nonce: bytes = b"12345678") -> bytes:
    return CONSTANT + KEY + struct.pack("<Q", counter) + nonce


def owner(data: bytes, address: int | None = None) -> str:
    """The generator that a state is said to be of; empty for none."""
    found = scan(data, address)
    clues = [item for item in found if isinstance(item, Clue)]
    (candidate,) = generators((item for item in found if isinstance(item, Candidate)), clues)
    assert candidate.severity == (Severity.INFO if clues else Severity.MEDIUM)
    assert all(clue.value == KEY for clue in clues)
    return clues[0].note.decode().partition("'")[0] if clues else ""


def behind(data: bytes) -> bytes:
    return data + bytes(128)


@given(st.integers(0, 2**20))
def test_sqlite_keeps_the_block_of_its_state(counter: int) -> None:
    assert owner(behind(state(counter) + block(state(counter)))) == "SQLite"


@pytest.mark.parametrize("left", range(1, 16))
def test_mimalloc_zeroes_what_it_has_handed_out(left: int) -> None:
    output = bytes(64 - 4 * left) + block(state(3))[64 - 4 * left :]
    assert owner(behind(state(4) + output + struct.pack("<I", left))) == "mimalloc"
    assert owner(behind(state(4) + output + struct.pack("<I", left - 1))) == ""


def test_mimalloc_has_its_address_for_a_nonce() -> None:
    data = behind(bytes(64) + state(1, struct.pack("<Q", ADDRESS + 64)))
    assert owner(data, ADDRESS) == "mimalloc"
    assert owner(data, ADDRESS + 16) == ""
    assert owner(data) == ""
    pieces = (Mapped(0, 0x1000, 64), Mapped(64, ADDRESS + 64, len(data) - 64))
    view = View(memoryview(data), (Span(0, len(data)),), mapped=pieces)
    assert any(isinstance(item, Clue) for item in CHACHA.match(view, [Hit(0, 64)]))


def test_gnutls_keeps_the_time_of_its_seeding() -> None:
    time = struct.pack("<Q", 1_790_000_000)
    assert owner(behind(state(2, time) + struct.pack("<QQ", 64, 0) + time)) == "GnuTLS"
    assert owner(behind(state(2, time) + struct.pack("<QQ", 256, 0) + time)) == ""
    assert owner(behind(state(2, bytes(8)) + struct.pack("<QQ", 64, 0) + bytes(8))) == ""


def test_a_cipher_is_no_generator() -> None:
    """libgcrypt keeps the block before that of its state, whole."""
    assert owner(behind(state(4) + block(state(3)) + struct.pack("<I", 5))) == ""
    assert owner(state(4)) == ""
