from __future__ import annotations

import hashlib
import random
import struct

import numpy as np
import pytest

from dumpscan.matchers.limb_arithmetic import exponent_fits, exponents, inverse64, members
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.model import Clue, PublicKey, all_clues
from dumpscan.prove import rsa
from dumpscan.prove.rsa_integers import Integers
from tests.makers.raw_keys import ENCODERS, rsa_numbers, rsa_numbers_with_common_factor, view


def clue(number: int, start: int) -> Clue:
    size = (number.bit_length() + 7) // 8
    return Clue("rsa-integer", number.to_bytes(size, "big"), start, start + size, "limbs-le")


def nothing(_address: int, _size: int) -> bytes:
    return b""


def known(bits: int, index: int = 0) -> PublicKey:
    return PublicKey("rsa", (rsa_numbers(bits, index).public_numbers.n, 65537))


def test_one_prime_of_a_known_modulus() -> None:
    key = rsa_numbers(2048)
    (found,) = rsa.prove([clue(key.q, 640)], [known(2048), known(2048, 1)], nothing, [])
    assert [span.start for span in found.spans] == [640]
    assert found.identity == b"rsa:" + key.public_numbers.n.to_bytes(256, "big")


def test_two_keys_one_known() -> None:
    one, two = rsa_numbers(1024), rsa_numbers(1024, 1)
    numbers = [one.p, two.p, two.public_numbers.n, one.q, two.q]
    found = rsa.prove([clue(n, 256 * i) for i, n in enumerate(numbers)], [known(1024)], nothing, [])
    assert {c.identity for c in found} == {b"rsa:" + k.public_numbers.n.to_bytes(128, "big") for k in (one, two)}


def test_exponents_that_nearly_fit_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    key = rsa_numbers(2048)
    clues = []
    for index, wrong in enumerate([key.d + 2 * i for i in range(1, 20)] + [key.d]):
        number = wrong.to_bytes(256, "big")
        clues.append(Clue("rsa-exponent", number[:8], 512 * index, 512 * index + 276, "digits-30-le32", number))
    limits: list[str] = []
    (found,) = rsa.prove(clues, [known(2048)], nothing, limits)
    assert found.confidence.label == "proven"
    assert not limits
    monkeypatch.setattr(rsa, "MAX_FACTORED", 9)
    assert rsa.prove(clues, [known(2048)], nothing, limits) == []
    assert limits == ["more exponents of RSA to try than the limit of one dump"]


def in_digits(kind: str, number: int, start: int) -> Clue:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    note = octets if kind == "rsa-exponent" else b""
    return Clue(kind, octets[:8] if note else octets, start, start + 276, "digits-30-le32", note)


def test_primes_are_no_moduli_of_their_own_exponents(monkeypatch: pytest.MonkeyPatch) -> None:
    """d modulo p - 1 fits p as d fits n: a process with a hundred keys holds two hundred of these pairs."""
    key = rsa_numbers(2048)
    clues = [in_digits("rsa-integer", key.p, 0), in_digits("rsa-exponent", key.dmp1, 512)]
    limits: list[str] = []
    monkeypatch.setattr(rsa, "MAX_FACTORED", 0)
    assert rsa.prove(clues, [], nothing, limits) == []
    assert not limits
    monkeypatch.setattr(rsa, "MAX_PRIMES", 0)
    assert rsa.prove(clues, [], nothing, limits) == []
    assert limits == ["more exponents of RSA to try than the limit of one dump"]


def test_numbers_that_are_read_as_exponents_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    key = rsa_numbers(2048)
    clues = [in_digits("rsa-exponent", key.d ^ 1 << 1900 - i, 512 * i) for i in range(20)]
    limits: list[str] = []
    assert rsa.prove(clues, [known(2048)], nothing, limits) == []
    assert not limits
    monkeypatch.setattr(rsa, "MAX_READ", 19)
    assert rsa.prove(clues, [known(2048)], nothing, limits) == []
    assert limits == ["more exponents of RSA to try than the limit of one dump"]


@pytest.mark.parametrize("e", [3, 17, 65537])
def test_short_numbers_are_no_exponents_by_their_highest_limb(e: int) -> None:
    n, phi = (key := rsa_numbers(2048)).public_numbers.n, (key.p - 1) * (key.q - 1)
    short = np.arange(1, 1 << 12, dtype=np.uint64)
    assert exponents(short, n, e).tolist() == []
    least = (1 + phi * next(k for k in range(1, e) if (1 + phi * k) % e == 0)) // e
    assert exponents(np.array([least >> 1984], np.uint64), n, e).tolist() == [0]


def test_primes_of_diffie_hellman_are_no_moduli() -> None:
    """Those of OpenSSL stand behind pointers in every process, and their highest bits fit each other."""
    modulus, source = rsa_numbers(2048).public_numbers.n, random.Random(1)
    group = (1 << 2048) - (1 << 1984) | source.getrandbits(1984) | 1
    integers = Integers((), [modulus, group, modulus >> 1 | 1, modulus - 1])
    assert integers.of_structures([256]) == [modulus]


@pytest.mark.parametrize("exponent", [65537, 3])
def test_primes_of_unequal_widths_in_digits(exponent: int) -> None:
    """So the package ``rsa`` of Python makes and holds them: 1088 and 960 bits."""
    p = int.from_bytes(hashlib.shake_256(b"p").digest(136), "big") | 1 | 3 << 1086
    q = int.from_bytes(hashlib.shake_256(b"q").digest(120), "big") | 1 | 3 << 958
    p, q = p + 1206, q + 90
    n, d = p * q, pow(exponent, -1, (p - 1) * (q - 1))
    memory = b"plain text  " * 20
    for number in (n, exponent, d, p, q):
        digits = ENCODERS["digits-30-le32"](number)
        memory += struct.pack("<QQQ", 1, 0x7F12345670, len(digits) // 4) + digits + bytes(-len(digits) % 8) + bytes(24)
    clues = list(all_clues(RAW_INTEGERS.match(view(memory + b"plain text  " * 400), ())))
    (found,) = rsa.prove(clues, [], nothing, [])
    assert found.identity == b"rsa:" + n.to_bytes(256, "big")
    assert {c.name: int.from_bytes(c.value, "big") for c in found.components if c.name in "pq"} == {"p": p, "q": q}


@pytest.mark.parametrize("seed", range(4))
def test_never_from_other_numbers(seed: int) -> None:
    source = random.Random(seed)
    numbers = [source.getrandbits(1024) | 1 | 1 << 1023 for _ in range(400)]
    numbers += [rsa_numbers(2048).p, rsa_numbers(2048, 1).q, rsa_numbers(2048).public_numbers.n]
    assert not rsa.prove([clue(n, 8 * i) for i, n in enumerate(numbers)], [known(2048, 2)], nothing, [])


def test_degenerate_moduli_prove_nothing() -> None:
    publics = [PublicKey("rsa", (n, e)) for n, e in ((0, 0), (1, 1), (15, 3), (1 << 2048, 65537), (3 << 2046 | 1, 0))]
    assert not rsa.prove([clue(rsa_numbers(2048).p, 0)], publics, nothing, [])


@pytest.mark.parametrize("index", range(6))
def test_exponent(index: int) -> None:
    key = rsa_numbers(1024, index)
    n, phi = key.public_numbers.n, (key.p - 1) * (key.q - 1)
    assert exponent_fits(n, 65537, key.d)
    assert exponent_fits(n, 65537, pow(65537, -1, phi))
    source = random.Random(index)
    others = [source.getrandbits(1024) for _ in range(500)]
    others += [source.getrandbits(bits) | 1 << bits - 1 for bits in range(513, 997, 4)]
    assert sum(exponent_fits(n, 65537, other) for other in others) <= 2  # one random number in 2**15 fits by chance


@pytest.mark.parametrize("factor", [11, 1009, 65521])
def test_exponent_of_primes_with_a_great_common_factor(factor: int) -> None:
    key = rsa_numbers_with_common_factor(factor)
    assert exponent_fits(key.public_numbers.n, 65537, key.d)


def test_lowest_limbs() -> None:
    values = np.random.default_rng(5).integers(0, 1 << 63, 999, np.uint64) | np.uint64(1)
    assert (values * inverse64(values) == 1).all()
    assert members(values)(np.concatenate([values[10:20], values[:5] + np.uint64(1)])).tolist() == list(range(10))


@pytest.mark.parametrize("lost", [0, 1, 2, 8, 40])
def test_a_modulus_without_its_last_bytes_is_no_exponent(lost: int) -> None:
    """It is n / 256**lost, and 256**lost would be the common factor of p - 1 and q - 1."""
    n = rsa_numbers(1024).public_numbers.n
    assert not exponent_fits(n, 65537, n >> 8 * lost)
    assert not exponent_fits(n, 65537, (n >> 8 * lost) ^ 0x55)


def test_too_many_moduli_in_structures_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(2)
    numbers = [source.getrandbits(2048) | 1 | 1 << 2047 for _ in range(4)]
    clues = [
        Clue("rsa-integer", n.to_bytes(256, "big"), 300 * i, 300 * i + 276, "digits-30-le32")
        for i, n in enumerate(numbers)
    ]
    limits: list[str] = []
    assert rsa.prove(clues, [], nothing, limits) == []
    assert not limits
    monkeypatch.setattr(rsa, "MAX_UNNAMED", 3)
    assert rsa.prove(clues, [], nothing, limits) == []
    assert limits == ["more RSA moduli in structures than the limit of one dump"]
