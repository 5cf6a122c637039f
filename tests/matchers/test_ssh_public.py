"""SSH public keys in wire form and as text."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.ssh_public import SSH_PUBLIC
from tests.makers.match import publics, run

KEYS: dict[str, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
}
TEXT = {name: key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) for name, key in KEYS.items()}


@pytest.mark.parametrize("name", KEYS)
def test_wire_and_text(name: str) -> None:
    blob = base64.b64decode(TEXT[name].split()[1])
    (wire,) = publics(SSH_PUBLIC, b"???" + blob + b"???")
    digest = base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()
    assert f"SHA256:{digest}" in wire.label
    assert wire.start == 3
    for charset in ("utf-8", "utf-16le"):
        text = (TEXT[name] + b" me@host\n").decode().encode(charset)
        (found,) = publics(SSH_PUBLIC, b"x" + text)
        assert (found.numbers, found.point) == (wire.numbers, wire.point)
        assert found.label == wire.label + " me@host"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(KEYS)), st.integers(0, 300), st.integers(0, 255), st.integers(0, 400))
def test_total(name: str, at: int, value: int, cut: int) -> None:
    blob = bytearray(base64.b64decode(TEXT[name].split()[1]))
    blob[at % len(blob)] = value
    run(SSH_PUBLIC, bytes(blob) + TEXT[name][:cut])


def test_many_anchors() -> None:
    for anchor in SSH_PUBLIC.anchors:
        run(SSH_PUBLIC, anchor * (400_000 // len(anchor)))
