"""Private halves with no border to tell them, beside public keys that the dump names."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec as ec_keys
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.keys import CURVES, okp_public, okp_seed_size
from dumpscan.matchers.ec_scalars import EcScalars
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.model import Candidate, PublicKey, all_clues
from dumpscan.prove import beside, ec, okp
from dumpscan.prove.means import Means
from dumpscan.scan import Options, scan_source
from tests.makers.raw_keys import heap, view
from tests.makers.source import BytesSource


def proven(data: bytes, key: PublicKey) -> list[Candidate]:
    def around(offset: int, before: int, after: int) -> tuple[bytes, bytes]:
        return data[max(offset - before, 0) : offset], data[offset : offset + after]

    limits: list[str] = []
    prover = ec.prove if key.algorithm == "ec" else okp.prove
    found = prover([], [key], lambda _address, _size: b"", limits, Means(around))
    assert limits == []
    return found


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(okp.ALGORITHMS),
    st.integers(0, 1 << 30),
    st.integers(0, 7),
    st.integers(0, beside.NEAR) | st.sampled_from([192]),
    st.booleans(),
)
def test_a_seed_amid_random_data(algorithm: str, seed: int, shift: int, gap: int, before: bool) -> None:
    source = random.Random(seed)
    size = okp_seed_size(algorithm)
    private = source.randbytes(size)
    public = okp_public(algorithm, private)
    parts = (private, source.randbytes(gap), public) if before else (public, source.randbytes(gap), private)
    head = source.randbytes(500 + shift)
    data = head + b"".join(parts) + source.randbytes(500)
    at = len(head) + (size + gap if before else 0)
    (key,) = proven(data, PublicKey(algorithm, point=public, start=at))
    assert data[key.spans[0].start : key.spans[0].end] == private
    assert proven(data.replace(private, source.randbytes(size)), PublicKey(algorithm, point=public, start=at)) == []


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "secp256k1", "brainpoolP512r1"])
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("before", [True, False])
def test_a_scalar_that_touches_its_point(curve: str, order: str, before: bool) -> None:
    source = random.Random(curve)
    size = (CURVES[curve].key_size + 7) // 8
    numbers = ec_keys.derive_private_key(
        source.getrandbits(CURVES[curve].key_size - 3), CURVES[curve]
    ).private_numbers()
    x, y = numbers.public_numbers.x, numbers.public_numbers.y
    point = b"\x04" + x.to_bytes(size, "big") + y.to_bytes(size, "big")
    scalar = numbers.private_value.to_bytes(size, "big" if order == "big" else "little")
    head = source.randbytes(300)
    data = head + (scalar + point if before else point + scalar) + source.randbytes(300)
    public = PublicKey("ec", (x, y), curve=curve, start=len(head) + (size if before else 0))
    (key,) = proven(data, public)
    assert data[key.spans[0].start : key.spans[0].end] == scalar


def test_certificates_and_keys_of_nowhere_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.Random(1).randbytes(32)
    public = okp_public("ed25519", seed)
    assert proven(public + seed, PublicKey("ed25519", point=public, start=0))
    assert proven(public + seed, PublicKey("ed25519", point=public, label="certificate CN=a", start=0)) == []
    assert proven(public + seed, PublicKey("ed25519", point=public)) == []
    monkeypatch.setattr(beside, "MAX_KEYS", 1)
    keys = [PublicKey("ed25519", point=public, start=0), PublicKey("ed25519", point=seed, start=0)]
    limits: list[str] = []
    assert okp.prove([], keys, lambda _address, _size: b"", limits) == []
    assert limits == ["more public keys to look around than the limit of one dump"]


@pytest.mark.parametrize("algorithm", ["ed25519", "x25519"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_seed_public_key_and_signature_in_one_run(algorithm: str, order: tuple[int, int, int]) -> None:
    """Of no public key that is known from elsewhere: what stands in 128 random bytes is tried on itself."""
    source = random.Random(algorithm)
    seed = source.randbytes(32)
    parts = (seed, okp_public(algorithm, seed), source.randbytes(64))
    data = heap([b"".join(parts[i] for i in order)], "zeros", source)
    found = list(all_clues(EcScalars().match(view(data), ())))
    (key,) = okp.prove(found, [], lambda _address, _size: b"", [])
    assert key.kind == f"{algorithm}-private-key"


@pytest.mark.parametrize("make", [ed25519.Ed25519PrivateKey, x25519.X25519PrivateKey])
def test_a_seed_beside_a_public_key_of_a_dump(make: type[ed25519.Ed25519PrivateKey]) -> None:
    """From the file to the report; the seed has random bytes on both sides."""
    source = random.Random(9)
    key = make.from_private_bytes(source.randbytes(32))
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    seed = key.private_bytes_raw()
    data = bytes(256) + source.randbytes(64) + seed + source.randbytes(64) + spki + source.randbytes(64) + bytes(256)
    assert not any(clue.value == seed for clue in all_clues(RAW_INTEGERS.match(view(data), ())))
    (finding,) = scan_source(BytesSource(data), "d", Options(jobs=1)).report.findings
    assert finding.confidence.label == "proven"
    assert [place.offset for place in finding.occurrences] == [320]
