"""Numbers that give a key away: that they do, and that no spelling of them is left."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from dumpscan.redact import redact_path
from dumpscan.scan import Options
from dumpscan.telltales import of_ec, of_ed25519, of_rsa
from tests.makers.lib_keys import Asymmetric, Held, held_asymmetric
from tests.makers.raw_keys import rsa_numbers
from tests.makers.truth import Form, Search, forms

RADIX = 1 << 1024
NUMBERS = rsa_numbers(2048, 1)
N, P, Q = NUMBERS.public_numbers.n, NUMBERS.p, NUMBERS.q
KEPT = {part.name: int.from_bytes(part.value, "big") for part in of_rsa(P, Q)}


@pytest.mark.parametrize("power", [1, 2, 3])
def test_powers_of_the_radix_give_the_primes(power: int) -> None:
    for name, prime in (("p", P), ("q", Q)):
        assert math.gcd(RADIX**power - KEPT["r" * power + name], N) == prime
        assert math.gcd((1 << 2 * 17 * 63) - KEPT[f"rr{name}63"], N) == prime


def test_a_prime_in_montgomery_form_gives_itself() -> None:
    assert (math.gcd(KEPT["rpn"], N), math.gcd(KEPT["rqn"], N)) == (P, Q)


@pytest.mark.parametrize(("name", "prime", "root"), [("rqinv", P, Q), ("rpinv", Q, P)])
def test_an_inverse_in_montgomery_form_has_a_prime_for_its_root(name: str, prime: int, root: int) -> None:
    assert (KEPT[name] * root - RADIX) % prime == 0
    assert (KEPT[name] * root**2 - RADIX * root) % N == 0


def test_what_a_generator_of_keys_has_computed_gives_the_primes() -> None:
    """What is told of phi and lcm is their lower half: the upper one is that of n, or of its part."""
    phi = (P - 1) * (Q - 1)
    lcm = phi // math.gcd(P - 1, Q - 1)
    assert 0 <= (N >> 1024) - (phi >> 1024) <= 2
    assert (KEPT["phi"], KEPT["lcm"]) == (phi % RADIX, lcm % RADIX)
    total, difference = KEPT["p+q"], KEPT["p-q"]
    assert (total + difference) // 2 == P
    assert total == N + 1 - phi
    assert math.isqrt(4 * N + difference**2) == total


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()])
def test_a_scalar_in_montgomery_form(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    d = key.private_numbers().private_value
    names = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
    (part,) = of_ec(names.get(curve.name, curve.name), d)
    turned = ec.derive_private_key(int.from_bytes(part.value, "big"), curve)
    radix = ec.derive_private_key((1 << 64 * -(-curve.key_size // 64)) % curve.group_order, curve)
    x = turned.public_key().public_numbers().x
    assert int.from_bytes(radix.exchange(ec.ECDH(), key.public_key()), "big") == x
    assert of_ec("P-224", d) == ()


def test_a_reduced_scalar_of_ed25519() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = 1 << 254 | random.Random(1).getrandbits(251) << 3
    reduced, turned = (int.from_bytes(part.value, "big") for part in of_ed25519(scalar))
    assert reduced == scalar % order
    assert turned == reduced * 2**256 % order


@cache
def held() -> tuple[tuple[Held, bytes], ...]:
    """Keys, with a file that holds them."""
    keys: dict[str, Asymmetric] = {
        "rsa": NUMBERS.private_key(),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    files = (
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for key in keys.values()
    )
    return tuple((held_asymmetric(name, key), file) for (name, key), file in zip(keys.items(), files, strict=True))


_BINARY = {
    "scalar mod L": ("LE",),
    "scalar * R mod L": ("LE",),
    "d * R": ("LE",),
    "RR mod p, words of 63 bits": ("63-bit digits",),
    "RR mod q, words of 63 bits": ("63-bit digits",),
    "phi": ("LE", "BE", "int[] MSW first"),
    "lcm": ("LE", "30-bit digits"),
    "p - q": ("LE", "int[] MSW first"),
    "p + q": ("LE", "60-bit digits"),
}
"""Component -> the forms in which who keeps it would; of the others limbs."""


def planted(key: Held) -> Iterator[Form]:
    """The telltales of ``key``, as programs hold them."""
    for form in forms(key.name, key.parts):
        kept = form.component in _BINARY or "R" in form.component
        if kept and form.name in _BINARY.get(form.component, ("LE", "int[] MSW first")):
            yield form


@pytest.mark.parametrize("name", ["rsa", "p256", "p384", "p521", "ed25519"])
def test_none_is_left_in_a_copy(name: str, tmp_path: Path) -> None:
    source = random.Random(name)
    key, file = next((key, file) for key, file in held() if key.name == name)
    mine = list(planted(key))
    assert mine
    parts = [file, *(form.data for form in mine)]
    dump = tmp_path / "dump"
    dump.write_bytes(b"".join(bytes(source.randrange(8, 40) * 8) + part for part in parts) + bytes(4096))
    search = Search(mine)
    assert {s.form.component for s in search.sightings(dump) if s.whole} == {form.component for form in mine}
    copy = tmp_path / "copy"
    redact_path(str(dump), copy, Options(jobs=1))
    assert [(s.form.component, s.form.name) for s in search.sightings(copy)] == []
