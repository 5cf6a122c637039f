"""S-expressions in both spellings."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from dumpscan.matchers.sexp import Sexp
from dumpscan.model import Clue, PublicKey
from tests.makers.match import run

NOISE = bytes(range(7, 47)) * 3


def inner(name: bytes, value: bytes) -> bytes:
    return b"\3\1\1\0" + name + b"\1" + len(value).to_bytes(2, "little") + value + b"\4"


def canonical(name: bytes, value: bytes) -> bytes:
    return b"(1:" + name + str(len(value)).encode() + b":" + value + b")"


@pytest.mark.parametrize("spell", [inner, canonical])
def test_a_scalar_and_its_point(spell) -> None:  # type: ignore[no-untyped-def]
    key = ec.derive_private_key(0x1234567 << 220, ec.SECP256R1())
    public = key.public_key().public_numbers()
    q = b"\4" + public.x.to_bytes(32, "big") + public.y.to_bytes(32, "big")
    d = key.private_numbers().private_value.to_bytes(32, "big")
    data = NOISE + spell(b"q", q) + spell(b"d", b"\0" + d) + NOISE
    found = run(Sexp(), data)
    assert [(i.curve, i.numbers) for i in found if isinstance(i, PublicKey)] == [("P-256", (public.x, public.y))]
    assert {i.value for i in found if isinstance(i, Clue)} == {d, d[::-1]}
    assert {data[i.start : i.end] for i in found if isinstance(i, Clue)} == {b"\0" + d}


@pytest.mark.parametrize("prefix", [b"", b"\x40"])
def test_ed25519(prefix: bytes) -> None:
    public = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
    found = run(Sexp(), NOISE + inner(b"q", prefix + public) + NOISE)
    assert ("ed25519", public) in {(i.algorithm, i.point) for i in found if isinstance(i, PublicKey)}


def test_rsa_numbers_without_the_leading_zero() -> None:
    value = bytes(range(100, 228))
    found = run(Sexp(), canonical(b"p", b"\0" + value))
    assert [(i.kind, i.value) for i in found if isinstance(i, Clue)] == [("rsa-integer", value)]


@pytest.mark.parametrize("data", [b"(1:d", b"(1:d32:short", b"(1:dxx:", b"\3\1\1\0d\1\xff", b"(1:d99999:" + NOISE])
def test_what_is_cut_off_is_nothing(data: bytes) -> None:
    assert run(Sexp(), data) == []
