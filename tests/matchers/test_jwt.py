"""Tokens are parsed, not guessed; all of them are put together here."""

from __future__ import annotations

import base64
import hmac
import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.jwt import JWT, Jwt
from dumpscan.model import Confidence, Severity
from tests.makers.match import candidates, run, spanned


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def jws(header: dict[str, Any], claims: dict[str, Any], signature: int = 32, indent: int | None = None) -> str:
    parts = [json.dumps(part, indent=indent).encode() for part in (header, claims)]
    return ".".join([*map(b64, parts), b64(os.urandom(signature))])


HS256 = {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize("charset", ["utf-8", "utf-16le", "utf-32le"])
@pytest.mark.parametrize("indent", [None, 1, 2])
@pytest.mark.parametrize("first", ["alg", "typ", "kid", "x5t", "b64", "nonce"])
def test_every_width_and_header(charset: str, indent: int | None, first: str) -> None:
    token = jws({first: "JWT" if first != "b64" else True} | HS256, {"iss": "me"}, indent=indent)
    data = b"Bearer" + token.encode(charset) + b"\0\0\0"
    (found,) = candidates(JWT, data)
    assert found.identity == token.encode()
    assert spanned(data, found) == [token.encode(charset)]
    assert found.severity is Severity.HIGH


def test_long_token() -> None:
    token = jws(HS256, {"groups": ["g" * 100] * 400})
    assert 50_000 < len(token) < 64 * 1024
    assert candidates(JWT, token.encode())[0].identity == token.encode()


def test_what_is_told() -> None:
    claims = {"iss": "https://issuer", "aud": ["a", "b"], "sub": "somebody", "exp": 2_000_000_000}
    token = jws({"alg": "RS256", "kid": "7"}, claims, 256)
    (found,) = candidates(JWT, token.encode())
    expected = {"alg": "RS256", "kid": "7", "iss": "https://issuer", "aud": "a b", "exp": "2033-05-18T03:33:20+00:00"}
    assert found.public == expected
    told = repr(found) + found.preview + found.evidence
    assert token.split(".")[2] not in told and "somebody" not in told


def test_expiry() -> None:
    token = jws(HS256, {"exp": 1000}).encode()
    assert candidates(JWT, token)[0].severity is Severity.HIGH
    (expired,) = candidates(Jwt(now=2000), token)
    assert (expired.severity, "expired 1970" in expired.evidence) == (Severity.MEDIUM, True)
    assert candidates(Jwt(now=500), token)[0].severity is Severity.HIGH


def test_unsigned_cut_and_trailing() -> None:
    assert candidates(JWT, (jws({"alg": "none"}, {"a": 1}, 0)).encode())[0].severity is Severity.LOW
    token = jws(HS256, {"a": 1})
    assert candidates(JWT, token[:-43].encode()) == []
    assert candidates(JWT, token[:-20].encode())[0].confidence is Confidence.POSSIBLE
    assert candidates(JWT, (token + "AAAA").encode())[0].identity == token.encode()


def test_example_token() -> None:
    assert candidates(JWT, jws(HS256, {"sub": "1234567890", "name": "John Doe"}).encode())[0].severity is Severity.INFO


def test_encrypted() -> None:
    header = b64(json.dumps({"alg": "dir", "enc": "A256GCM"}).encode())
    token = ".".join([header, "", b64(os.urandom(12)), b64(os.urandom(90)), b64(os.urandom(16))])
    (found,) = candidates(JWT, b" " + token.encode() + b" ")
    assert found.identity == token.encode()
    assert candidates(JWT, token.rpartition(".")[0].encode()) == []


def test_nested() -> None:
    header = b64(json.dumps({"alg": "HS256", "cty": "JWT"}).encode())
    token = f"{header}.{b64(os.urandom(50))}.{b64(os.urandom(32))}"
    assert len(candidates(JWT, token.encode())) == 1


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"alg": 1}, {"alg": ""}])
def test_not_a_header(header: dict[str, Any]) -> None:
    assert candidates(JWT, jws(header, {"a": 1}).encode()) == []


def test_not_a_payload() -> None:
    header = b64(json.dumps(HS256).encode())
    assert candidates(JWT, f"{header}.{b64(b'[1]')}.{b64(os.urandom(32))}".encode()) == []


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_planted_and_mutated(data: st.DataObject) -> None:
    token = jws(HS256, {"iss": "x", "exp": data.draw(st.floats() | st.integers())}).encode()
    before = data.draw(st.binary(max_size=30))
    assert any(found.identity == token for found in candidates(JWT, before + token + b" "))
    hostile = bytearray(token)
    hostile[data.draw(st.integers(0, len(token) - 1))] = data.draw(st.integers(0, 255))
    run(JWT, before + bytes(hostile))


@pytest.mark.parametrize("piece", [b"eyJh", b"eyJh.", b"eyJhbGciOiJI.", b"eyJh\0\0"])
def test_many_anchors(piece: bytes) -> None:
    assert run(JWT, piece * 100_000) == []


@pytest.mark.parametrize(("kind", "size"), [("sha256", 256), ("sha384", 384), ("sha512", 512)])
def test_what_manuals_sign_is_nobodys(kind: str, size: int) -> None:
    head = jws({"alg": f"HS{size}"}, {"some": "payload"}).rpartition(".")[0]
    for secret, severity in (
        ("secret", Severity.INFO),
        (f"your-{size}-bit-secret", Severity.INFO),
        ("s", Severity.HIGH),
    ):
        token = f"{head}.{b64(hmac.digest(secret.encode(), head.encode(), kind))}"
        assert candidates(JWT, token.encode())[0].severity is severity
