"""Public keys are harvested from certificates and bare structures, with labels for people."""

from __future__ import annotations

import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.certificates import CERTIFICATES
from dumpscan.model import PublicKey
from tests.matchers.test_der import plant, run
from tests.matchers.test_pkcs12 import CERTIFICATE, KEY

DER = CERTIFICATE.public_bytes(serialization.Encoding.DER)
PEM = CERTIFICATE.public_bytes(serialization.Encoding.PEM)
SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def harvest(data: bytes) -> list[PublicKey]:
    return [item for item in run(CERTIFICATES, data) if isinstance(item, PublicKey)]


def test_certificate_in_der_and_pem() -> None:
    point = KEY.public_key().public_numbers()
    for text in (DER, PEM, PEM.replace(b"\n", b"\\n"), PEM.replace(b"\n", b"\r\n")):
        (found,) = harvest(plant(text))
        assert (found.algorithm, found.curve, found.numbers) == ("ec", "P-256", (point.x, point.y))
        assert found.label == "certificate CN=example, issuer CN=example, to 2027-01-01"


def test_bare_keys() -> None:
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.public_key().public_numbers()
    pkcs1 = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    for der in (private.public_key().public_bytes(*SPKI), pkcs1):
        (found,) = harvest(plant(der))
        assert found.numbers == (numbers.n, numbers.e)
    okp = ed25519.Ed25519PrivateKey.generate().public_key()
    (found,) = harvest(plant(okp.public_bytes(*SPKI)))
    assert found.point == okp.public_bytes_raw()
    big = ec.generate_private_key(ec.SECP521R1()).public_key()
    (found,) = harvest(plant(big.public_bytes(*SPKI)))
    assert found.curve == "P-521"


def test_a_bundle_is_cheap() -> None:
    data = (DER + PEM) * 150
    hits = [Hit(i, p) for i, a in enumerate(CERTIFICATES.anchors) for p in _places(data, a)]
    start = time.process_time()
    found = list(CERTIFICATES.match(View(memoryview(data), ()), hits))
    assert len(found) == 300
    assert time.process_time() - start < 0.5


def _places(data: bytes, literal: bytes) -> list[int]:
    places, pos = [], data.find(literal)
    while pos >= 0:
        places.append(pos)
        pos = data.find(literal, pos + 1)
    return places


@given(st.integers(0, len(DER)), st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_total(cut: int, place: int, value: int) -> None:
    der = bytearray(DER)
    der[place] = value
    harvest(bytes(der[:cut]))
    harvest(bytes(der[cut:]))
    harvest(PEM[:cut])


def test_dense() -> None:
    for anchor in CERTIFICATES.anchors:
        assert not harvest(anchor * 5000)
