"""Points and scalars that no structure joins."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys

from dumpscan import kernel
from dumpscan.curves import EQUATIONS
from dumpscan.keys import CURVES, okp_public, point_of, public_identity
from dumpscan.model import Clue, PublicKey
from dumpscan.prove import ec, okp, rsa
from dumpscan.prove.means import Means, nowhere


def alone(value: bytes, start: int) -> Clue:
    return Clue("octets-alone", value, start, start + len(value), "octets")


def nothing(address: int, size: int) -> bytes:
    return b""


@pytest.mark.parametrize("montgomery", [False, True])
@pytest.mark.parametrize("curve", ["P-256", "P-384", "secp256k1", "brainpoolP256r1"])
def test_coordinates_apart_from_each_other(curve: str, montgomery: bool) -> None:
    source = random.Random(curve)
    size, p = CURVES[curve].key_size // 8, EQUATIONS[curve].p
    scalar = source.getrandbits(8 * size - 2) | 1 << 8 * size - 3
    point = point_of(curve, scalar)
    assert point is not None
    unit = 1 << 8 * size if montgomery else 1
    x, y = (value * unit % p for value in point)
    values = [y, source.getrandbits(8 * size - 2), scalar, x]
    clues = [alone(value.to_bytes(size, "little"), 1000 * at) for at, value in enumerate(values)]
    limits: list[str] = []
    (key,) = ec.prove(clues, [], nothing, limits)
    assert (key.title, key.confidence.label, key.spans[0].start) == (f"EC private key ({curve})", "proven", 2000)
    assert ec.prove([clue for clue in clues if clue.start != 2000], [], nothing, limits) == []
    assert ec.prove(clues[:-1], [], nothing, limits) == []
    assert limits == []


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("curve", list(EQUATIONS))
def test_a_scalar_in_montgomery_form(curve: str, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ring keeps those of P-256 and P-384: nowhere else, as d * R modulo the order."""
    if not native:
        monkeypatch.setattr(kernel, "curves", None)
    source = random.Random(curve)
    order = EQUATIONS[curve].order
    size = (order.bit_length() + 7) // 8
    scalar = source.randrange(1, order)
    point = point_of(curve, scalar)
    assert point is not None
    turned = scalar * (1 << 64 * -(-order.bit_length() // 64)) % order
    clues = [alone(turned.to_bytes(size, "little"), 0), *crowd(3, size)[1:]]
    others = [PublicKey("ec", (x, y), curve=curve) for k in (5, 7) for x, y in [point_of(curve, k) or (0, 0)]]
    limits: list[str] = []
    (key,) = ec.prove(clues, [*others, PublicKey("ec", point, curve=curve)], nothing, limits)
    assert int.from_bytes(key.components[0].value, "big") == scalar
    assert (key.encoding, key.spans[0].start) == ("limbs-le (Montgomery)", 0)
    assert ec.prove(clues, others, nothing, limits) == []
    assert limits == []


def test_points_too_many_for_montgomery_form_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec, "MAX_TURNED", 3)
    for count in (3, 4):
        known = [PublicKey("ec", point_of("P-256", 1000 + at) or (0, 0), curve="P-256") for at in range(count)]
        limits: list[str] = []
        assert ec.prove(crowd(2), known, nothing, limits) == []
        assert len(limits) == (count > 3)


@pytest.mark.parametrize("algorithm", ["ed25519", "x25519"])
def test_a_seed_and_its_public_key_apart_from_each_other(algorithm: str) -> None:
    seed = random.Random(algorithm).randbytes(32)
    clues = [alone(okp_public(algorithm, seed), 0), alone(random.Random(1).randbytes(32), 100), alone(seed, 200)]
    (key,) = okp.prove(clues, [], nothing, [])
    assert key.kind == f"{algorithm}-private-key"
    assert okp.prove(clues[:2], [], nothing, []) == []


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_a_scalar_of_ed25519_without_its_seed(native: bool, named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ring and Tor keep it: the scalar, the prefix behind it; the public key in the clear, or named elsewhere."""
    if not native:
        monkeypatch.setattr(kernel, "curves", None)
    source = random.Random(7)
    seed, other = source.randbytes(32), source.randbytes(32)
    public, digest = okp_public("ed25519", seed), bytearray(hashlib.sha512(seed).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 63 | 64
    scalar, prefix = bytes(digest[:32]), bytes(digest[32:])
    data = bytes(64) + scalar + prefix + other + bytes(64)

    def around(offset: int, before: int, after: int) -> tuple[bytes, bytes]:
        return data[max(offset - before, 0) : offset], data[offset : offset + after]

    clues = [alone(scalar, 64), alone(prefix, 96), alone(other, 128), *crowd(5)]
    if not named:
        clues.append(alone(public, 5000))
    known = [PublicKey("ed25519", point=public)] if named else []
    (key,) = okp.prove(clues, known, nothing, [], Means(around))
    assert (key.kind, key.confidence.label) == ("ed25519-private-key", "proven")
    assert key.identity == public_identity(PublicKey("ed25519", point=public))
    assert {part.name: part.value for part in key.components if part.name in ("scalar", "prefix")} == {
        "scalar": scalar,
        "prefix": prefix,
    }
    assert [span.start for span in key.spans] == [64]
    (of_seed,) = okp.prove([*clues, alone(seed, 9000)], known, nothing, [], Means(around))
    assert of_seed.components[0].name == "seed"
    assert okp.prove(clues[1:], known, nothing, [], Means(around)) == []


def test_a_seed_of_ed25519_and_its_prefix() -> None:
    """As PyCryptodome keeps a key that it has made, before anybody asks for the public one."""
    seed = random.Random(11).randbytes(32)
    clues = [*crowd(5), alone(hashlib.sha512(seed).digest()[32:], 7000), alone(seed, 8000)]
    (key,) = okp.prove(clues, [], nothing, [])
    assert (key.kind, key.confidence.label, key.spans[0].start) == ("ed25519-private-key", "proven", 8000)
    assert key.evidence == "prefix derived from the seed"
    assert okp.prove(clues[:-1], [], nothing, []) == []


def crowd(count: int, size: int = 32, seed: int = 1) -> list[Clue]:
    """Lone random values that belong to nothing."""
    source = random.Random(seed)
    return [alone(source.randbytes(size), 100 * at) for at in range(count)]


def test_coordinates_among_very_many() -> None:
    """More of them than were joined before, without a word."""
    scalar = random.Random(3).getrandbits(255)
    point = point_of("P-256", scalar)
    assert point
    others = crowd(17_000)
    mine = [alone(value.to_bytes(32, "little"), 10**7 + 100 * at) for at, value in enumerate((scalar, *point))]
    limits: list[str] = []
    (key,) = ec.prove([mine[0], *others[:9000], mine[1], *others[9000:], mine[2]], [], nothing, limits)
    assert (key.spans[0].start, limits) == (10**7, [])


def test_a_seed_and_its_public_key_among_very_many() -> None:
    seed = random.Random(4).randbytes(32)
    mine = [alone(seed, 10**7), alone(okp_public("x25519", seed), 2 * 10**7)]
    limits: list[str] = []
    (key,) = okp.prove([*crowd(10_500), *mine], [], nothing, limits)
    assert (key.kind, key.spans[0].start, limits) == ("x25519-private-key", 10**7, [])


@pytest.mark.parametrize("curve", ["P-256", "secp256k1"])
def test_more_than_the_limits_is_told(monkeypatch: pytest.MonkeyPatch, curve: str) -> None:
    monkeypatch.setattr(ec, "MAX_TESTS", 60)
    monkeypatch.setattr(ec, "MAX_COORDINATES", 60)
    monkeypatch.setattr(okp, "MAX_TESTS", 15)
    point = point_of(curve, 99)
    assert point
    public = PublicKey("ec", point, curve=curve)
    for prover, count, told in ((ec.prove, 15, 0), (ec.prove, 16, 1), (ec.prove, 21, 2), (okp.prove, 15, 0),
                                (okp.prove, 16, 1)):  # fmt: skip
        limits: list[str] = []
        assert prover(crowd(count), [public], nothing, limits) == []
        assert len(set(limits)) == told, (prover, count, limits)


def test_the_same_from_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches go to other processes and come back in order; a curve with a comb, one without, seeds, pieced points."""
    monkeypatch.setattr(ec, "_BATCH", 100)
    monkeypatch.setattr(okp, "_BATCH", 100)
    source = random.Random(6)
    clues = crowd(500)
    for at, (curve, encoding) in enumerate([("P-256", "big"), ("secp256k1", "little"), ("brainpoolP256r1", "big")]):
        scalar = source.getrandbits(254)
        point = point_of(curve, scalar)
        assert point
        clues += [alone(v.to_bytes(32, "big" if encoding == "big" else "little"), 10**6 + 1000 * at + 100 * i)
                  for i, v in enumerate((*point, scalar))]  # fmt: skip
    seed = source.randbytes(32)
    clues += [alone(seed, 2 * 10**6), alone(okp_public("ed25519", seed), 3 * 10**6)]
    source.shuffle(clues)
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        means = Means(nowhere, pool.map)
        for prover, count in ((ec.prove, 3), (okp.prove, 1)):
            alone_found = prover(clues, [], nothing, [])
            assert len(alone_found) == count
            assert prover(clues, [], nothing, [], means) == alone_found


def test_a_damaged_modulus_with_the_same_lowest_limb_hides_no_key() -> None:
    key = rsa_keys.generate_private_key(65537, 1024).private_numbers()
    n = key.public_numbers.n
    damaged = n ^ 1 << 700
    clues = [
        Clue("rsa-integer", value.to_bytes(size, "big"), 1000 * at, 1000 * at + size, "limbs-le")
        for at, (value, size) in enumerate([(n, 128), (key.p, 64), (key.q, 64), (damaged, 128)])
    ]
    (found,) = rsa.prove(clues, [], nothing, [])
    assert found.confidence.label == "proven"
