"""AES key schedules: every form found wherever it lies, nothing found where there is none."""

from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan import aes
from dumpscan.matchers.aes_schedules import AesSchedules
from dumpscan.matchers.base import View
from dumpscan.model import Candidate, Clue, Confidence, Evidence, Severity, Span

SIZE = 1 << 14
TEXT = b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n"
FORMS = list(itertools.product(("forward", "reversed", "rotated"), (False, True), (False, True)))


def memory(kind: str, size: int = SIZE, seed: int = 1) -> bytearray:
    if kind == "random":
        return bytearray(random.Random(seed).randbytes(size))
    return bytearray((TEXT * (size // len(TEXT) + 1))[:size] if kind == "text" else size)


def schedule(key: bytes, order: str = "forward", mixed: bool = False, swapped: bool = False) -> bytes:
    words = aes.expand(np.frombuffer(key, np.uint8).reshape(1, -1, 4))
    return aes.stored(words, order, mixed=mixed, swapped=swapped).tobytes()


def scan(
    data: bytes | bytearray, phase: int = 0, address: int | None = 0x1000, byte_order: str = "little"
) -> list[Evidence]:
    view = View(memoryview(data), (Span(0, len(data)),), byte_order, 8, address, phase)
    return list(AesSchedules().match(view, ()))


def candidates(data: bytes | bytearray, phase: int = 0) -> list[Candidate]:
    return [item for item in scan(data, phase) if isinstance(item, Candidate)]


@settings(deadline=None, max_examples=250)
@given(
    size=st.sampled_from([16, 24, 32]),
    form=st.sampled_from(FORMS),
    kind=st.sampled_from(["random", "zero", "text"]),
    seed=st.integers(0, 2**32),
    word=st.integers(0, (SIZE - 240) // 4 - 1),
    phase=st.integers(0, 63),
)
def test_every_form_is_found_at_every_place(
    size: int, form: tuple[str, bool, bool], kind: str, seed: int, word: int, phase: int
) -> None:
    key = random.Random(seed).randbytes(size)
    planted = schedule(key, *form)
    start = 4 * word + -phase % 4
    data = memory(kind, seed=seed + 1)
    data[start : start + len(planted)] = planted
    (found,) = candidates(data, phase)
    assert found.identity == b"aes:" + key
    assert found.spans == (Span(start, start + len(planted)),)
    assert (found.confidence, found.severity) == (Confidence.PROVEN, Severity.MEDIUM)
    assert found.evidence == f"all {len(planted) // 4} words follow from the first {size // 4}"
    assert {key, planted, schedule(key)} <= {part.value for part in found.components}
    assert key.hex() not in repr(found)


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("form", FORMS)
def test_first_and_last_bytes_of_a_window(size: int, form: tuple[str, bool, bool]) -> None:
    planted = schedule(random.Random(size).randbytes(size), *form)
    for data in (planted, planted + bytes(4096), bytes(4096) + planted):
        assert [len(item.spans[0]) for item in candidates(data)] == [len(planted)]


@pytest.mark.parametrize("place", [262144 - 100, 262144 - 4, 262144, 524288 - 236])
def test_across_blocks(place: int) -> None:
    data = memory("random", 1 << 20)
    planted = schedule(bytes(range(100, 132)), "reversed", True)
    data[place : place + 240] = planted
    assert [item.spans for item in candidates(data)] == [(Span(place, place + 240),)]


def test_schedules_side_by_side_are_told_apart() -> None:
    """Linux's crypto_aes_ctx: encryption, decryption, length."""
    key = random.Random(5).randbytes(32)
    data = bytes(64) + schedule(key) + schedule(key, "reversed", True) + b"\x20\0\0\0" + bytes(60)
    found = candidates(data)
    assert {item.spans for item in found} == {(Span(64, 304),), (Span(304, 544),)}
    assert {item.identity for item in found} == {b"aes:" + key}
    assert {item.encoding for item in found} == {"aes-schedule", "aes-schedule-reversed-mixed"}


@given(seed=st.integers(0, 2**32), word=st.integers(0, 43), bit=st.integers(0, 31))
@settings(deadline=None)
def test_a_changed_word_is_not_proven(seed: int, word: int, bit: int) -> None:
    key = random.Random(seed).randbytes(16)
    planted = bytearray(schedule(key))
    planted[4 * word + bit // 8] ^= 1 << bit % 8
    data = memory("random", seed=seed + 1)
    data[400:576] = planted
    for item in candidates(data):
        assert item.confidence is Confidence.VALIDATED
        assert all(Span(400 + word // 4 * 16, 0).start not in range(s.start, s.end) for s in item.spans)


def test_what_is_left_of_a_freed_schedule() -> None:
    """libgcrypt leaves 112 of 176 bytes (seven round keys): the key still follows from them."""
    key = random.Random(9).randbytes(16)
    data = memory("random")
    data[64:176] = schedule(key)[64:]
    (found,) = candidates(data)
    assert found.identity == b"aes:" + key
    assert found.spans == (Span(64, 176),)
    assert found.confidence is Confidence.VALIDATED


@pytest.mark.parametrize("shift", range(4))
def test_packed_arrays_of_a_java_heap_dump(shift: int) -> None:
    planted = schedule(random.Random(3).randbytes(16))
    data = bytes(333 + shift) + planted + bytes(100)
    (found,) = (item for item in scan(data, address=None, byte_order="big") if isinstance(item, Candidate))
    assert found.spans == (Span(333 + shift, 333 + shift + 176),)


def test_public_keys_are_told_from_secrets() -> None:
    (found,) = candidates(schedule(bytes(range(32))))
    assert found.title == "AES-256 key schedule (generator's fixed key)"
    assert found.severity is Severity.INFO
    assert all(bytes(range(16)) not in part.value for part in found.components)
    zero = candidates(bytes(512) + schedule(bytes(32)) + bytes(512))
    assert [(item.severity, item.spans) for item in zero] == [(Severity.INFO, (Span(512, 752),))]
    assert all(bytes(16) not in part.value for part in zero[0].components)


def test_nothing_in_random_memory() -> None:
    generator = np.random.default_rng(7)
    for _ in range(4):
        assert scan(generator.bytes(16 << 20)) == []


N = 1 << 20
INNOCENT = {
    "zero": bytes(N),
    "byte": b"\x55" * N,
    "word": b"\xde\xad\xbe\xef" * (N // 4),
    "counter of 4 bytes": np.arange(N // 4, dtype=np.uint32).tobytes(),
    "counter of 8 bytes": np.arange(N // 8, dtype=np.uint64).tobytes(),
    "floats": np.sin(np.arange(N // 4) / 100).astype(np.float32).tobytes(),
    "doubles": np.sin(np.arange(N // 8) / 100).tobytes(),
    "labels": np.random.default_rng(1).integers(0, 4, N // 4, dtype=np.uint32).tobytes(),
    "flags": np.random.default_rng(2).integers(0, 2, N, dtype=np.uint8).tobytes(),
    "records": np.tile(np.array([0, 5, 9, 0], np.uint32), N // 16).tobytes(),
    "text": bytes(memory("text", N)),
}


@pytest.mark.parametrize("name", INNOCENT)
def test_patterns_are_neither_keys_nor_limits(name: str) -> None:
    assert scan(INNOCENT[name]) == []


def shift_register() -> bytes:
    words = [0x12345678, 0x9ABCDEF0, 0x0F1E2D3C, 0x4B5A6978]
    while len(words) < N // 4:
        words.append(words[-4] ^ words[-1])
    return np.array(words, np.uint32).tobytes()


@pytest.mark.parametrize("name", ["near keys", "schedules", "shift register"])
def test_hostile_memory_ends_with_a_limit(name: str) -> None:
    keys = np.random.default_rng(1).integers(0, 256, (N // 16, 4, 4), dtype=np.uint8)
    data = {
        "near keys": lambda: aes.expand(keys)[:, :16].tobytes(),
        "schedules": lambda: aes.expand(keys).tobytes(),
        "shift register": lambda: shift_register() * 4,
    }[name]()
    started = time.process_time()
    found = scan(data)
    assert time.process_time() - started < 5
    (limit,) = (item for item in found if isinstance(item, Clue))
    assert limit.kind == "limit"
    assert 0 <= limit.start < limit.end <= len(data)


@given(st.binary(max_size=600), st.integers(0, 63))
@settings(deadline=None)
def test_total(data: bytes, phase: int) -> None:
    assert scan(data, phase) == []
