"""Private keys in DER are found wherever they lie, proved where they can be, and not invented."""

from __future__ import annotations

import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dumpscan import keys
from dumpscan.matchers.base import Hit, Matcher, View
from dumpscan.matchers.der import DER, parse_private_key
from dumpscan.model import Candidate, Confidence, Evidence, Severity, Span

RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP256R1())


def der_of(key: Any, form: str = "PKCS8", password: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    formats = serialization.PrivateFormat
    encoded = key.private_bytes(serialization.Encoding.DER, getattr(formats, form), how)
    assert isinstance(encoded, bytes)
    return encoded


def run(matcher: Matcher, data: bytes) -> list[Evidence]:
    """All that ``matcher`` says of ``data``, its anchors searched the slow way."""
    hits = []
    for anchor, literal in enumerate(matcher.anchors):
        pos = data.find(literal)
        while pos >= 0:
            hits.append(Hit(anchor, pos))
            pos = data.find(literal, pos + 1)
    return list(matcher.match(View(memoryview(data), (Span(0, len(data)),)), hits))


def candidates(matcher: Matcher, data: bytes) -> list[Candidate]:
    return [item for item in run(matcher, data) if isinstance(item, Candidate)]


def plant(secret: bytes, seed: int = 1, before: int = 333) -> bytes:
    noise = random.Random(seed)
    return noise.randbytes(before) + secret + noise.randbytes(700)


KEYS: list[tuple[str, Any, str, str, Confidence]] = [
    ("rsa pkcs8", RSA, "PKCS8", "rsa-private-key", Confidence.PROVEN),
    ("rsa pkcs1", RSA, "TraditionalOpenSSL", "rsa-private-key", Confidence.PROVEN),
    ("rsa-1024", SMALL, "TraditionalOpenSSL", "rsa-private-key", Confidence.PROVEN),
    ("rsa-3072", rsa.generate_private_key(3, 3072), "TraditionalOpenSSL", "rsa-private-key", Confidence.PROVEN),
    ("p256", EC, "PKCS8", "ec-private-key", Confidence.PROVEN),
    ("p256 sec1", EC, "TraditionalOpenSSL", "ec-private-key", Confidence.PROVEN),
    ("p224", ec.generate_private_key(ec.SECP224R1()), "PKCS8", "ec-private-key", Confidence.PROVEN),
    ("p384", ec.generate_private_key(ec.SECP384R1()), "PKCS8", "ec-private-key", Confidence.PROVEN),
    ("p521", ec.generate_private_key(ec.SECP521R1()), "TraditionalOpenSSL", "ec-private-key", Confidence.PROVEN),
    ("secp256k1", ec.generate_private_key(ec.SECP256K1()), "PKCS8", "ec-private-key", Confidence.PROVEN),
    ("brainpool", ec.generate_private_key(ec.BrainpoolP512R1()), "PKCS8", "ec-private-key", Confidence.PROVEN),
    ("ed25519", ed25519.Ed25519PrivateKey.generate(), "PKCS8", "ed25519-private-key", Confidence.VALIDATED),
    ("ed448", ed448.Ed448PrivateKey.generate(), "PKCS8", "ed448-private-key", Confidence.VALIDATED),
    ("x25519", x25519.X25519PrivateKey.generate(), "PKCS8", "x25519-private-key", Confidence.VALIDATED),
    ("x448", x448.X448PrivateKey.generate(), "PKCS8", "x448-private-key", Confidence.VALIDATED),
    ("dsa pkcs8", dsa.generate_private_key(1024), "PKCS8", "dsa-private-key", Confidence.VALIDATED),
    ("dsa", dsa.generate_private_key(1024), "TraditionalOpenSSL", "dsa-private-key", Confidence.PROVEN),
]


@pytest.mark.parametrize(("key", "form", "kind", "confidence"), [k[1:] for k in KEYS], ids=[k[0] for k in KEYS])
def test_every_kind_is_found_once_and_whole(key: Any, form: str, kind: str, confidence: Confidence) -> None:
    der = der_of(key, form)
    (found,) = candidates(DER, plant(der))
    assert (found.kind, found.confidence, found.severity) == (kind, confidence, Severity.CRITICAL)
    assert found.spans == (Span(333, 333 + len(der)),)
    parsed = parse_private_key(der, [Span(5, 9)], "pem")
    assert parsed is not None
    assert parsed.identity == found.identity
    assert parsed.spans == (Span(5, 9),)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_diffie_hellman_of_openssl(tmp_path: Path) -> None:
    out = tmp_path / "dh.der"
    command = ["openssl", "genpkey", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-outform", "DER", "-out"]
    subprocess.run([*command, str(out)], check=True, capture_output=True, timeout=60)
    (found,) = candidates(DER, plant(out.read_bytes()))
    assert (found.kind, found.confidence) == ("dh-private-key", Confidence.VALIDATED)


def test_encrypted_pkcs8_is_medium() -> None:
    der = der_of(RSA, password=b"correct horse")
    (found,) = candidates(DER, plant(der))
    assert (found.kind, found.severity) == ("encrypted-private-key", Severity.MEDIUM)
    assert found.spans == (Span(333, 333 + len(der)),)
    assert len(found.components) == 1


def pkcs1(n: int, e: int, *rest: int) -> bytes:
    return keys.der(0x30, *map(keys.der_integer, (0, n, e, *rest)))


def fields(key: rsa.RSAPrivateKey) -> list[int]:
    k = key.private_numbers()
    return [k.public_numbers.n, k.public_numbers.e, k.d, k.p, k.q, k.dmp1, k.dmq1, k.iqmp]


def test_a_cut_tail_is_proven_from_d_alone() -> None:
    der = der_of(RSA, "TraditionalOpenSSL")
    for cut in (600, 700, 900):
        (found,) = candidates(DER, plant(der[:cut]))
        assert found.confidence is Confidence.PROVEN
        assert found.identity == b"rsa:" + keys.octets(fields(RSA)[0])


def test_a_freed_buffer_without_its_head_is_proven() -> None:
    """The allocator wrote its links over the first sixteen bytes: the SEQUENCE and the start of n are gone."""
    der = der_of(RSA, "TraditionalOpenSSL")
    (found,) = candidates(DER, plant(b"\x10\x7f\0\0\0\0\0\0" * 2 + der[16:]))
    assert found.identity == b"rsa:" + keys.octets(fields(RSA)[0])


def test_one_damaged_factor_does_not_hide_the_key() -> None:
    n, e, d, p, q, *rest = fields(SMALL)
    (found,) = candidates(DER, plant(pkcs1(n, e, d ^ 8, p ^ 8, q, *rest)))
    assert found.confidence is Confidence.PROVEN


def test_numbers_that_prove_nothing_are_not_reported() -> None:
    n, e, d, p, q, *rest = fields(SMALL)
    assert not candidates(DER, plant(pkcs1(n, e, d ^ 8, p ^ 8, q ^ 8, *rest)))
    assert not candidates(DER, plant(pkcs1(n ^ 8, e, d, p ^ 8, q, *rest)))
    assert not candidates(DER, plant(pkcs1(n, e)))
    assert parse_private_key(pkcs1(n, e, d ^ 8, p ^ 8, q ^ 8, *rest), (), "pem") is None


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_a_scalar_that_does_not_belong_to_the_point_is_refuted(form: str) -> None:
    der = bytearray(der_of(EC, form))
    scalar = keys.octets(EC.private_numbers().private_value, 32)
    der[der.index(scalar) + 20] ^= 1
    assert not candidates(DER, plant(bytes(der)))


def test_sec1_without_a_public_key_is_validated() -> None:
    scalar = keys.octets(EC.private_numbers().private_value, 32)
    curve = keys.der(0xA0, bytes.fromhex("06082a8648ce3d030107"))
    (found,) = candidates(DER, plant(keys.der(0x30, b"\2\1\1", keys.der(4, scalar), curve)))
    assert found.confidence is Confidence.VALIDATED


@pytest.mark.parametrize("damaged", [bytes(64), bytes(20) + b"\1" * 44])
def test_a_public_key_that_was_overwritten_refutes_nothing(damaged: bytes) -> None:
    """As Crypto++ leaves a file that it has read: the scalar is whole, the point is gone."""
    scalar = keys.octets(EC.private_numbers().private_value, 32)
    point = keys.der(0xA1, keys.der(3, b"\0\4" + damaged))
    for named in (b"", keys.der(0xA0, bytes.fromhex("06082a8648ce3d030107"))):
        (found,) = candidates(DER, plant(keys.der(0x30, b"\2\1\1", keys.der(4, scalar), named, point)))
        assert (found.title, found.confidence) == ("EC private key (P-256)", Confidence.VALIDATED)


def test_an_overwritten_public_key_of_ed25519_refutes_nothing() -> None:
    seed = ed25519.Ed25519PrivateKey.generate().private_bytes_raw()
    algorithm = bytes.fromhex("300506032b6570")
    der = keys.der(0x30, b"\2\1\1", algorithm, keys.der(4, keys.der(4, seed)), keys.der(0x81, b"\0", bytes(32)))
    (found,) = candidates(DER, plant(der))
    assert found.confidence is Confidence.VALIDATED


def test_one_asymmetric_key_with_public_half_is_proven_or_refuted() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    seed, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    algorithm = bytes.fromhex("300506032b6570")
    for point, count in ((public, 1), (public[::-1], 0)):
        der = keys.der(0x30, b"\2\1\1", algorithm, keys.der(4, keys.der(4, seed)), keys.der(0x81, b"\0", point))
        found = candidates(DER, plant(der))
        assert len(found) == count
        assert all(f.confidence is Confidence.PROVEN for f in found)


@pytest.mark.parametrize("rest", [bytes(32), b"0" * 32, b"Unsupported key format, sorry. " * 2])
def test_a_template_without_a_key_is_nothing(rest: bytes) -> None:
    """Libraries carry the prefix as data; what follows is their next constant."""
    assert not candidates(DER, plant(bytes.fromhex("302e020100300506032b656e04220420") + rest))


@pytest.mark.parametrize(
    ("head", "public"),
    [
        ("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420", "a144034200"),
        ("3081b6020100301006072a8648ce3d020106052b8104002204819e30819b0201010430", "a164036200"),
        ("3081ee020100301006072a8648ce3d020106052b810400230481d63081d30201010442", "a1818903818600"),
        ("3051020101300506032b657004220420", "812100"),
    ],
)
@pytest.mark.parametrize(
    "rest", ["assertion failed: rand.len() >= dest.len()" * 4, "index.crates.io-1949cf8c6b5b557f" * 5]
)
def test_a_template_that_goes_on_with_the_public_key_is_nothing(head: str, public: str, rest: str) -> None:
    """As ring has them: the private key is to be put between. What follows is the next constant, of any bytes."""
    for following in (rest.encode(), random.Random(rest).randbytes(200)):
        data = bytes.fromhex(head) + bytes.fromhex(public) + following
        assert not candidates(DER, plant(data))
    seed = b"\1" + random.Random(1).randbytes(65)
    assert candidates(DER, plant(bytes.fromhex(head) + seed[: bytes.fromhex(head)[-1]]))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_total_and_silent_on_damage(data: st.DataObject) -> None:
    _, key, form, _, _ = data.draw(st.sampled_from(KEYS))
    der = bytearray(der_of(key, form))
    for _ in range(data.draw(st.integers(0, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(der[data.draw(st.integers(0, 40)) : data.draw(st.integers(0, len(der)))])
    for found in candidates(DER, cut):
        assert 0 <= found.spans[0].start < found.spans[0].end <= len(cut)
    parse_private_key(cut, (), "pem")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 1 << 30))
def test_found_at_any_offset(before: int, seed: int) -> None:
    der = der_of(SMALL, "TraditionalOpenSSL")
    (found,) = candidates(DER, plant(der, seed, before))
    assert found.spans == (Span(before, before + len(der)),)


def test_every_truncation_is_survived() -> None:
    for _, key, form, _, _ in KEYS:
        der = der_of(key, form)
        for cut in range(0, len(der), 67):
            parse_private_key(der[:cut], (), "pem")
            candidates(DER, der[:cut])


@pytest.mark.parametrize("anchor", DER.anchors)
def test_dense_anchors_cost_little(anchor: bytes) -> None:
    data = anchor * 20_000
    hits = [Hit(DER.anchors.index(anchor), i * len(anchor)) for i in range(20_000)]
    assert not list(DER.match(View(memoryview(data), ()), hits))


def test_secrets_stay_out_of_repr() -> None:
    (found,) = candidates(DER, der_of(SMALL, "TraditionalOpenSSL"))
    assert str(fields(SMALL)[3]) not in repr(replace(found))
