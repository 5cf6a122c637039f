from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dumpscan.curves import EQUATIONS, curves_of
from dumpscan.keys import CURVES, okp_seed_size, point_of
from dumpscan.matchers.ec_scalars import EcScalars
from dumpscan.model import Candidate, Clue, Evidence, PublicKey, all_clues
from dumpscan.prove import ec as prove_ec
from dumpscan.prove import okp as prove_okp
from tests.makers.raw_keys import ENCODERS, heap, view

OKP: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey,
    "ed448": ed448.Ed448PrivateKey,
    "x25519": x25519.X25519PrivateKey,
    "x448": x448.X448PrivateKey,
}
KINDS = ["zeros", "pointers", "text", "random"]


def nothing(_address: int, _size: int) -> bytes:
    return b""


def clues(evidence: list[Evidence]) -> list[Clue]:
    return list(all_clues(evidence))


def run(data: bytes) -> list[Evidence]:
    return list(EcScalars().match(view(data), ()))


@pytest.mark.parametrize("curve", [name for name in CURVES if name in EQUATIONS])
@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("kind", KINDS)
def test_scalar_of_a_known_point(curve: str, encoding: str, kind: str) -> None:
    source = random.Random(f"{curve}{encoding}")
    size = (CURVES[curve].key_size + 7) // 8
    bits = CURVES[curve].key_size
    private = ec.derive_private_key(1 << bits - 2 | source.getrandbits(bits - 2), CURVES[curve]).private_numbers()
    scalar = private.private_value
    stored = ENCODERS[encoding](scalar)
    if encoding == "octets":
        stored = scalar.to_bytes(size, "big")
    elif encoding == "limbs-le":
        stored = scalar.to_bytes(size, "little")
    size_field = struct.pack("<Q", len(stored) // 4) if encoding.startswith("digits") else b""  # int, or malloc's block
    data = heap([size_field + stored], kind, source)
    public = PublicKey("ec", (private.public_numbers.x, private.public_numbers.y), curve=curve)
    (key,) = prove_ec.prove(clues(run(data)), [public], nothing, [])
    assert key.confidence.label == "proven"
    assert [data[s.start : s.start + 8] for s in key.spans] == [stored[:8]]


@pytest.mark.parametrize("word", range(4))
def test_scalar_with_a_word_that_looks_plain(word: int) -> None:
    octets = bytearray(random.Random(word).randbytes(32))
    octets[8 * word : 8 * word + 8] = b"8-bit-no"
    for kind in KINDS:
        data = heap([bytes(octets)], kind, random.Random(kind))
        assert bytes(octets) in [clue.value for clue in clues(run(data))], kind


def test_point_in_the_clear() -> None:
    for curve in EQUATIONS:
        point = point_of(curve, 0x1234567890ABCDEF)
        assert point
        size = (CURVES[curve].key_size + 7) // 8
        assert list(curves_of(*point, size)) == [curve]
        assert not list(curves_of(point[0], point[1] ^ 1, size))
        if size == 66:
            continue
        raw = b"\x04" + b"".join(v.to_bytes(size, "big") for v in point)
        for shift in range(8):
            found = run(bytes(64 + shift) + raw + bytes(77))
            assert [(k.curve, k.numbers) for k in found if isinstance(k, PublicKey)] == [(curve, point)]


@pytest.mark.parametrize("algorithm", OKP)
@pytest.mark.parametrize("kind", KINDS)
def test_seed_with_its_public_key(algorithm: str, kind: str) -> None:
    source = random.Random(algorithm)
    key = OKP[algorithm].from_private_bytes(source.randbytes(okp_seed_size(algorithm)))
    raw = serialization.Encoding.Raw
    seed = key.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = key.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    known = [PublicKey(algorithm, point=public)]
    found: list[Candidate] = prove_okp.prove(clues(run(heap([seed], kind, source))), known, nothing, [])
    assert [c.kind for c in found] == [f"{algorithm}-private-key"]
    if len(seed) == 32:
        found = prove_okp.prove(clues(run(heap([seed + public], kind, source))), [], nothing, [])
        assert [c.kind for c in found] == [f"{algorithm}-private-key"]


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=700))
def test_total_on_anything(data: bytes) -> None:
    prove_okp.prove(clues(run(data)), [], nothing, [])
