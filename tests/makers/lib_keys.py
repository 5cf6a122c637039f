"""Keys made for one test, the files from which programs load them, and their private parts."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from tests.makers.truth import Part

Asymmetric = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey

_DER, _PEM, _RAW = serialization.Encoding.DER, serialization.Encoding.PEM, serialization.Encoding.Raw
_PLAIN = serialization.NoEncryption()


@dataclass(frozen=True)
class Held:
    """A key that a program holds; ``spki_sha256`` is empty for a symmetric key."""

    name: str
    kind: str
    parts: Mapping[str, Part] = field(repr=False)
    spki_sha256: str = ""


@dataclass(frozen=True)
class Keys:
    """The keys by the name of their files."""

    folder: Path
    asymmetric: Mapping[str, Asymmetric] = field(repr=False)
    symmetric: Mapping[str, bytes] = field(repr=False)

    def held(self, *names: str) -> tuple[Held, ...]:
        """What a program holds that loaded the keys ``names``."""
        return tuple(
            held_symmetric(name, self.symmetric[name])
            if name in self.symmetric
            else held_asymmetric(name, self.asymmetric[name])
            for name in names
        )


def make_keys(folder: Path) -> Keys:
    """A key of each type, written as PEM and as the raw numbers that small programs read."""
    asymmetric: dict[str, Asymmetric] = {
        "rsa2048": rsa.generate_private_key(65537, 2048),
        "rsa3072": rsa.generate_private_key(65537, 3072),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "x25519": x25519.X25519PrivateKey.generate(),
    }
    symmetric = {"aes128": os.urandom(16), "aes256": os.urandom(32)}
    for name, key in asymmetric.items():
        _write(folder, name, key)
    for name, secret in symmetric.items():
        (folder / name).write_bytes(secret)
    return Keys(folder, asymmetric, symmetric)


def _write(folder: Path, name: str, key: Asymmetric) -> None:
    (folder / f"{name}.pem").write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, _PLAIN))
    (folder / f"{name}.der").write_bytes(key.private_bytes(_DER, serialization.PrivateFormat.PKCS8, _PLAIN))
    if not isinstance(key, x25519.X25519PrivateKey):
        openssh = key.private_bytes(_PEM, serialization.PrivateFormat.OpenSSH, _PLAIN)
        (folder / f"{name}.openssh").write_bytes(openssh)
        (folder / f"{name}.openssh").chmod(0o600)
    for suffix, part in {**_parts(key), **_public_parts(key)}.items():
        data = part.octets or part.number.to_bytes(part.size, "big")
        (folder / f"{name}.{suffix}").write_bytes(data)
    if isinstance(key, rsa.RSAPrivateKey):
        old = key.private_bytes(_DER, serialization.PrivateFormat.TraditionalOpenSSL, _PLAIN)
        (folder / f"{name}.pkcs1").write_bytes(old)


def held_asymmetric(name: str, key: Asymmetric) -> Held:
    """``key`` as a program holds it, called ``name``."""
    kinds: dict[type, str] = {
        rsa.RSAPrivateKey: "rsa",
        ec.EllipticCurvePrivateKey: "ec",
        ed25519.Ed25519PrivateKey: "ed25519",
        x25519.X25519PrivateKey: "x25519",
    }
    kind = next(kind for cls, kind in kinds.items() if isinstance(key, cls))
    spki = key.public_key().public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Held(name, f"{kind}-private-key", _parts(key), hashlib.sha256(spki).hexdigest())


def _parts(key: Asymmetric) -> dict[str, Part]:
    if isinstance(key, rsa.RSAPrivateKey):
        return _rsa_parts(key.private_numbers(), key.key_size // 8)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ec_parts(key.private_numbers().private_value, key.curve.name)
    raw = key.private_bytes(_RAW, serialization.PrivateFormat.Raw, _PLAIN)
    if isinstance(key, x25519.X25519PrivateKey):
        return {"d": Part(octets=raw)}
    digest = hashlib.sha512(raw).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    parts = {"d": Part(octets=raw), "hash": Part(octets=digest), "scalar": Part(scalar, 32)}
    parts["scalar mod L"] = Part(scalar % _L, 32)
    parts["scalar * R mod L"] = Part((scalar << 256) % _L, 32)
    return parts


def _rsa_parts(numbers: rsa.RSAPrivateNumbers, size: int) -> dict[str, Part]:
    p, q, e = numbers.p, numbers.q, numbers.public_numbers.e
    half = size // 2
    parts = {"d": Part(numbers.d, size), "p": Part(p, half), "q": Part(q, half)}
    parts |= {"dp": Part(numbers.dmp1, half), "dq": Part(numbers.dmq1, half), "qinv": Part(numbers.iqmp, half)}
    parts["pinv"] = Part(pow(p, -1, q), half)
    for name, prime, other_name, other in (("p", p, "q", q), ("q", q, "p", p)):  # each of these gives the key away
        bits = 64 * -(-prime.bit_length() // 64)
        for power in (1, 2, 3):
            parts[f"{'R' * power} mod {name}"] = Part((1 << power * bits) % prime, half)
        narrow = 63 * -(-prime.bit_length() // 63)
        parts[f"RR mod {name}, words of 63 bits"] = Part((1 << 2 * narrow) % prime, half)
        parts[f"R inv({other_name}) mod {name}"] = Part((pow(other, -1, prime) << bits) % prime, half)
        parts[f"{name} * R mod n"] = Part((prime << 2 * bits) % (p * q), size)
    phi = (p - 1) * (q - 1)  # of which the upper half is that of n
    for name, number in (("phi", phi), ("lcm", phi // math.gcd(p - 1, q - 1))):
        parts[name] = Part(number % (1 << 8 * half), half)
    parts |= {"p - q": Part(abs(p - q), half), "p + q": Part(p + q, half + 8)}
    other = pow(e, -1, (p - 1) * (q - 1))
    if other != numbers.d:
        parts["d mod phi"] = Part(other, size)
    return parts


_ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": (1 << 384) - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D,
    "secp521r1": (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
}
_L = (1 << 252) + 27742317777372353535851937790883648493


def _ec_parts(d: int, curve: str) -> dict[str, Part]:
    order = _ORDERS[curve]
    size = (order.bit_length() + 7) // 8
    words = 64 * -(-order.bit_length() // 64)
    return {"d": Part(d, size), "d * R": Part((d << words) % order, size), "-d": Part(order - d, size)}


def _public_parts(key: Asymmetric) -> dict[str, Part]:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"n": Part(numbers.n, key.key_size // 8), "e": Part(numbers.e, 3)}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        form = serialization.PublicFormat.UncompressedPoint
        return {"q": Part(octets=key.public_key().public_bytes(serialization.Encoding.X962, form))}
    return {"q": Part(octets=key.public_key().public_bytes(_RAW, serialization.PublicFormat.Raw))}


def held_symmetric(name: str, key: bytes) -> Held:
    """An AES key with its expanded schedule."""
    return Held(name, "aes-key", {"key": Part(octets=key), "schedule": Part(octets=expand_aes(key))})


def expand_aes(key: bytes) -> bytes:
    """The encryption schedule of FIPS 197, section 5.2, written down again for the tests."""
    box = _aes_box()
    words = [key[at : at + 4] for at in range(0, len(key), 4)]
    count, round_constant = len(words), 1
    for at in range(count, 4 * (count + 7)):
        word = words[-1]
        if at % count == 0:
            word = bytes(box[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ round_constant]) + word[1:]
            round_constant = round_constant << 1 ^ (0x11B if round_constant & 0x80 else 0)
        elif count > 6 and at % count == 4:
            word = bytes(box[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(words[at - count], word, strict=True)))
    return b"".join(words)


def _aes_box() -> list[int]:
    """The substitution box: the inverse in GF(2**8) by powers of 3, then the affine map."""
    power, inverse, value = [], [0] * 256, 1
    for _ in range(255):
        power.append(value)
        value ^= value << 1 ^ (0x11B if value & 0x80 else 0)
        value &= 0xFF
    for at, byte in enumerate(power):
        inverse[byte] = power[-at % 255]
    turned = [[(x << n | x >> 8 - n) & 0xFF for n in range(5)] for x in inverse]
    return [a ^ b ^ c ^ d ^ e ^ 0x63 for a, b, c, d, e in turned]
