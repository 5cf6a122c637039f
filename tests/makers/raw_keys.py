"""Encoders of private numbers, and memory to plant them in; shares nothing with the code under test."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from dumpscan.matchers.base import View
from dumpscan.model import Mapped, Span


def digits(number: int, bits: int, width: int) -> bytes:
    """Little-endian array of digits of ``bits`` bits in ``width`` bytes each."""
    out = b""
    while number:
        out += (number & ((1 << bits) - 1)).to_bytes(width, "little")
        number >>= bits
    return out


def java_words(number: int) -> bytes:
    """java.math.BigInteger.mag on a little-endian host."""
    size = -(-number.bit_length() // 32) * 4
    big = number.to_bytes(size, "big")
    return b"".join(big[i : i + 4][::-1] for i in range(0, size, 4))


ENCODERS: dict[str, Callable[[int], bytes]] = {
    "limbs-le": lambda v: v.to_bytes((v.bit_length() + 7) // 8, "little"),
    "octets": lambda v: v.to_bytes((v.bit_length() + 7) // 8, "big"),
    "words-msw-le32": java_words,
    "digits-30-le32": lambda v: digits(v, 30, 4),
    "digits-28-le32": lambda v: digits(v, 28, 4),
    "digits-60-le64": lambda v: digits(v, 60, 8),
}


def rsa_numbers(bits: int, index: int = 0) -> rsa.RSAPrivateNumbers:
    """A key of its own for each index, made at run time, the same in every run: what a test finds, it always finds."""
    return _rsa_numbers(bits, index)


@cache
def _rsa_numbers(bits: int, index: int) -> rsa.RSAPrivateNumbers:
    source = random.Random(f"{bits} {index}")
    primes = {seeded_prime(bits // 2, 2, source)}
    while len(primes) < 2:
        primes.add(seeded_prime(bits // 2, 2, source))
    p, q = sorted(primes, reverse=True)
    return _numbers(p, q)


_SMALL_PRIMES = math.prod(n for n in range(3, 2000) if all(n % m for m in range(2, math.isqrt(n) + 1)))


def seeded_prime(bits: int, divisor: int, source: random.Random) -> int:
    """A prime of ``bits`` bits, the two highest set, congruent to 1 modulo ``divisor`` but not modulo 65537."""
    while True:
        p = (source.getrandbits(bits) | 3 << (bits - 2)) // divisor * divisor + 1
        if p.bit_length() == bits and p % 65537 != 1 and math.gcd(p, _SMALL_PRIMES) == 1 and pow(2, p - 1, p) == 1:
            return p


def _numbers(p: int, q: int) -> rsa.RSAPrivateNumbers:
    d = pow(65537, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)


@cache
def rsa_numbers_with_common_factor(factor: int, bits: int = 1024) -> rsa.RSAPrivateNumbers:
    """A key whose p - 1 and q - 1 share ``factor``, so that d = 1/e modulo their least common multiple is short."""
    source = random.Random(factor)
    primes = {seeded_prime(bits // 2, 2 * factor, source)}
    while len(primes) < 2:
        primes.add(seeded_prime(bits // 2, 2 * factor, source))
    p, q = sorted(primes, reverse=True)
    return _numbers(p, q)


@cache
def rsa_8192() -> tuple[int, int]:
    """(n, p) of an RSA-8192 key of two published primes, which take no time to find: MODP group 16 (RFC 3526) and
    ffdhe4096 (RFC 7919)."""
    one = 1 << 3966 + 64  # 64 guard bits
    total, term, at = 0, one, 0
    while term:
        total, at = total + term, at + 1
        term //= at
    pi = 4 * (4 * _arctangent(5, one) - _arctangent(239, one))
    frame = (1 << 4096) - (1 << 4032) - 1
    p, q = (frame + (((constant >> 64) + more) << 64) for constant, more in ((pi, 240904), (total, 5736041)))
    return p * q, p


def _arctangent(inverse: int, one: int) -> int:
    """arctan(1 / inverse) * one."""
    total, term, at = 0, one // inverse, 1
    while term:
        total += term // at if at % 4 == 1 else -(term // at)
        term //= inverse * inverse
        at += 2
    return total


def filler(kind: str, size: int, source: random.Random) -> bytes:
    """``size`` bytes (rounded down to 8) of neighbours of one kind."""
    words = size // 8
    if kind == "random":
        return source.randbytes(8 * words)
    if kind == "pointers":
        return b"".join((0x7FFF00000000 + 16 * source.randrange(1 << 24)).to_bytes(8, "little") for _ in range(words))
    if kind == "text":
        return (b"plain text, " * words)[: 8 * words]
    return bytes(8 * words)


def header(size: int) -> bytes:
    """The word that glibc puts before a chunk."""
    return (size + 17).to_bytes(8, "little")


def view(data: bytes, address: int | None = None) -> View:
    mapped = () if address is None else (Mapped(0, address, len(data)),)
    return View(memoryview(data), (Span(0, len(data)),), address=address, mapped=mapped)


def heap(parts: Sequence[bytes], kind: str, source: random.Random, shift: int = 0) -> bytes:
    """Chunks with headers, ``kind`` of memory between them; the parts begin ``shift`` bytes into theirs."""
    out = filler(kind, 512, source)
    for part in parts:
        out += (
            header(len(part))
            + bytes(shift)
            + part
            + bytes(-(len(part) + shift) % 8)
            + header(0x40)
            + filler(kind, 256, source)
        )
    return out
