"""RSAKeyValue elements in every spelling."""

from __future__ import annotations

import base64
from xml.sax.saxutils import escape

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.xml_rsa import XML_RSA
from tests.makers.match import candidates, publics, run, spanned

KEY = rsa.generate_private_key(65537, 2048).private_numbers()
PUBLIC = {"Modulus": KEY.public_numbers.n, "Exponent": KEY.public_numbers.e}
PRIVATE = {"P": KEY.p, "Q": KEY.q, "DP": KEY.dmp1, "DQ": KEY.dmq1, "InverseQ": KEY.iqmp, "D": KEY.d}


def b64(number: int) -> str:
    return base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()


def xml(members: dict[str, int], gap: str = "") -> str:
    return "<RSAKeyValue>{}</RSAKeyValue>".format(
        "".join(f"{gap}<{name}>{gap}{b64(value)}{gap}</{name}>" for name, value in members.items())
    )


@pytest.mark.parametrize("spelled", [str, escape, lambda text: text.replace("<", "\\u003c").replace(">", "\\u003e")])
@pytest.mark.parametrize("charset", ["utf-8", "utf-16le"])
@pytest.mark.parametrize("gap", ["", "\n    "])
def test_private(spelled: type[str], charset: str, gap: str) -> None:
    data = b"?" + spelled(xml(PUBLIC | PRIVATE, gap)).encode(charset) + b"?"
    (found,) = candidates(XML_RSA, data)
    assert found.confidence.label == "proven"
    assert b64(KEY.d).encode(charset) in spanned(data, found)[-1]
    assert len(found.spans) == 6
    assert publics(XML_RSA, data)[0].numbers == (KEY.public_numbers.n, KEY.public_numbers.e)


def test_public_only_and_d_only() -> None:
    assert candidates(XML_RSA, xml(PUBLIC).encode()) == []
    assert len(publics(XML_RSA, xml(PUBLIC).encode())) == 1
    assert len(candidates(XML_RSA, xml(PUBLIC | {"D": KEY.d}).encode())) == 1


@pytest.mark.parametrize("name", ["P", "Q", "D"])
def test_near_miss(name: str) -> None:
    assert candidates(XML_RSA, xml(PUBLIC | PRIVATE | {name: PRIVATE[name] ^ 2}).encode()) == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=30), st.binary(max_size=30), st.integers(0, 2000))
def test_planted_and_cut(before: bytes, after: bytes, cut: int) -> None:
    text = xml(PUBLIC | PRIVATE).encode()
    assert len(candidates(XML_RSA, before + text + after)) == 1
    run(XML_RSA, before + text[:cut] + after)


def test_many_anchors() -> None:
    assert run(XML_RSA, b"<RSAKeyValue>" * 100_000) == []
