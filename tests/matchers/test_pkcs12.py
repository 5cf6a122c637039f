"""PKCS#12 stores."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from dumpscan.matchers.pkcs12 import PKCS12
from dumpscan.model import Severity, Span
from tests.matchers.test_der import candidates, plant

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example")])
START = datetime.datetime(2026, 1, 1)
CERTIFICATE = (
    x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(KEY.public_key()).serial_number(4711)
    .not_valid_before(START).not_valid_after(START.replace(year=2027)).sign(KEY, hashes.SHA256())
)  # fmt: skip
STORE = pkcs12.serialize_key_and_certificates(
    b"name", KEY, CERTIFICATE, None, serialization.BestAvailableEncryption(b"secret")
)


def test_store() -> None:
    (found,) = candidates(PKCS12, plant(STORE))
    assert (found.kind, found.severity) == ("pkcs12", Severity.MEDIUM)
    assert found.spans == (Span(333, 333 + len(STORE)),)


def test_total_on_cuts_and_dense_anchors() -> None:
    for cut in range(0, len(STORE), 11):
        assert not candidates(PKCS12, STORE[:cut])
    assert not candidates(PKCS12, PKCS12.anchors[0] * 10_000)
