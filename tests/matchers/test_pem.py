"""PEM private keys, in every form that programs keep text in."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dumpscan import keys
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.der import DER
from dumpscan.matchers.pem import PEM
from dumpscan.model import Confidence, Severity
from tests.makers.programs import need
from tests.matchers.test_der import candidates, plant

RSA = rsa.generate_private_key(65537, 2048)
IDENTITY = b"rsa:" + keys.octets(RSA.public_key().public_numbers().n)


def pem_of(key: Any, form: str = "PKCS8", password: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), how)
    assert isinstance(encoded, bytes)
    return encoded


TEXT = pem_of(RSA, "TraditionalOpenSSL")


def escaped(times: int) -> Callable[[bytes], bytes]:
    def escape(text: bytes) -> bytes:
        for _ in range(times):
            text = json.dumps(text.decode()).encode()
        return text

    return escape


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda t: t,
    "crlf": lambda t: t.replace(b"\n", b"\r\n"),
    "json": escaped(1),
    "json twice": escaped(2),
    "json slashes": lambda t: escaped(1)(t).replace(b"/", b"\\/"),
    "json html-safe": lambda t: escaped(1)(t).replace(b"=", b"\\u003d").replace(b"+", b"\\u002b"),
    "one line, spaces": lambda t: t.replace(b"\n", b" "),
    "one line, nothing": lambda t: t.replace(b"\n", b""),
    "yaml": lambda t: b"key: |\n" + b"".join(b"    " + line + b"\n" for line in t.splitlines()),
    "source": lambda t: b" +\n    ".join(b'"' + line + b'\\n"' for line in t.splitlines()),
    "utf-16": lambda t: t.decode().encode("utf-16-le"),
    "utf-16 be": lambda t: t.decode().encode("utf-16-be"),
    "utf-32": lambda t: t.decode().encode("utf-32-le"),
    "utf-16 json": lambda t: escaped(1)(t).decode().encode("utf-16-le"),
    "base64": base64.b64encode,
    "base64, 1 off": lambda t: base64.b64encode(b"x" + t),
    "base64, 2 off": lambda t: base64.b64encode(b"xy" + t),
    "base64, wrapped": base64.encodebytes,
    "base64, utf-16": lambda t: base64.b64encode(t).decode().encode("utf-16-le"),
    "no footer": lambda t: t[: t.index(b"-----END")],
    "no footer, text follows": lambda t: t[: t.index(b"-----END")] + b"and then some words",
    "no header": lambda t: t[200:],
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    (found,) = candidates(PEM, plant(FORMS[form](TEXT)))
    assert found.kind == "rsa-private-key"
    assert found.confidence is Confidence.PROVEN
    assert found.identity == IDENTITY


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_left_when_the_spans_are_blank(form: str) -> None:
    data = bytearray(plant(FORMS[form](TEXT)))
    for found in candidates(PEM, bytes(data)):
        for span in found.spans:
            data[span.start : span.end] = b"#" * len(span)
    assert not candidates(PEM, bytes(data))


def test_spans_are_the_body_only() -> None:
    data = plant(TEXT)
    (found,) = candidates(PEM, data)
    body = data[found.spans[0].start : found.spans[0].end]
    lines = TEXT.decode().splitlines()
    assert body.decode() == "\n".join(lines[1:-1]).rstrip("=")


def test_words_after_a_key_without_footer_are_not_in_the_span() -> None:
    data = plant(TEXT[: TEXT.index(b"-----END")] + b"and then some words")
    (found,) = candidates(PEM, data)
    assert data[found.spans[0].end :].lstrip(b"=\n").startswith(b"and then some words")


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL", "OpenSSH"])
@pytest.mark.parametrize("make", [lambda: RSA, lambda: ec.generate_private_key(ec.SECP384R1())])
def test_labels(make: Callable[[], Any], form: str) -> None:
    (found,) = candidates(PEM, plant(pem_of(make(), form)))
    assert found.confidence is Confidence.PROVEN


def test_ed25519() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    kinds = [candidates(PEM, plant(pem_of(key, form)))[0].identity for form in ("PKCS8", "OpenSSH")]
    assert kinds == [b"ed25519:" + key.public_key().public_bytes_raw()] * 2


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
@pytest.mark.parametrize("how", ["plain", "crlf", "json", "one line, spaces", "utf-16", "base64"])
def test_encrypted(form: str, how: str) -> None:
    (found,) = candidates(PEM, plant(FORMS[how](pem_of(RSA, form, b"secret"))))
    assert (found.kind, found.severity) == ("encrypted-private-key", Severity.MEDIUM)
    assert len(found.components) == 1


def test_truncated_bodies() -> None:
    (found,) = candidates(PEM, TEXT[:1100])
    assert found.confidence is Confidence.PROVEN
    (found,) = candidates(PEM, TEXT[:500])
    assert (found.kind, found.confidence) == ("private-key-fragment", Confidence.POSSIBLE)
    assert not candidates(PEM, TEXT[:80])


def test_an_unknown_algorithm_is_still_a_key() -> None:
    body = keys.der(
        0x30, b"\2\1\0", keys.der(0x30, bytes.fromhex("0609608648016503040311")), keys.der(4, os.urandom(64))
    )
    text = b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(body) + b"-----END PRIVATE KEY-----\n"
    (found,) = candidates(PEM, text)
    assert found.kind == "private-key"


@pytest.mark.parametrize("curve", ["secp160r1", "secp224k1", "prime239v1", "sect283k1", "brainpoolP320r1"])
@pytest.mark.parametrize("encoding", ["named_curve", "explicit"])
@pytest.mark.parametrize("form", ["SEC1", "PKCS#8", "DER"])
def test_a_curve_that_is_not_known_here(curve: str, encoding: str, form: str) -> None:
    need("openssl")
    made = ["openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-param_enc", encoding]
    text = subprocess.run(made, check=True, capture_output=True, timeout=60).stdout
    if form == "DER":  # which no label vouches for
        der = base64.b64decode(b"".join(text.split(b"\n")[1:-2]))
        assert not candidates(DER, der + bytes(64))
        return
    if form == "PKCS#8":
        turned = ["openssl", "pkcs8", "-topk8", "-nocrypt"]
        text = subprocess.run(turned, input=text, check=True, capture_output=True, timeout=60).stdout
    found, other = candidates(PEM, text + TEXT)
    assert (found.kind, found.confidence.label) == ("private-key", "validated")
    assert other.identity == IDENTITY, "what stands beside it is found too"


@pytest.mark.parametrize("label", [b"RSA PRIVATE KEY", b"PRIVATE KEY", b"OPENSSH PRIVATE KEY"])
def test_junk_between_labels_is_nothing(label: bytes) -> None:
    for body in (os.urandom(300), bytes(300), b""):
        text = b"-----BEGIN %s-----\n%s-----END %s-----\n" % (label, base64.encodebytes(body), label)
        assert not candidates(PEM, text)


def test_a_public_key_is_nothing() -> None:
    how = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert not candidates(PEM, RSA.public_key().public_bytes(*how))


def test_a_changed_number_is_nothing() -> None:
    der = bytearray(base64.b64decode(b"".join(TEXT.splitlines()[1:-1])))
    for prime in (RSA.private_numbers().p, RSA.private_numbers().q, RSA.private_numbers().d):
        der[der.index(keys.octets(prime)) + 40] ^= 1
    text = b"-----BEGIN RSA PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END RSA PRIVATE KEY-----\n"
    assert not candidates(PEM, text)


def test_neighbours() -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    found = candidates(PEM, TEXT + pem_of(other) + FORMS["utf-16"](TEXT) + base64.b64encode(TEXT))
    assert [f.encoding for f in found] == ["pem", "pem", "pem-utf16", "pem-base64"]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(FORMS)), st.data())
def test_total(form: str, data: st.DataObject) -> None:
    text = bytearray(FORMS[form](TEXT))
    for _ in range(data.draw(st.integers(0, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(text[data.draw(st.integers(0, 100)) : data.draw(st.integers(0, len(text)))])
    for found in candidates(PEM, cut):
        assert 0 <= found.spans[0].start < found.spans[0].end <= len(cut)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 4000), st.integers(0, 1 << 30))
def test_found_at_any_offset(before: int, seed: int) -> None:
    (found,) = candidates(PEM, plant(TEXT, seed, before))
    assert before + 32 == found.spans[0].start


@pytest.mark.parametrize("unit", [*PEM.anchors, b"-----BEGIN PRIVATE KEY-----", b"-----END PRIVATE KEY-----"])
def test_dense_anchors_cost_little(unit: bytes) -> None:
    data = unit * 20_000
    for anchor, literal in enumerate(PEM.anchors):
        if (first := unit.find(literal)) >= 0:
            hits = [Hit(anchor, first + i * len(unit)) for i in range(20_000)]
            random.Random(1).shuffle(hits)
            assert not list(PEM.match(View(memoryview(data), ()), hits))
