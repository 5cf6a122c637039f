"""Private numbers of every kind, planted in memory in every encoding: found, proven, and gone, residues too.

All keys come from a seed, so that what a test finds, it always finds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, x448, x25519

from dumpscan.curves import EQUATIONS
from dumpscan.keys import CURVES, der, der_integer
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.model import DumpReport, Finding, all_clues
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_source
from tests.makers.raw_keys import ENCODERS, filler, rsa_numbers, seeded_prime, view
from tests.makers.source import BytesSource
from tests.makers.truth import Part, Search, forms, span_is_covered

WINDOW = 4096
KINDS = ("zeros", "pointers", "text")

Public = (
    ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | x25519.X25519PublicKey
    | x448.X448PublicKey
    | dsa.DSAPublicKey
)


@dataclass(frozen=True)
class Planted:
    """A key: its kind, its number in the form in which memory holds it, and its public key in DER."""

    kind: str
    encoding: str
    part: Part = field(repr=False)
    stored: bytes = field(repr=False)
    spki: bytes = field(repr=False)


def spki(key: Public) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def on_curve(curve: str, encoding: str, source: random.Random) -> Planted:
    bits = CURVES[curve].key_size
    size = (bits + 7) // 8
    scalar = source.randrange(1 << bits - 9, EQUATIONS[curve].order)  # with all its words; the shorter are some promise
    stored = {"limbs-le": scalar.to_bytes(size, "little"), "octets": scalar.to_bytes(size, "big")}.get(encoding)
    public = spki(ec.derive_private_key(scalar, CURVES[curve]).public_key())
    return Planted("ec-private-key", encoding, Part(scalar, size), stored or ENCODERS[encoding](scalar), public)


_OKP: dict[str, tuple[Callable[[bytes], Public], int]] = {
    "ed25519": (lambda seed: ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key(), 32),
    "x25519": (lambda seed: x25519.X25519PrivateKey.from_private_bytes(seed).public_key(), 32),
    "ed448": (lambda seed: ed448.Ed448PrivateKey.from_private_bytes(seed).public_key(), 57),
    "x448": (lambda seed: x448.X448PrivateKey.from_private_bytes(seed).public_key(), 56),
}


def of_seed(algorithm: str, source: random.Random) -> Planted:
    public, size = _OKP[algorithm]
    seed = source.randbytes(size)
    return Planted(f"{algorithm}-private-key", "octets", Part(octets=seed), seed, spki(public(seed)))


@cache
def group() -> tuple[int, int, int]:
    """p, q and g of DSA, 1024 and 256 bits."""
    source = random.Random("group")
    q = seeded_prime(256, 2, source)
    p = seeded_prime(1024, 2 * q, source)
    return p, q, pow(2, (p - 1) // q, p)


def exponent(algorithm: str, encoding: str, source: random.Random) -> Planted:
    p, q, g = group()
    x = source.randrange(1 << 248, q)
    if algorithm == "dsa":
        public = spki(dsa.DSAPublicNumbers(pow(g, x, p), dsa.DSAParameterNumbers(p, q, g)).public_key())
    else:
        algorithm_and_group = der(
            0x30, bytes.fromhex("06092a864886f70d010301"), der(0x30, der_integer(p), der_integer(g))
        )
        public = der(0x30, algorithm_and_group, der(3, b"\0", der_integer(pow(g, x, p))))  # PKCS #3
    stored = x.to_bytes(32, "little" if encoding == "limbs-le" else "big")
    return Planted(f"{algorithm}-private-key", encoding, Part(x, 32), stored, public)


CASES: dict[str, Callable[[random.Random], Planted]] = {
    **{
        f"{curve} {encoding}": lambda source, c=curve, e=encoding: on_curve(c, e, source)  # type: ignore[misc]
        for curve in CURVES
        if curve in EQUATIONS
        for encoding in ENCODERS
    },
    **{algorithm: lambda source, a=algorithm: of_seed(a, source) for algorithm in _OKP},  # type: ignore[misc]
    **{
        f"{algorithm} {encoding}": lambda source, a=algorithm, e=encoding: exponent(a, e, source)  # type: ignore[misc]
        for algorithm in ("dsa", "dh")
        for encoding in ("limbs-le", "octets")
    },
}


def shifts(planted: Planted) -> range | tuple[int, ...]:
    """Where in a word a number of this encoding may begin, by the documentation."""
    if planted.encoding.startswith("digits"):
        return (0,)
    return (0, 4) if planted.encoding == "words-msw-le32" else range(8)


def memory(planted: Planted, shift: int, kind: str, source: random.Random) -> tuple[bytes, int]:
    """The public key, and behind it the number across the border of two windows; where the number stands."""
    data = filler(kind, 256, source) + planted.spki
    data += bytes(-len(data) % 8) + filler(kind, 2 * WINDOW, source)
    at = 2 * WINDOW - 8 * source.randrange(1, len(planted.stored) // 8)
    head = data[:at] + _before(planted, shift)
    stored = head + planted.stored
    return stored + bytes(-len(stored) % 8) + filler(kind, 600, source), len(head)


def _before(planted: Planted, shift: int) -> bytes:
    """A number that does not begin a word stands behind zeros; digits stand behind their number."""
    if planted.encoding.startswith("digits"):
        return len(planted.stored).to_bytes(8, "little")
    return bytes(8 + shift) if shift else b""


def usual(source: random.Random, case: str) -> Planted:
    """A key whose number is not the one in some thousand that docs/libraries.md excepts."""
    while True:
        planted = CASES[case](source)
        if planted.encoding.startswith("digits") or not _excepted(planted.stored):
            return planted


def _excepted(stored: bytes) -> bool:
    """It begins with a zero byte (of P-521, two), or a word looks like a small number, or several look like text."""
    words = [[stored[at : at + 8] for at in range(shift, len(stored) - 7, 8)] for shift in range(8)]
    numbers = any(word[6:] in (b"\0\0", b"\xff\xff") for some in words for word in some)
    return (
        stored[:2] == bytes(2)
        or (stored[0] == 0 and len(stored) != 66)
        or numbers
        or any(sum(word.isascii() for word in some) > 1 for some in words)
    )


def scanned(data: bytes) -> DumpReport:
    return scan_source(BytesSource(data), "d", Options(jobs=1, window=WINDOW, now=0, digest=False)).report


def places(finding: Finding) -> list[tuple[int, int]]:
    return [(place.offset, place.offset + place.length) for place in finding.occurrences]


@pytest.mark.parametrize("case", CASES)
def test_alone_across_a_border_of_windows(case: str) -> None:
    source = random.Random(case)
    for kind in KINDS:
        planted = usual(source, case)
        for shift in source.sample(shifts(planted), min(2, len(shifts(planted)))):
            data, at = memory(planted, shift, kind, source)
            (finding,) = scanned(data).findings
            assert (finding.kind, finding.confidence.label) == (planted.kind, "proven"), (kind, shift)
            assert span_is_covered(at, at + len(planted.stored), places(finding)), (kind, shift)


@pytest.mark.parametrize("case", [*CASES, "rsa limbs-le", "rsa octets", "rsa words-msw-le32", "rsa digits-30-le32"])
def test_a_copy_whose_head_is_overwritten(case: str, tmp_path: Path) -> None:
    """The allocator's two pointers stand in the first 16 bytes of a freed copy, amid random data at any alignment."""
    source = random.Random(case)
    planted = rsa_exponent(case.partition(" ")[2], source) if case.startswith("rsa") else usual(source, case)
    data, at = memory(planted, 0, "pointers", source)
    spans = [(at, at + len(planted.stored))]
    for shift in range(8):
        data += source.randbytes(200 + shift) + (0x7F3000001000 + shift).to_bytes(8, "little") * 2
        spans.append((len(data), len(data) + len(planted.stored) - 16))
        data += planted.stored[16:] + source.randbytes(100)
    dump, copy = tmp_path / "dump", tmp_path / "copy"
    dump.write_bytes(data)
    (finding,) = redact_path(str(dump), copy, Options(jobs=1, window=WINDOW, now=0)).report.findings
    missed = [span for span in spans if not span_is_covered(*span, places(finding))]
    assert missed == []
    assert Search(forms(case, {"x": planted.part})).sightings(copy) == []
    kept = copy.read_bytes()
    touched = {i for start, end in places(finding) for i in range(start, end)}
    assert {i for i, (a, b) in enumerate(zip(data, kept, strict=True)) if a != b} <= touched


def rsa_exponent(encoding: str, source: random.Random) -> Planted:
    key = rsa_numbers(1024, 3)
    stored = ENCODERS[encoding](key.p)
    public = key.public_numbers.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Planted("rsa-private-key", encoding, Part(key.p, 64), stored, der)


def recall(size: int, shift: int, count: int) -> Iterator[bool]:
    """For each of ``count`` random numbers whether it becomes a clue."""
    for kind in KINDS:
        source = random.Random(f"{size} {shift} {kind}")
        data, wanted = bytearray(filler(kind, 512, source)), []
        for _ in range(count // len(KINDS)):
            number = source.randbytes(size)
            if size == 66:  # 521 bits, in either order
                number = (bytes([number[0] % 2]) + number[1:])[:: source.choice((1, -1))]
            data += filler(kind, 64, source) + (bytes(shift) if shift != 4 else size.to_bytes(4, "little"))
            wanted.append((len(data), number))
            data += number + bytes(-(len(data) + size) % 8)
        data += filler(kind, 512, source)
        clues = all_clues(RAW_INTEGERS.match(view(bytes(data)), ()), "octets-alone")
        found = {(clue.start, clue.value) for clue in clues}
        yield from (place in found for place in wanted)


@pytest.mark.parametrize("aligned", [(0,), range(1, 8)])
def test_one_in_a_thousand_is_missed(aligned: Sequence[int]) -> None:
    """As docs/libraries.md says, where a number begins a word and where it does not."""
    each = 12_000 // len(aligned)
    found = [hit for size in (32, 48, 56, 57, 64, 66) for shift in aligned for hit in recall(size, shift, each)]
    assert found.count(False) <= len(found) / 1000
