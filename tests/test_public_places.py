"""Private halves amid random data beside bare copies of public keys that the dump, or the user, names elsewhere."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan import public_places
from dumpscan.keys import CURVES, point_of
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.model import DumpReport, PublicKey, all_clues
from dumpscan.prove.beside import NEAR
from dumpscan.scan import Options, scan_source
from tests.makers.raw_keys import view
from tests.makers.source import BytesSource

Key = ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey


def made(algorithm: str, source: random.Random) -> tuple[Key, bytes, bytes, PublicKey]:
    """A key; its private and its public octets; what the user would name it by."""
    if algorithm in ("ed25519", "x25519"):
        cls = ed25519.Ed25519PrivateKey if algorithm == "ed25519" else x25519.X25519PrivateKey
        key = cls.from_private_bytes(source.randbytes(32))
        public = key.public_key().public_bytes_raw()
        return key, key.private_bytes_raw(), public, PublicKey(algorithm, point=public)
    size = (CURVES[algorithm].key_size + 7) // 8
    scalar = source.getrandbits(CURVES[algorithm].key_size - 1)
    point = point_of(algorithm, scalar)
    assert point is not None
    raw = b"\x04" + b"".join(number.to_bytes(size, "big") for number in point)
    known = PublicKey("ec", point, curve=algorithm)
    return ec.derive_private_key(scalar, CURVES[algorithm]), scalar.to_bytes(size, "big"), raw, known


def spki(key: Key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def scanned(data: bytes, *known: PublicKey, window: int = 1 << 20) -> DumpReport:
    return scan_source(BytesSource(data), "d", Options(jobs=1, known_keys=known, window=window)).report


ALGORITHMS = ["ed25519", "x25519", "P-256", "P-384", "secp256k1"]


@pytest.mark.parametrize("named_by", ["the dump", "the user"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 1 << 30), shift=st.integers(0, 7), gap=st.integers(0, NEAR), before=st.booleans())
def test_beside_a_bare_copy(algorithm: str, named_by: str, seed: int, shift: int, gap: int, before: bool) -> None:
    source = random.Random(seed)
    key, private, public, known = made(algorithm, source)
    parts = [private, source.randbytes(gap), public]
    run = source.randbytes(300 + shift) + b"".join(parts if before else parts[::-1]) + source.randbytes(300)
    data = bytes(4096) + run + bytes(4096)
    if named_by == "the dump":
        data = bytes(512) + spki(key) + data
    assert not any(clue.value == private for clue in all_clues(RAW_INTEGERS.match(view(data), ())) if clue.end > 9000)
    report = scanned(data, *([known] if named_by == "the user" else []))
    (finding,) = report.findings
    assert (finding.confidence.label, report.coverage.limits) == ("proven", ())
    assert data.index(private) in [place.offset for place in finding.occurrences]


@pytest.mark.parametrize("order", ["big", "little"])
def test_a_point_without_its_first_byte_across_windows(order: str) -> None:
    """x, y and d, one after the other, as limbs or octets, where two windows meet; every other copy is swept too."""
    source = random.Random(order)
    _, _, _, known = made("P-256", source)
    scalar = random.Random(order).getrandbits(255)
    assert point_of("P-256", scalar) == known.numbers
    numbers = b"".join(n.to_bytes(32, "big" if order == "big" else "little") for n in (*known.numbers, scalar))
    private = numbers[64:]
    data = source.randbytes(8192 - 70) + numbers + source.randbytes(5000) + private[3:] + source.randbytes(3000)
    (finding,) = scanned(data, known, window=4096).findings
    assert [(p.offset, p.length) for p in finding.occurrences] == [(8192 - 6, 32), (8192 - 70 + 96 + 5000, 29)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_beside_a_copy(algorithm: str) -> None:
    source = random.Random(algorithm)
    *_, public, known = made(algorithm, source)
    report = scanned(source.randbytes(700) + public + source.randbytes(700), known)
    assert (report.findings, report.coverage.limits) == ((), ())


def test_which_keys_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = point_of("P-256", 1)
    assert generator is not None
    own = PublicKey("ed25519", point=bytes(range(32)), label="certificate CN=mine")
    other = PublicKey("ed25519", point=bytes(range(1, 33)), label="certificate CN=other")
    ssh = PublicKey("ed25519", point=bytes(range(2, 34)), label="ssh-ed25519")
    limits: list[str] = []
    publics = [other, ssh, PublicKey("ec", generator, curve="P-256"), PublicKey("rsa", (15, 3))]
    assert public_places.wanted(publics, [own], (), limits) == [ssh, own]
    assert public_places.wanted(publics, [own], [b"ed25519:" + ssh.point], limits) == [own]
    assert limits == []
    monkeypatch.setattr(public_places, "MAX_WANTED", 1)
    assert public_places.wanted(publics, [own], (), limits) == [ssh]
    assert limits == ["more public keys whose copies to look for than the limit of one dump"]
