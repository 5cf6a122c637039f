"""What ``--known-key`` takes, and that everything else is a clear error."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from dumpscan.errors import UsageError
from dumpscan.known_keys import load_known_keys
from tests.matchers.test_pkcs12 import CERTIFICATE

RSA = rsa.generate_private_key(65537, 2048)
NUMBERS = (RSA.public_key().public_numbers().n, 65537)
E, P, S = serialization.Encoding, serialization.PublicFormat, serialization.PrivateFormat
NONE = serialization.NoEncryption()


def b64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


FILES = {
    "pem": RSA.public_key().public_bytes(E.PEM, P.SubjectPublicKeyInfo),
    "pkcs1": RSA.public_key().public_bytes(E.PEM, P.PKCS1),
    "der": RSA.public_key().public_bytes(E.DER, P.SubjectPublicKeyInfo),
    "private": RSA.private_bytes(E.PEM, S.PKCS8, NONE),
    "openssh private": RSA.private_bytes(E.PEM, S.OpenSSH, NONE),
    "ssh": RSA.public_key().public_bytes(E.OpenSSH, P.OpenSSH) + b" me@example\n",
    "known_hosts": b"host,10.0.0.1 " + RSA.public_key().public_bytes(E.OpenSSH, P.OpenSSH) + b"\n",
    "jwk": json.dumps({"kty": "RSA", "n": b64(NUMBERS[0]), "e": "AQAB", "kid": "k1"}).encode(),
    "jwks": json.dumps({"keys": [{"kty": "RSA", "n": b64(NUMBERS[0]), "e": "AQAB"}]}).encode(),
}


@pytest.mark.parametrize("form", FILES)
def test_forms(tmp_path: Path, form: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(FILES[form])
    (found,) = load_known_keys(path)
    assert (found.algorithm, found.numbers) == ("rsa", NUMBERS)


def test_bundle(tmp_path: Path) -> None:
    path = tmp_path / "bundle.pem"
    okp = ed25519.Ed25519PrivateKey.generate().public_key()
    curve = ec.generate_private_key(ec.SECP521R1()).public_key()
    keys = b"".join(key.public_bytes(E.PEM, P.SubjectPublicKeyInfo) for key in (okp, curve))
    path.write_bytes(CERTIFICATE.public_bytes(E.PEM) + b"words\n" + keys)
    found = load_known_keys(path)
    assert [key.algorithm for key in found] == ["ec", "ed25519", "ec"]
    assert found[0].label == "certificate CN=example, issuer CN=example, to 2027-01-01"


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"{", b"[1]", b'{"kty": "RSA"}', b'{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}',
     b"\x30\x03abc",
     b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"ssh-rsa AAAAB3Nz\n"],
)  # fmt: skip
def test_anything_else_is_a_usage_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="known key"):
        load_known_keys(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_known_keys(tmp_path / "none")
