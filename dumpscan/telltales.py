"""Numbers that give a private key away as the key itself would, and that programs keep beside it or leave behind.

Some are kept for arithmetic in Montgomery form; R is 2**(64 * words) of the modulus (Montgomery, "Modular
multiplication without trial division", 1985):

========================  ==========================================  =============================================
number                    gives away                                  kept by
========================  ==========================================  =============================================
R**k mod p, k = 1, 2, 3   p = gcd(R**k - it, n)                       OpenSSL, mbedTLS (2), Go (1, 2; Go 1.20 with
                                                                      words of 63 bits), Java (1), ring (3), Botan,
                                                                      RustCrypto's crypto-bigint (all)
q * R mod n               q = gcd(it, n)                              ring
R / q mod p               q: a small root of it * x**2 = R * x mod n  ring, BoringSSL
d * R mod (order of G)    d                                           ring, RustCrypto (P-384, P-521)
s mod L, s * R mod L      the scalar s of Ed25519                     Java, Go, curve25519-dalek
========================  ==========================================  =============================================

Others are what who makes a key of RSA has computed on the way (Go, Java, CPython): (p - 1) * (q - 1), or the least
common multiple of the two, p - q, and p + q. Each gives p and q to who knows n. Of the first two the upper half is
n's, or n's divided by a small number, and not private.

Sources: bn_mont.c of OpenSSL, bignum.c of mbedTLS, math/big, crypto/rsa and crypto/internal/bigmod of Go,
RSAKeyPairGenerator of OpenJDK, rsa/keypair.rs and ec/suite_b/ecdsa/signing.rs of ring 0.17, rsa_impl.c of BoringSSL,
MontyParams of crypto-bigint; cores of programs that use them.
"""

from __future__ import annotations

from math import gcd

from dumpscan.curves import EQUATIONS, ORDER_25519, montgomery_radix
from dumpscan.model import Component


def of_rsa(p: int, q: int) -> tuple[Component, ...]:
    """Those of an RSA key with the primes ``p`` and ``q``; the names spell the products, ``inv`` an inverse."""
    n = p * q
    found: list[Component] = []
    for name, prime, other_name, other in (("p", p, "q", q), ("q", q, "p", p)):
        radix = montgomery_radix(prime)
        found += [_residue("r" * power + name, pow(radix, power, prime), prime) for power in (1, 2, 3)]
        narrow = 1 << 63 * -(-prime.bit_length() // 63)
        found.append(_residue(f"rr{name}63", narrow**2 % prime, prime))
        found.append(_residue(f"r{other_name}inv", pow(other, -1, prime) * radix % prime, prime))
        found.append(_residue(f"r{name}n", prime * montgomery_radix(n) % n, n))
    phi = (p - 1) * (q - 1)
    half = (n.bit_length() + 15) // 16
    for name, number in (("phi", phi), ("lcm", phi // gcd(p - 1, q - 1))):
        found.append(Component(name, (number % (1 << 8 * half)).to_bytes(half, "big"), "number"))
    for name, number in (("p-q", abs(p - q)), ("p+q", p + q)):
        found.append(Component(name, number.to_bytes((number.bit_length() + 7) // 8, "big"), "number"))
    return tuple(found)


def of_ec(curve: str, d: int) -> tuple[Component, ...]:
    """That of the scalar ``d`` on one of the curves of :data:`dumpscan.curves.EQUATIONS`; nothing on others."""
    if curve not in EQUATIONS:
        return ()
    order = EQUATIONS[curve].order
    return (_residue("rd", d * montgomery_radix(order) % order, order),)


def of_ed25519(scalar: int) -> tuple[Component, ...]:
    """Those of the scalar of an Ed25519 key: reduced, and in Montgomery form."""
    reduced = scalar % ORDER_25519
    turned = reduced * montgomery_radix(ORDER_25519) % ORDER_25519
    return _residue("s", reduced, ORDER_25519), _residue("rs", turned, ORDER_25519)


def _residue(name: str, number: int, modulus: int) -> Component:
    return Component(name, number.to_bytes((modulus.bit_length() + 7) // 8, "big"), "limbs")
