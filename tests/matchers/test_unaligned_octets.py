"""Scalars and seeds that do not begin at a word of memory."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.keys import CURVES, okp_public, okp_seed_size, point_of
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.matchers.unaligned_octets import SIZES, UnalignedOctets
from dumpscan.model import PublicKey, all_clues
from dumpscan.prove import ec, okp
from tests.makers.raw_keys import view

CURVES_IN_USE = ["P-256", "P-384", "P-521", "secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"]


def nothing(address: int, size: int) -> bytes:
    return b""


def planted(value: bytes, shift: int, source: random.Random) -> bytes:
    """With random data around, behind zeros."""
    head = source.randbytes(256) + bytes(64 + shift)
    return head + value + bytes(64 + -(len(head) + len(value)) % 8) + source.randbytes(256)


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("curve", CURVES_IN_USE)
@pytest.mark.parametrize("order", ["little", "big"])
def test_a_scalar_of_any_curve_at_any_alignment(curve: str, shift: int, order: str) -> None:
    bits = CURVES[curve].key_size
    source = random.Random(f"{curve}{shift}")
    scalar = 1 << bits - 2 | source.getrandbits(bits - 2)
    point = point_of(curve, scalar)
    assert point
    stored = scalar.to_bytes((bits + 7) // 8, "big" if order == "big" else "little")
    data = planted(stored, shift, source)
    (key,) = ec.prove(list(all_clues(RAW_INTEGERS.match(view(data), ()))), [PublicKey("ec", point, curve=curve)],
                      nothing, [])  # fmt: skip
    assert data[key.spans[0].start : key.spans[0].end] == stored


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("algorithm", okp.ALGORITHMS)
def test_a_seed_of_any_algorithm_at_any_alignment(algorithm: str, shift: int) -> None:
    source = random.Random(f"{algorithm}{shift}")
    seed = source.randbytes(okp_seed_size(algorithm))
    found = list(all_clues(RAW_INTEGERS.match(view(planted(seed, shift, source)), ())))
    (key,) = okp.prove(found, [PublicKey(algorithm, point=okp_public(algorithm, seed))], nothing, [])
    assert key.kind == f"{algorithm}-private-key"


@pytest.mark.parametrize("size", SIZES)
def test_behind_a_length(size: int) -> None:
    """As in a structure {u32 length; u8 octets[]}, and in arrays of the JVM with compact headers."""
    value = random.Random(size).randbytes(size)
    data = bytes(64) + size.to_bytes(4, "little") + value + bytes(64 - (size + 4) % 8)
    assert value in [clue.value for clue in all_clues(UnalignedOctets().match(view(data), ()))]


def test_nearly_all_of_many() -> None:
    """Where several words of one look plain by chance it is missed: one in some hundred."""
    source = random.Random(8)
    values = [source.randbytes(32) for _ in range(1000)]
    data = b"".join(bytes(43) + value + bytes(-(43 + 32) % 8 + 16) for value in values)
    found = {clue.value for clue in all_clues(UnalignedOctets().match(view(data), ()))}
    assert len(found & set(values)) > 970


def test_more_than_the_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(9)
    data = b"".join(bytes(35) + source.randbytes(32) + bytes(5) for _ in range(100))
    assert "limit" not in {clue.kind for clue in all_clues(UnalignedOctets().match(view(data), ()))}
    monkeypatch.setattr("dumpscan.matchers.unaligned_octets.MAX_TRIED", 10)
    assert "limit" in {clue.kind for clue in all_clues(UnalignedOctets().match(view(data), ()))}


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=700))
def test_total_on_anything(data: bytes) -> None:
    list(UnalignedOctets().match(view(data), ()))
