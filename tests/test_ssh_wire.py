"""Private keys in OpenSSH's wire form: every type, plain and with a certificate."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.ssh_wire import fields, private_key, public_key


def string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def mpint(value: int) -> bytes:
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))


@given(st.binary(max_size=200), st.integers(0, 210), st.integers(1, 9))
def test_total(data: bytes, start: int, count: int) -> None:
    fields(data, start, count)
    for name in (b"ssh-rsa", b"ssh-dss", b"ecdsa-sha2-nistp256", b"ssh-ed25519-cert-v01@openssh.com"):
        assert private_key(string(name) + data, encoding="t") is None
        public_key(string(name) + data)


@pytest.mark.parametrize("certified", [False, True])
def test_rsa(certified: bool) -> None:
    key = rsa.generate_private_key(65537, 2048).private_numbers()
    n, e = key.public_numbers.n, key.public_numbers.e
    tail = b"".join(map(mpint, (key.d, key.iqmp, key.p, key.q)))
    if certified:
        name = string(b"ssh-rsa-cert-v01@openssh.com")
        blob = name + string(name + string(b"nonce" * 6) + mpint(e) + mpint(n) + bytes(8)) + tail
    else:
        blob = string(b"ssh-rsa") + mpint(n) + mpint(e) + tail
    parsed = private_key(b"??" + blob + b"!!!", 2, encoding="t")
    assert parsed and parsed[1] == 2 + len(blob)
    assert parsed[0].confidence.label == "proven"
    assert len(parsed[0].spans) == 4
