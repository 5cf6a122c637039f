"""Windows key blobs are found, proved and not invented; the blobs are made here, field by field."""

from __future__ import annotations

import os
import struct

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.aes import expand
from dumpscan.matchers.cng import CNG
from dumpscan.model import Candidate, Confidence, Severity
from tests.makers.match import candidates, publics, run, spanned

RSA = rsa.generate_private_key(65537, 2048).private_numbers()
DSA = dsa.generate_private_key(1024)


def rsa_blob(magic: bytes) -> bytes:
    n, e = RSA.public_numbers.n, RSA.public_numbers.e
    private = magic != b"RSA1"
    head = magic + struct.pack("<5I", 2048, 3, 256, 128 if private else 0, 128 if private else 0)
    body = e.to_bytes(3, "big") + n.to_bytes(256, "big")
    if private:
        body += RSA.p.to_bytes(128, "big") + RSA.q.to_bytes(128, "big")
    if magic == b"RSA3":
        body += b"".join(v.to_bytes(128, "big") for v in (RSA.dmp1, RSA.dmq1, RSA.iqmp)) + RSA.d.to_bytes(256, "big")
    return head + body


def capi_blob(private: bool, algorithm: int = 0xA4) -> bytes:
    n, e = RSA.public_numbers.n, RSA.public_numbers.e
    blob = struct.pack("<BBHI", 7 if private else 6, 2, 0, algorithm << 8) + (b"RSA2" if private else b"RSA1")
    blob += struct.pack("<II", 2048, e) + n.to_bytes(256, "little")
    if private:
        parts = (RSA.p, RSA.q, RSA.dmp1, RSA.dmq1, RSA.iqmp)
        blob += b"".join(v.to_bytes(128, "little") for v in parts) + RSA.d.to_bytes(256, "little")
    return blob


def ec_blob(magic: bytes, curve: ec.EllipticCurve, private: bool = True) -> bytes:
    key = ec.generate_private_key(curve).private_numbers()
    size = (curve.key_size + 7) // 8
    numbers = [key.public_numbers.x, key.public_numbers.y] + ([key.private_value] if private else [])
    return magic + struct.pack("<I", size) + b"".join(v.to_bytes(size, "big") for v in numbers)


@pytest.mark.parametrize("magic", [b"RSA2", b"RSA3"])
def test_cng_rsa(magic: bytes) -> None:
    data = os.urandom(77) + rsa_blob(magic) + os.urandom(50)
    (found,) = candidates(CNG, data)
    assert found.confidence is Confidence.PROVEN
    assert found.identity.endswith(RSA.public_numbers.n.to_bytes(256, "big"))
    assert spanned(data, found)[0] == RSA.p.to_bytes(128, "big")


@pytest.mark.parametrize("algorithm", [0xA4, 0x24])
def test_capi_rsa(algorithm: int) -> None:
    data = b"x" * 3 + capi_blob(True, algorithm)
    (found,) = candidates(CNG, data)
    assert spanned(data, found)[-1] == RSA.d.to_bytes(256, "little")
    (public,) = publics(CNG, capi_blob(False, algorithm))
    assert public.numbers == (RSA.public_numbers.n, RSA.public_numbers.e)


def test_public_rsa() -> None:
    assert publics(CNG, b"!" + rsa_blob(b"RSA1"))[0].numbers[0] == RSA.public_numbers.n


@pytest.mark.parametrize(
    ("magic", "curve"),
    [
        (b"ECS2", ec.SECP256R1()),
        (b"ECK4", ec.SECP384R1()),
        (b"ECS6", ec.SECP521R1()),
        (b"ECDV", ec.SECP256K1()),
        (b"ECKV", ec.BrainpoolP384R1()),
    ],
)
def test_cng_ec(magic: bytes, curve: ec.EllipticCurve) -> None:
    blob = ec_blob(magic, curve)
    (found,) = candidates(CNG, b"12345" + blob)
    assert found.confidence is Confidence.PROVEN
    assert spanned(b"12345" + blob, found) == [blob[-((curve.key_size + 7) // 8) :]]
    assert candidates(CNG, blob[:-1] + bytes([blob[-1] ^ 1])) == []


@pytest.mark.parametrize("magic", [b"ECS1", b"ECK1"])
def test_cng_ec_public(magic: bytes) -> None:
    assert len(publics(CNG, ec_blob(magic, ec.SECP256R1(), private=False))) == 1


def test_full_ec_blob() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    head = b"ECDV" + struct.pack("<7I", 1, 1, 0, 32, 32, 1, 20)
    q = key.public_numbers
    blob = head + bytes(5 * 32 + 32 + 1 + 20) + b"".join(v.to_bytes(32, "big") for v in (q.x, q.y, key.private_value))
    (found,) = candidates(CNG, blob)
    assert spanned(blob, found) == [key.private_value.to_bytes(32, "big")]


def test_curve25519() -> None:
    key = x25519.X25519PrivateKey.generate()
    blob = b"ECKV" + struct.pack("<I", 32) + key.public_key().public_bytes_raw() + bytes(32) + key.private_bytes_raw()
    assert candidates(CNG, blob)[0].kind == "x25519-private-key"


@pytest.mark.parametrize("second", [False, True])
def test_cng_dsa(second: bool) -> None:
    key = DSA.private_numbers()
    p, q, g, y = (*_parameters(), key.public_numbers.y)
    size = (p.bit_length() + 7) // 8
    middle = b"".join(v.to_bytes(size, "big") for v in (p, g, y))
    raw_q, x = q.to_bytes(20, "big"), key.x.to_bytes(20, "big")
    if second:
        blob = b"DPV2" + struct.pack("<6I", size, 1, 1, 20, 20, 7) + bytes(20) + raw_q + middle + x
    else:
        blob = b"DSPV" + struct.pack("<I", size) + bytes(4) + bytes(20) + raw_q + middle + x
    (found,) = candidates(CNG, blob)
    assert found.kind == "dsa-private-key" and found.confidence is Confidence.PROVEN
    assert candidates(CNG, blob[:-1] + bytes([blob[-1] ^ 1])) == []


def _parameters() -> tuple[int, int, int]:
    numbers = DSA.private_numbers().public_numbers.parameter_numbers
    return numbers.p, numbers.q, numbers.g


def test_capi_dsa() -> None:
    p, q, g = _parameters()
    x = DSA.private_numbers().x
    blob = struct.pack("<BBHI", 7, 2, 0, 0x2200) + b"DSS2" + struct.pack("<I", 1024)
    blob += p.to_bytes(128, "little") + q.to_bytes(20, "little") + g.to_bytes(128, "little") + x.to_bytes(20, "little")
    (found,) = candidates(CNG, blob + bytes(24))
    assert spanned(blob, found) == [x.to_bytes(20, "little")]


def test_cng_dh() -> None:
    p, _, g = _parameters()
    x = int.from_bytes(os.urandom(40), "big")
    blob = b"DHPV" + struct.pack("<I", 128) + b"".join(v.to_bytes(128, "big") for v in (p, g, pow(g, x, p), x))
    assert candidates(CNG, blob)[0].kind == "dh-private-key"
    assert candidates(CNG, blob[:-1] + bytes([blob[-1] ^ 1])) == []
    (public,) = publics(CNG, b"DHPB" + blob[4:-128])
    assert (public.algorithm, public.numbers) == ("dh", (p, g, pow(g, x, p)))


@pytest.mark.parametrize("size", [16, 24, 32])
def test_key_data_blob(size: int) -> None:
    key = bytes((i * 37 + 140) % 256 for i in range(size))
    (found,) = candidates(CNG, b"KDBM" + struct.pack("<II", 1, size) + key)
    assert (found.kind, found.confidence, found.severity) == ("aes-key", Confidence.POSSIBLE, Severity.MEDIUM)
    assert candidates(CNG, b"KDBM" + struct.pack("<II", 2, size) + key) == []
    assert candidates(CNG, b"KDBM" + struct.pack("<II", 1, size) + bytes(size)) == []


@pytest.mark.parametrize(
    ("algorithm", "size", "kind"), [(0x660E, 16, "aes-key"), (0x6610, 32, "aes-key"), (0x6603, 24, "symmetric-key")]
)
def test_capi_plaintext_key_blob(algorithm: int, size: int, kind: str) -> None:
    key = bytes((i * 37 + 140) % 256 for i in range(size))
    head = struct.pack("<BBHII", 8, 2, 0, algorithm, size)
    (found,) = candidates(CNG, b"x" * 5 + head + key)
    assert (found.kind, found.confidence, spanned(b"x" * 5 + head + key, found)) == (kind, Confidence.POSSIBLE, [key])
    assert candidates(CNG, head + key[:-1]) == []
    assert candidates(CNG, head + bytes(size)) == []
    assert candidates(CNG, struct.pack("<BBHII", 8, 2, 0, algorithm, size - 1) + key) == []


@pytest.mark.parametrize("size", [16, 32])
def test_bcrypt_object_with_schedule(size: int) -> None:
    key = bytes((i * 91 + 133) % 256 for i in range(size))
    schedule = expand(np.frombuffer(key, np.uint8).reshape(1, -1, 4)).tobytes()
    body = struct.pack("<I4sI", 0x200, b"KSSM", 0x10005) + bytes(56 - 12) + struct.pack("<I", size) + key + bytes(4)
    data = (b"q" * 9 + body + schedule).ljust(0x400, b"\0")
    (found,) = candidates(CNG, data)
    assert (found.confidence, spanned(data, found)) == (Confidence.PROVEN, [key])
    (bare,) = candidates(CNG, (b"q" * 9 + body).ljust(0x400, b"\0"))
    assert bare.confidence is Confidence.POSSIBLE


def test_dpapi_blob() -> None:
    guid = bytes.fromhex("d08c9ddf0115d1118c7a00c04fc297eb")
    secret = os.urandom(48)
    blob = struct.pack("<I", 1) + guid + struct.pack("<I", 1) + os.urandom(16) + struct.pack("<I", 0)
    blob += _sized(b"a\0\0\0") + struct.pack("<II", 0x6610, 256) + _sized(os.urandom(32)) + _sized(b"")
    blob += struct.pack("<II", 0x800E, 512) + _sized(os.urandom(32)) + _sized(secret) + _sized(os.urandom(64))
    data = b"--" + blob
    (found,) = candidates(CNG, data)
    assert (found.kind, found.severity, spanned(data, found)) == ("dpapi-blob", Severity.LOW, [secret])
    assert candidates(CNG, blob[:-1]) == []


def _sized(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


def test_pvk() -> None:
    encrypted = b"\x1e\xf1\xb5\xb0" + struct.pack("<5I", 0, 1, 1, 16, 596)
    body = b"\x07\x02\0\0\0\xa4\0\0" + os.urandom(588)
    (found,) = candidates(CNG, encrypted + os.urandom(16) + body)
    assert found.kind == "pvk-private-key"
    plain = b"\x1e\xf1\xb5\xb0" + struct.pack("<5I", 0, 1, 0, 0, 1172) + capi_blob(True)
    assert [found.kind for found in candidates(CNG, plain)] == ["rsa-private-key"]


@pytest.mark.parametrize("where", [30, 300, 420, 1000])
def test_one_byte_changed(where: int) -> None:
    """In n, p, q or d; a damaged dp leaves p*q = n, a key still."""
    blob = bytearray(rsa_blob(b"RSA3"))
    blob[where] ^= 1
    assert candidates(CNG, bytes(blob)) == []


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_total_on_mutations(data: st.DataObject) -> None:
    """Never raises, and what it reports is right."""
    blobs = [rsa_blob(b"RSA3"), capi_blob(True), b"DHPV", b"KSSM", b"ECDV", b"KDBM\1\0\0\0", b"DPV2", b"\0\0\0\0KSSM"]
    blob = bytearray(data.draw(st.binary(max_size=40)) + data.draw(st.sampled_from(blobs)))
    for at in data.draw(st.lists(st.integers(0, len(blob) - 1), max_size=3)):
        blob[at] = data.draw(st.integers(0, 255))
    tail = data.draw(st.binary(max_size=300))
    cut = data.draw(st.integers(0, len(blob)))
    for item in run(CNG, bytes(blob) + tail) + run(CNG, bytes(blob[:cut])):
        if isinstance(item, Candidate) and item.kind == "rsa-private-key":
            assert item.identity.endswith(RSA.public_numbers.n.to_bytes(256, "big"))


def test_many_anchors_are_cheap() -> None:
    for anchor in CNG.anchors:
        assert candidates(CNG, anchor * (200_000 // len(anchor))) == []
