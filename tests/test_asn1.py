"""The DER reader is total, and right on what openssl and cryptography write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpscan import asn1, keys


@given(st.integers(0, 1 << 4000))
def test_integers_round_trip(value: int) -> None:
    der = keys.der_integer(value)
    assert asn1.numbers(der, 0, len(der), 2) == ([value], len(der))


@given(st.binary(max_size=200), st.integers(-3, 210), st.integers(-3, 210))
def test_total(data: bytes, pos: int, limit: int) -> None:
    item = asn1.header(data, pos, limit)
    asn1.element(data, pos, limit)
    asn1.header_before(data, pos, limit)
    asn1.numbers(data, max(pos, 0), limit, 9)
    asn1.ber_end(data, pos, limit)
    if item is not None:
        asn1.children(data, item, limit)
        asn1.oid(data, item._replace(tag=asn1.OID))
        asn1.number(data, item._replace(tag=asn1.INTEGER))


@pytest.mark.parametrize(
    ("der", "dotted"),
    [("06092a864886f70d010101", "1.2.840.113549.1.1.1"), ("06032b6570", "1.3.101.112"), ("0603883703", "2.999.3")],
)
def test_oid(der: str, dotted: str) -> None:
    data = bytes.fromhex(der)
    assert asn1.oid(data, asn1.element(data, 0, len(data))) == dotted


def test_ends() -> None:
    inner = b"\x24\x80\x04\x02hi\x00\x00"
    data = b"\x30\x80" + inner + b"\x00\x00" + b"rest"
    assert asn1.ber_end(data, 0, len(data)) == len(data) - 4
    assert asn1.ber_end(data[:-5], 0, len(data)) is None
    assert asn1.ber_end(b"\x30\x80" * 1000, 0, 2000) is None


def test_a_truncated_value_has_a_header_but_is_no_element() -> None:
    data = keys.der(0x30, bytes(300))[:100]
    head = asn1.header(data, 0, len(data))
    assert head is not None
    assert head.end == 304
    assert asn1.element(data, 0, len(data)) is None
