"""Kerberos: files made field by field, broken ones, and places."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.kerberos import KERBEROS
from dumpscan.model import Candidate, Span

KEY = bytes(range(7, 39))


def counted(value: bytes, width: int) -> bytes:
    return len(value).to_bytes(width, "big") + value


def keytab(key: bytes = KEY, kind: int = 18) -> bytes:
    entry = struct.pack(">H", 2) + counted(b"CORP.LOCAL", 2) + counted(b"host", 2) + counted(b"db.corp.local", 2)
    entry += struct.pack(">IIB", 1, 1_700_000_000, 3) + struct.pack(">H", kind) + counted(key, 2) + struct.pack(">I", 3)
    hole = struct.pack(">i", -20) + bytes(20)
    return b"\x05\x02" + counted(entry, 4) + hole + counted(entry, 4)


def principal(*parts: bytes) -> bytes:
    head = struct.pack(">II", 1, len(parts)) + counted(b"CORP.LOCAL", 4)
    return head + b"".join(counted(part, 4) for part in parts)


def ccache(key: bytes = KEY) -> bytes:
    head = b"\x05\x04" + counted(struct.pack(">HHII", 1, 8, 0xFFFFFFFF, 0), 2) + principal(b"alice")
    times = struct.pack(">IIII", 1, 2, 3, 4) + b"\0" + struct.pack(">I", 0x50E00000)
    tail = struct.pack(">II", 0, 0) + counted(b"\x61\x82" + bytes(300), 4) + counted(b"", 4)
    return head + principal(b"alice") + principal(b"krbtgt", b"CORP.LOCAL") + b"\0\x12" + counted(key, 4) + times + tail


def cred(body: bytes = bytes(range(200)) * 2) -> bytes:
    inner = bytes.fromhex("a003020105a103020116") + body
    sequence = b"\x30\x82" + counted(inner, 2)
    return b"\x76\x82" + counted(sequence, 2)


def found(data: bytes) -> list[Candidate]:
    hits = [Hit(i, p) for i, a in enumerate(KERBEROS.anchors) for p in range(len(data)) if data.startswith(a, p)]
    matches = KERBEROS.match(View(memoryview(data), (Span(0, len(data)),)), hits)
    return [item for item in matches if isinstance(item, Candidate)]


def test_keytab() -> None:
    data = b"\1\2\3" + keytab() + b"\xff" * 64
    first, second = found(data)
    assert first.identity == second.identity == b"krb5:" + KEY
    assert first.public == {"principal": "host/db.corp.local@CORP.LOCAL"}
    assert data[first.spans[0].start : first.spans[0].end] == KEY
    assert first.spans != second.spans


def test_credential_cache() -> None:
    data = bytes(9) + ccache() + bytes(40)
    (one,) = found(data)
    assert (one.kind, one.identity) == ("kerberos-session-key", b"krb5:" + KEY)
    assert one.public == {"principal": "alice@CORP.LOCAL"}


def test_credential_message() -> None:
    data = b"x" * 11 + cred() + b"y" * 11
    (one,) = found(data)
    assert (one.kind, one.spans) == ("kerberos-credential", (Span(11, 11 + len(cred())),))


@pytest.mark.parametrize(
    "data",
    [
        keytab(bytes(32)),
        keytab(kind=17),
        keytab().replace(b"CORP", b"\xff\xfe\0\1"),
        ccache(bytes(32)),
        ccache()[:60],
        cred()[:-1],
        cred().replace(b"\x76\x82", b"\x77\x82"),
    ],
)
def test_near_misses(data: bytes) -> None:
    assert found(data) == []


@given(st.integers(0, 120), st.binary(max_size=24), st.sampled_from([keytab(), ccache(), cred()]))
def test_total(at: int, noise: bytes, data: bytes) -> None:
    found(data[:at] + noise + data[at + len(noise) :])
