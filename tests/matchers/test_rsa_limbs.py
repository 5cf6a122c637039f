from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dumpscan.matchers.rsa_limbs import RsaLimbs
from dumpscan.model import Clue, all_clues
from dumpscan.prove import rsa
from tests.makers.raw_keys import ENCODERS, filler, heap, rsa_numbers, view


def clues(data: bytes) -> list[Clue]:
    return list(all_clues(RsaLimbs().match(view(data), ())))


@pytest.mark.parametrize("bits", [1024, 1536, 2048, 3072, 4096])
@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("kind", ["zeros", "pointers", "text", "random"])
def test_primes_and_modulus_behind_allocator_headers(bits: int, encoding: str, kind: str) -> None:
    key = rsa_numbers(bits)
    numbers = (key.p, key.q, key.public_numbers.n)
    data = heap([ENCODERS[encoding](v) for v in numbers], kind, random.Random(bits))
    found = {int.from_bytes(c.value, "big"): c for c in clues(data) if c.kind == "rsa-integer"}
    for number in numbers:
        clue = found[number]
        assert data[clue.start : clue.end] == ENCODERS[encoding](number)
        assert clue.encoding == encoding
    (candidate,) = rsa.prove(list(found.values()), [], lambda _address, _size: b"", [])
    assert candidate.confidence.label == "proven"


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(0, 3),
    st.sampled_from(["limbs-le", "octets", "words-msw-le32"]),
    st.sampled_from(["zeros", "pointers", "text", "random"]),
    st.sampled_from([0, 4]),
    st.integers(0, 1 << 30),
)
def test_any_key_at_four_byte_alignment(index: int, encoding: str, kind: str, shift: int, seed: int) -> None:
    key = rsa_numbers(1024, index)
    data = heap([ENCODERS[encoding](v) for v in (key.p, key.q)], kind, random.Random(seed), shift)
    assert {key.p, key.q} <= {int.from_bytes(c.value, "big") for c in clues(data)}


@pytest.mark.parametrize("shift", range(8))
def test_octet_strings_at_any_alignment(shift: int) -> None:
    key = rsa_numbers(2048)
    data = bytes(64 + shift) + ENCODERS["octets"](key.p) + bytes(77)
    assert key.p in {int.from_bytes(c.value, "big") for c in clues(data)}


def test_parts_one_after_the_other() -> None:
    """Windows and libraries with fixed arrays keep p, q, dp, dq, qinv without anything between them."""
    key = rsa_numbers(2048)
    parts = (key.p, key.q, key.dmp1, key.dmq1, key.iqmp)
    data = bytes(256) + b"".join(v.to_bytes(128, "little") for v in parts) + bytes(256)
    assert {key.p, key.q} <= {int.from_bytes(c.value, "big") for c in clues(data)}


@pytest.mark.parametrize("data", [b"", b"\x01", bytes(7), b"\xff" * 4099, bytes(range(256)) * 9])
def test_total(data: bytes) -> None:
    assert isinstance(clues(data), list)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=700), st.integers(0, 63))
def test_total_on_anything(data: bytes, phase: int) -> None:
    list(RsaLimbs().match(replace(view(data), phase=phase), ()))


@pytest.mark.parametrize("kind", ["random", "text", "pointers"])
def test_little_evidence_from_much_memory(kind: str) -> None:
    data = filler(kind, 1 << 20, random.Random(1))
    started = time.process_time()
    found = clues(data)
    assert len(found) < 200
    assert time.process_time() - started < 2
