"""d alone, n from a certificate of the dump: found and proven in each encoding, whatever stands around."""

from __future__ import annotations

import math
import random
from functools import cache
from itertools import islice

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dumpscan.matchers.limb_arithmetic import GREATEST_BY_LIMB
from dumpscan.matchers.rsa_exponents import MAX_CLUES, RsaExponents
from dumpscan.model import Candidate, Clue, ClueTable, PublicKey, all_clues
from dumpscan.prove import rsa
from dumpscan.prove.means import Means
from dumpscan.scan import Options, scan_source
from tests.makers.raw_keys import ENCODERS, filler, heap, rsa_8192, rsa_numbers, rsa_numbers_with_common_factor, view
from tests.makers.source import BytesSource

KINDS = ["zeros", "pointers", "text", "random"]


def proven(data: bytes, *moduli: int) -> list[Candidate]:
    def around(offset: int, before: int, after: int) -> tuple[bytes, bytes]:
        return data[max(offset - before, 0) : offset], data[offset : offset + after]

    found = list(all_clues(RsaExponents().match(view(data), ())))
    publics = [PublicKey("rsa", (n, 65537)) for n in moduli]
    limits: list[str] = []
    keys = rsa.prove(found, publics, lambda _address, _size: b"", limits, Means(around))
    assert limits == []
    return keys


@cache
def usual_keys(bits: int, count: int) -> list[RSAPrivateNumbers]:
    """Without the one in 570 that is not promised, where p - 1 and q - 1 have a common divisor above 1024; and with
    exponents of the modulus's length in bytes, since the shorter have a test of their own."""

    def usual(key: RSAPrivateNumbers) -> bool:
        lengths = [d.bit_length() for d in exponents(key.public_numbers.n, key.p)]
        return math.gcd(key.p - 1, key.q - 1) <= GREATEST_BY_LIMB and min(lengths) > bits - 8

    keys = (rsa_numbers(bits, index) for index in range(1000))
    return list(islice(filter(usual, keys), count))


def exponents(n: int, p: int, e: int = 65537) -> list[int]:
    """Modulo the least common multiple, as most write it, and modulo the product."""
    q = n // p
    return [pow(e, -1, math.lcm(p - 1, q - 1)), pow(e, -1, (p - 1) * (q - 1))]


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("bits", [1024, 1536, 2048, 3072, 4096, pytest.param(8192, marks=pytest.mark.heavy)])
def test_alone_behind_an_allocator_header(bits: int, encoding: str) -> None:
    n, p = rsa_8192() if bits == 8192 else (usual_keys(bits, 1)[0].public_numbers.n, usual_keys(bits, 1)[0].p)
    others = [rsa_numbers(bits, index).public_numbers.n for index in (20, 21)] if bits < 3000 else []
    for d in exponents(n, p)[: 2 if bits < 3000 else 1]:
        stored = ENCODERS[encoding](d)
        for kind in KINDS if bits < 3000 else ["random"]:
            data = heap([stored], kind, random.Random(bits))
            (key,) = proven(data, *others, n)
            assert (key.kind, key.confidence.label, key.encoding) == ("rsa-private-key", "proven", encoding)
            assert key.evidence == "n factored from d"
            assert [data[s.start : s.end] for s in key.spans] == [stored + bytes(-len(stored) % 4)]
            assert proven(data, *others) == []


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(0, 5),
    st.sampled_from(["limbs-le", "octets", "words-msw-le32"]),
    st.sampled_from(["alone", "random before", "random behind"]),
    st.sampled_from([0, 4]),
    st.integers(0, 1 << 30),
)
def test_any_key_with_random_data_on_one_side(index: int, encoding: str, where: str, shift: int, seed: int) -> None:
    key = usual_keys(1024, 6)[index]
    source = random.Random(seed)
    stored = ENCODERS[encoding](key.d)
    stored = stored.rjust(128, b"\0") if encoding == "octets" else stored.ljust(128, b"\0")
    before = source.randbytes(800) if where == "random before" else bytes(800)
    behind = source.randbytes(800) if where == "random behind" else bytes(800)
    shift = 0 if where == "random before" else shift
    data = bytes(64) + before + bytes(shift) + stored + behind + bytes(64 - shift)
    (found,) = proven(data, key.public_numbers.n)
    assert found.spans[0].start == 864 + shift


@pytest.mark.parametrize("encoding", ["limbs-le", "octets", "words-msw-le32"])
def test_no_number_is_missed_for_a_word_that_looks_plain_by_chance(encoding: str) -> None:
    source = random.Random(encoding)
    for _ in range(500):
        stored = ENCODERS[encoding](source.getrandbits(1022) | 1 << 1023 | 1)
        for data in (source.randbytes(800) + stored + bytes(864), bytes(800) + stored + source.randbytes(864)):
            clues = all_clues(RsaExponents().match(view(data), ()))
            assert (800, encoding) in [(clue.start, clue.encoding) for clue in clues]


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("index", range(4))
def test_octet_strings_at_any_alignment(shift: int, index: int) -> None:
    key = usual_keys(1024, 6)[index]
    for d in exponents(key.public_numbers.n, key.p):
        stored = ENCODERS["octets"](d)
        (found,) = proven(bytes(64 + shift) + stored + bytes(77), key.public_numbers.n)
        assert found.spans[0].end == 64 + shift + len(stored)


@pytest.mark.parametrize("encoding", ENCODERS)
def test_an_exponent_that_is_a_byte_shorter(encoding: str) -> None:
    keys = (rsa_numbers_with_common_factor(factor) for factor in (401, 409, 419, 421, 431, 433, 439, 443, 449, 457))
    key = next(k for k in keys if short(k.d) and math.gcd(k.p - 1, k.q - 1) <= GREATEST_BY_LIMB)
    (found,) = proven(heap([ENCODERS[encoding](key.d)], "zeros", random.Random(1)), key.public_numbers.n)
    assert found.confidence.label == "proven"


def short(d: int) -> bool:
    return 1024 - 16 < d.bit_length() <= 1024 - 8


@pytest.mark.parametrize("encoding", ENCODERS)
def test_from_a_dump_with_a_public_key_to_its_report(encoding: str) -> None:
    """Through all of the scan: the key that names n, the windows, the proof that reads d, the sweep."""
    numbers = usual_keys(2048, 1)[0]
    spki = numbers.public_numbers.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    data = heap([spki, ENCODERS[encoding](numbers.d)], "pointers", random.Random(5))
    data = bytes(4096 - 1000) + data  # across the border of two windows
    report = scan_source(BytesSource(data), "d", Options(jobs=1, window=4096, margin=8192)).report
    (finding,) = report.findings
    assert (finding.kind, finding.confidence.label, report.verdict) == ("rsa-private-key", "proven", "findings")
    assert any(place.component == "d" for place in finding.occurrences)


def test_few_places_in_much_memory() -> None:
    for kind in ("random", "text", "pointers"):
        found = list(all_clues(RsaExponents().match(view(filler(kind, 1 << 20, random.Random(1))), ())))
        assert len(found) < 1200, kind


def test_more_than_the_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(2)
    data = b"".join(source.randbytes(136) + bytes(24) for _ in range(200))
    assert all(isinstance(item, ClueTable) for item in RsaExponents().match(view(data), ()))
    monkeypatch.setattr("dumpscan.matchers.rsa_exponents.MAX_CLUES", 10)
    assert MAX_CLUES > 10
    limits = [item for item in RsaExponents().match(view(data), ()) if isinstance(item, Clue)]
    assert [item.kind for item in limits] == ["limit"]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=700))
def test_total_on_anything(data: bytes) -> None:
    proven(data * 3, rsa_numbers(1024).public_numbers.n)
