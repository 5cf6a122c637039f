"""TLS secrets in OpenSSL's structures and in key logs."""

from __future__ import annotations

import hashlib
import random
import re
import struct

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.tls_secrets import TLS_SECRETS
from dumpscan.model import Candidate, Confidence, Span

EARLY = {
    32: bytes.fromhex("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"),
    48: bytes.fromhex(
        "7ee8206f5570023e6dc7519eb1073bc4e791ad37b5c382aa10ba18e2357e716971f9362f2c2fe2a76bfd78dfec4ea9b5"
    ),
}
"""HKDF-Extract(0, 0) with SHA-256 (RFC 8448, section 3) and SHA-384."""


def scan(data: bytes) -> list[Candidate]:
    hits = [Hit(i, m.start()) for i, a in enumerate(TLS_SECRETS.anchors) for m in re.finditer(re.escape(a), data)]
    found = TLS_SECRETS.match(View(memoryview(data), (Span(0, len(data)),)), hits)
    return [item for item in found if isinstance(item, Candidate)]


def at(found: list[Candidate], data: bytes) -> list[bytes]:
    return [data[item.spans[0].start : item.spans[0].end] for item in found]


def session(secret: bytes, version: int = 0x0303, id_size: int = 32, junk: bytes = b"") -> bytes:
    head = struct.pack("<QQ", version, len(secret)) + bytes(64)
    return head + (secret + junk).ljust(512, b"\0") + struct.pack("<Q", id_size) + bytes(100)


@pytest.mark.parametrize(("version", "size"), [(0x0303, 48), (0x0304, 32), (0x0304, 48)])
def test_session(version: int, size: int) -> None:
    secret = random.Random(size).randbytes(size)
    data = bytes(24) + session(secret, version)
    found = scan(data)
    assert at(found, data) == [secret]
    assert found[0].kind == "tls-master-secret"
    assert secret.hex() not in repr(found)


@pytest.mark.parametrize(
    "data",
    [
        session(bytes(48)),
        session(b"text that is no secret at all, 48 bytes long ..."),
        session(random.Random(1).randbytes(48), id_size=33),
        session(random.Random(1).randbytes(48), junk=b"\1"),
        session(random.Random(1).randbytes(32), version=0x0303),
        session(random.Random(1).randbytes(48))[:300],
    ],
)
def test_no_session(data: bytes) -> None:
    assert scan(data) == []


def master_of(handshake: bytes) -> bytes:
    """RFC 8446, section 7.1, by another implementation of HKDF."""
    name, algorithm = ("sha256", hashes.SHA256()) if len(handshake) == 32 else ("sha384", hashes.SHA384())
    size = len(handshake)
    info = struct.pack(">HB", size, 13) + b"tls13 derived" + bytes([size]) + hashlib.new(name).digest()
    derived = HKDFExpand(algorithm, size, info).derive(handshake)
    import hmac

    return hmac.digest(derived, bytes(size), name)


def connection(size: int, *, proven: bool) -> tuple[bytes, list[bytes]]:
    some = random.Random(size)
    slots = [EARLY[size], *(some.randbytes(size) for _ in range(10)), b""]
    if proven:
        slots[2] = master_of(slots[1])
    secrets = [slot for number, slot in enumerate(slots) if number not in (0, 6, 7, 11)]
    return b"".join(slot.ljust(64, b"\0") for slot in slots), secrets


@pytest.mark.parametrize("size", [32, 48])
@pytest.mark.parametrize("proven", [False, True])
def test_connection(size: int, proven: bool) -> None:
    body, secrets = connection(size, proven=proven)
    data = bytes(12) + body + b"\1" * 64
    found = scan(data)
    assert at(found, data) == secrets
    assert {item.kind for item in found} == {"tls-traffic-secret"}
    assert [item.confidence for item in found].count(Confidence.PROVEN) == (2 if proven else 0)


def test_early_secret_alone() -> None:
    assert scan(EARLY[32] + random.Random(1).randbytes(700)) == []
    assert scan(EARLY[48]) == []


def test_encoded_session() -> None:
    secret = random.Random(2).randbytes(48)
    head = bytes.fromhex("30 75 020101 02020303 0402c030 0420".replace(" ", "")) + random.Random(3).randbytes(32)
    data = head + b"\x04\x30" + secret + bytes.fromhex("a10602046b04d321")
    found = scan(data)
    assert at(found, data) == [secret]
    assert scan(data[:60]) == []
    assert scan(head + b"\x04\x31" + secret + bytes(20)) == []


@pytest.mark.parametrize(
    ("label", "size", "kind"),
    [
        ("CLIENT_RANDOM", 48, "tls-master-secret"),
        ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", 32, "tls-traffic-secret"),
        ("SERVER_TRAFFIC_SECRET_0", 48, "tls-traffic-secret"),
        ("CLIENT_TRAFFIC_SECRET_12", 48, "tls-traffic-secret"),
        ("EXPORTER_SECRET", 48, "tls-traffic-secret"),
        ("CLIENT_EARLY_TRAFFIC_SECRET", 32, "tls-traffic-secret"),
    ],
)
def test_key_log(label: str, size: int, kind: str) -> None:
    some = random.Random(size)
    secret = some.randbytes(size)
    data = f"# log\n{label} {some.randbytes(32).hex()} {secret.hex()}\n".encode()
    found = scan(data)
    assert [(item.kind, item.identity) for item in found] == [(kind, b"tls:" + secret)]
    assert at(found, data) == [secret.hex().encode()]


@given(st.sampled_from(TLS_SECRETS.anchors), st.binary(max_size=900))
def test_total(anchor: bytes, data: bytes) -> None:
    for piece in (anchor + data, data + anchor):
        assert all(item.confidence is Confidence.VALIDATED for item in scan(piece))
