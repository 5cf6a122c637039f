"""Memory with secrets at known places: the material of the property tests."""

from __future__ import annotations

import base64
import random
import zlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def github_token(rng: random.Random) -> str:
    """A token with a valid checksum: 30 characters, then their CRC-32 as 6 base-62 digits."""
    body = "".join(rng.choice(BASE62) for _ in range(30))
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return "ghp_" + body + digits


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """Unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """Unencrypted PKCS#8 DER."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def spki(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """The public half in DER."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Planted:
    """``data`` and what was put where; ``kinds`` are the kinds of finding to expect."""

    data: bytearray
    places: list[tuple[int, bytes]] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    def put(self, offset: int, secret: bytes) -> None:
        """Write ``secret`` at ``offset``."""
        self.data[offset : offset + len(secret)] = secret
        self.places.append((offset, secret))


def filler(rng: random.Random, size: int) -> bytearray:
    """Memory as it is: zero pages, text, pointers, random bytes."""
    data = bytearray()
    while len(data) < size:
        kind = rng.randrange(4)
        if kind == 0:
            data += bytes(4096)
        elif kind == 1:
            data += b"the quick brown fox jumps over the lazy dog 0123456789\n" * 40
        elif kind == 2:
            data += b"".join((0x7F0000000000 + rng.randrange(1 << 24) * 8).to_bytes(8, "little") for _ in range(300))
        else:
            data += rng.randbytes(1500)
    return data[:size]


def planted(seed: int, size: int = 400_000) -> Planted:
    """A few of everything at random places that do not touch."""
    rng = random.Random(seed)
    memory = Planted(filler(rng, size))
    p = RSA_KEY.private_numbers().p
    q = RSA_KEY.private_numbers().q
    token = github_token(rng)
    secrets: list[tuple[bytes, str, int]] = [
        (pem(EC_KEY), "ec-private-key", 1),
        (der(ED_KEY), "ed25519-private-key", 1),
        (token.encode(), "github-token", 1),
        (token.encode("utf-16-le"), "github-token", 1),
        (base64.b64encode(token.encode()), "github-token", 1),
        (spki(RSA_KEY), "", 1),
        (bytes(16) + p.to_bytes(128, "little") + bytes(16), "rsa-private-key", 16),
        (bytes(16) + q.to_bytes(128, "little") + bytes(16), "rsa-private-key", 16),
    ]
    slot = size // len(secrets)
    rng.shuffle(secrets)
    for index, (secret, kind, alignment) in enumerate(secrets):
        offset = index * slot + rng.randrange(64, slot - len(secret) - 64)
        offset -= offset % alignment
        memory.put(offset - 1, b"\0")
        memory.put(offset, secret)
        memory.put(offset + len(secret), b"\0")
        memory.kinds |= {kind} - {""}
    memory.places = [(at, secret) for at, secret in memory.places if len(secret) > 1]
    return memory
