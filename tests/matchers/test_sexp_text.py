"""S-expressions in text, as GnuPG's key files have them."""

from __future__ import annotations

import re
import textwrap

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.keys import okp_public
from dumpscan.matchers.sexp_text import SEXP_TEXT
from dumpscan.model import Candidate
from tests.makers.match import run
from tests.makers.raw_keys import rsa_numbers


def number(value: int | bytes) -> str:
    octets = value if isinstance(value, bytes) else value.to_bytes(value.bit_length() // 8 + 1, "big")
    return f"#{octets.hex().upper()}#"


def spelled(algorithm: str, fields: dict[str, int | bytes | str]) -> str:
    parts = (f"({name} {value if isinstance(value, str) else number(value)})" for name, value in fields.items())
    return f"(private-key ({algorithm} {''.join(parts)}))"


def folded(text: str) -> bytes:
    """As a key file has it."""
    return ("Key: " + "\n  ".join(textwrap.wrap(text, 64)) + "\n").encode()


def found(data: bytes) -> list[Candidate]:
    return [item for item in run(SEXP_TEXT, b"\0\1noise" + data + b"noise") if isinstance(item, Candidate)]


def expressions() -> dict[str, tuple[str, str]]:
    rsa = rsa_numbers(2048)
    group = dsa.generate_private_key(2048).private_numbers()
    parameters = group.public_numbers.parameter_numbers
    curve = ec.derive_private_key(7 << 240, ec.SECP256R1()).private_numbers()
    point = b"\4" + curve.public_numbers.x.to_bytes(32, "big") + curve.public_numbers.y.to_bytes(32, "big")
    seed = bytes(range(40, 72))
    clamped = bytearray(seed)
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    return {
        "rsa": (
            "rsa-private-key",
            spelled("rsa", {"n": rsa.public_numbers.n, "e": 65537, "d": rsa.d, "p": rsa.q, "q": rsa.p, "u": 3}),
        ),
        "dsa": (
            "dsa-private-key",
            spelled("dsa", {"p": parameters.p, "q": parameters.q, "g": parameters.g, "y": group.public_numbers.y,
                            "x": group.x}),
        ),
        "elg": (
            "dh-private-key",
            spelled("elg", {"p": parameters.p, "g": parameters.g, "y": group.public_numbers.y, "x": group.x}),
        ),
        "P-256": ("ec-private-key", spelled("ecc", {"curve": '"NIST P-256"', "q": point, "d": 7 << 240})),
        "Ed25519": (
            "ed25519-private-key",
            spelled("ecc", {"curve": "Ed25519", "flags": "eddsa", "q": b"\x40" + okp_public("ed25519", seed),
                            "d": seed}),
        ),
        "Curve25519": (
            "x25519-private-key",
            spelled("ecc", {"curve": "Curve25519", "flags": "djb-tweak",
                            "q": b"\x40" + okp_public("x25519", bytes(clamped)), "d": bytes(clamped)[::-1]}),
        ),
    }  # fmt: skip


EXPRESSIONS = expressions()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_proven_plain_and_folded(name: str) -> None:
    kind, text = EXPRESSIONS[name]
    for data in (
        text.encode(),
        text.replace("(", " ( ").replace("( private-key", "(private-key").encode(),
        folded(text),
    ):
        (key,) = found(data)
        assert (key.kind, key.confidence.label) == (kind, "proven")
        assert key.spans[0].start == 7 + data.index(b"(private-key")


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_numbers_that_do_not_belong_together_are_no_key(name: str) -> None:
    _, text = EXPRESSIONS[name]
    secret = max(re.finditer(r"\((?:d|x) #(\w+)#", text), key=lambda match: len(match[1]))[1]
    assert found(text.replace(secret, secret[:-4] + "0001" if secret[-4:] != "0001" else "0003").encode()) == []


def test_protected_and_cut_off_keys_are_none() -> None:
    _, text = EXPRESSIONS["P-256"]
    assert found(text.replace("private-key", "protected-private-key").encode()) == []
    assert found(text[: text.rindex("(d")].encode()) == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_total_on_anything(data: bytes) -> None:
    found(b"(private-key (rsa (n #" + data + b"#)(e #03#)(d #05#)))")
    found(b"(private-key (ecc (curve Ed25519)(q #" + data.hex().encode() + b"#)(d #" + data.hex().encode() + b"#)))")
