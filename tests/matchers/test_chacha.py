"""ChaCha20 states and the constants in libraries that look like them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.chacha import CHACHA
from dumpscan.model import Candidate, Evidence, Span

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
    ],
)
def test_constants_of_libraries(data: bytes) -> None:
    assert scan(data) == []
