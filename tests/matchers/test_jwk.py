"""JSON Web Keys in every spelling."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.jwk import JWK
from tests.makers.match import candidates, publics, run, spanned


def b64(value: int | bytes, width: int = 0) -> str:
    raw = value if isinstance(value, bytes) else value.to_bytes(width or (value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def rsa_jwk() -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 2048).private_numbers()
    names = {"d": key.d, "p": key.p, "q": key.q, "dp": key.dmp1, "dq": key.dmq1, "qi": key.iqmp}
    public = {"n": b64(key.public_numbers.n), "e": b64(65537)}
    return {"kty": "RSA", "kid": "k-1"} | public | {name: b64(v) for name, v in names.items()}


def ec_jwk(curve: ec.EllipticCurve, crv: str) -> dict[str, Any]:
    key = ec.generate_private_key(curve).private_numbers()
    size = (curve.key_size + 7) // 8
    point = {"x": b64(key.public_numbers.x, size), "y": b64(key.public_numbers.y, size)}
    return {"kty": "EC", "crv": crv} | point | {"d": b64(key.private_value, size)}


def okp_jwk(crv: str) -> dict[str, Any]:
    key = (ed25519.Ed25519PrivateKey if crv == "Ed25519" else x25519.X25519PrivateKey).generate()
    return {"kty": "OKP", "crv": crv, "x": b64(key.public_key().public_bytes_raw()), "d": b64(key.private_bytes_raw())}


KEYS = {
    "rsa": rsa_jwk(),
    "p256": ec_jwk(ec.SECP256R1(), "P-256"),
    "p521": ec_jwk(ec.SECP521R1(), "P-521"),
    "k1": ec_jwk(ec.SECP256K1(), "secp256k1"),
    "ed25519": okp_jwk("Ed25519"),
    "x25519": okp_jwk("X25519"),
}
SPELLINGS = {
    "compact": lambda key: json.dumps(key, separators=(",", ":")),
    "pretty": lambda key: json.dumps(key, indent=2),
    "escaped": lambda key: json.dumps({"body": json.dumps(key, indent=2)}),
    "twice": lambda key: json.dumps(json.dumps({"keys": [json.dumps(key)]})),
    "set": lambda key: json.dumps({"keys": [{"kty": "bad"}, {"a": {"b": 1}, **key, "z": {"c": [2]}}]}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16le"])
@pytest.mark.parametrize("name", KEYS)
def test_private(name: str, charset: str, spelling: str) -> None:
    data = b"\x01{ " + SPELLINGS[spelling](KEYS[name]).encode(charset) + b"}\xff"
    (found,) = candidates(JWK, data)
    assert found.confidence.label == "proven"
    assert KEYS[name]["d"].encode(charset) in spanned(data, found)
    assert len(found.spans) == (6 if name == "rsa" else 1)
    assert publics(JWK, data)


def test_thumbprint() -> None:
    key = KEYS["rsa"]
    text = '{{"e":"{}","kty":"RSA","n":"{}"}}'.format(key["e"], key["n"])
    (found,) = candidates(JWK, json.dumps(key).encode())
    assert found.public["jwk_thumbprint"] == b64(hashlib.sha256(text.encode()).digest())
    assert found.public["kid"] == "k-1"


def test_public_only_and_d_only() -> None:
    public = {name: KEYS["rsa"][name] for name in ("kty", "n", "e", "kid")}
    assert candidates(JWK, json.dumps(public).encode()) == []
    assert publics(JWK, json.dumps(public).encode())[0].label == "JWK kid=k-1"
    assert len(candidates(JWK, json.dumps(public | {"d": KEYS["rsa"]["d"]}).encode())) == 1


def test_symmetric() -> None:
    secret = b64(os.urandom(32))
    data = json.dumps({"kty": "oct", "k": secret, "alg": "HS256"}).encode()
    (found,) = candidates(JWK, data)
    assert spanned(data, found) == [secret.encode()]
    assert "jwk_thumbprint" not in found.public  # it would be a bare hash of the secret


@pytest.mark.parametrize("name", KEYS)
def test_near_miss(name: str) -> None:
    raw = bytearray(base64.urlsafe_b64decode(KEYS[name]["d"] + "=="))
    raw[9] ^= 1
    assert candidates(JWK, json.dumps(KEYS[name] | {"d": b64(bytes(raw))}).encode()) == []


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40), st.randoms(), st.integers(0, 250))
def test_planted_in_any_order(before: bytes, after: bytes, order: random.Random, cut: int) -> None:
    members = list(KEYS["p256"].items())
    order.shuffle(members)
    text = json.dumps(dict(members)).encode()
    assert len(candidates(JWK, before + text + after)) == 1
    run(JWK, before + text[:cut] + after)


@pytest.mark.parametrize("piece", [b'"kty"', b'{"kty":', b'{"a":{"kty"', b'[{"":', b'\\"kty\\"', b'{"kty":1}'])
def test_many_anchors(piece: bytes) -> None:
    assert run(JWK, piece * 50_000) == []
