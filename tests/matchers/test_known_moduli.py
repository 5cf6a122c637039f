from __future__ import annotations

import pickle
import random

import pytest

from dumpscan.matchers.known_moduli import KnownKeys
from dumpscan.model import Candidate, PublicKey
from tests.makers.raw_keys import ENCODERS, rsa_numbers, view

ENCODINGS = ("limbs-le", "octets", "words-msw-le32")


def matches(data: bytes, *publics: PublicKey) -> list[Candidate]:
    found = KnownKeys(publics).match(view(data), ())
    return [item for item in found if isinstance(item, Candidate)]


@pytest.mark.parametrize("bits", [1024, 2048, 4096])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("shift", [0, 4])
def test_both_primes_amid_random_data(bits: int, encoding: str, shift: int) -> None:
    key = rsa_numbers(bits)
    source = random.Random(bits)
    p, q = (ENCODERS[encoding](v) for v in (key.p, key.q))
    data = source.randbytes(40_000 + shift) + p + source.randbytes(80_000) + q + source.randbytes(40_004 - shift)
    public = PublicKey("rsa", (key.public_numbers.n, 65537))
    found = matches(data, PublicKey("rsa", (rsa_numbers(bits, 1).public_numbers.n, 65537)), public)
    spans = {(span.start, span.end) for c in found for span in c.spans}
    assert {
        (40_000 + shift, 40_000 + shift + len(p)),
        (120_000 + shift + len(p), 120_000 + shift + 2 * len(p)),
    } == spans
    assert all(c.confidence.label == "proven" and c.encoding == encoding for c in found)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("component", ["p", "d"])
def test_one_component_amid_random_data(encoding: str, component: str) -> None:
    key = rsa_numbers(2048)
    source = random.Random(5)
    part = ENCODERS[encoding](getattr(key, component))
    if component == "d" and key.d.bit_length() <= 2040:
        part = part.rjust(256, b"\0") if encoding == "octets" else part.ljust(256, b"\0")
    data = source.randbytes(16_000) + part + source.randbytes(16_000)
    found = matches(data, PublicKey("rsa", (key.public_numbers.n, 65537)))
    assert [c.identity for c in found][:1] == [b"rsa:" + key.public_numbers.n.to_bytes(256, "big")]


def test_nothing_of_other_keys() -> None:
    data = random.Random(2).randbytes(1 << 20)
    assert not matches(data, *[PublicKey("rsa", (rsa_numbers(1024, i).public_numbers.n, 65537)) for i in range(3)])


def test_picklable() -> None:
    matcher = KnownKeys((PublicKey("rsa", (15, 3)),))
    assert pickle.loads(pickle.dumps(matcher)) == matcher
