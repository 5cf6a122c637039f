"""Private keys as numbers: checked by arithmetic, and turned into candidates that carry every component.

Whatever encoding a key was met in (PEM, CNG blob, limbs), it becomes a :class:`Candidate` here, so that one key has
one identity, one title and one list of components. A key whose numbers contradict each other is no key: ``None``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519

from dumpscan import telltales
from dumpscan.model import Candidate, Component, Confidence, PublicKey, Severity, Span

CURVES: dict[str, ec.EllipticCurve] = {
    "P-224": ec.SECP224R1(),
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}
"""Curves by the name used in titles; OpenSSL of the ``cryptography`` wheels knows all of them."""

CURVE_OIDS = {
    "1.3.132.0.33": "P-224",
    "1.2.840.10045.3.1.7": "P-256",
    "1.3.132.0.34": "P-384",
    "1.3.132.0.35": "P-521",
    "1.3.132.0.10": "secp256k1",
    "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
    "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
    "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
}
"""RFC 5480, RFC 5639, SEC 2."""

_OkpClass = type[ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey]
_OKP: dict[str, tuple[_OkpClass, int]] = {
    "ed25519": (ed25519.Ed25519PrivateKey, 32),
    "ed448": (ed448.Ed448PrivateKey, 57),
    "x25519": (x25519.X25519PrivateKey, 32),
    "x448": (x448.X448PrivateKey, 56),
}
"""Algorithm -> (class, seed length in bytes); RFC 8032, RFC 7748."""


def octets(number: int, width: int = 0) -> bytes:
    """Big-endian bytes of ``number``, at least ``width`` of them."""
    return number.to_bytes(max(width, (number.bit_length() + 7) // 8, 1), "big")


def der(tag: int, *parts: bytes) -> bytes:
    """One DER element."""
    body = b"".join(parts)
    size = len(body)
    head = bytes([size]) if size < 128 else bytes([0x80 | (size.bit_length() + 7) // 8]) + octets(size)
    return bytes([tag]) + head + body


def der_integer(number: int) -> bytes:
    """A DER INTEGER, for ``number`` of 0 or more."""
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def rsa_spki_sha256(n: int, e: int) -> str:
    """SHA-256 (hex) of the SubjectPublicKeyInfo of an RSA key."""
    algorithm = der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    key = der(0x30, der_integer(n), der_integer(e))
    return hashlib.sha256(der(0x30, algorithm, der(3, b"\0", key))).hexdigest()


def point_of(curve: str, scalar: int) -> tuple[int, int] | None:
    """``scalar`` * G on ``curve`` as affine (x, y); ``None`` if the scalar is out of range."""
    try:
        numbers = ec.derive_private_key(scalar, CURVES[curve]).public_key().public_numbers()
    except ValueError:
        return None
    return numbers.x, numbers.y


def on_curve(curve: str, point: tuple[int, int]) -> bool:
    """Whether the affine (x, y) is a point of ``curve``."""
    try:
        ec.EllipticCurvePublicNumbers(*point, CURVES[curve]).public_key()
    except ValueError:
        return False
    return True


def okp_public(algorithm: str, seed: bytes) -> bytes:
    """The raw public key that belongs to the raw private key ``seed``."""
    cls, _ = _OKP[algorithm]
    return cls.from_private_bytes(seed).public_key().public_bytes_raw()


def okp_seed_size(algorithm: str) -> int:
    """Length in bytes of a raw private key of ``ed25519``, ``ed448``, ``x25519`` or ``x448``."""
    return _OKP[algorithm][1]


def factors_from_exponent(n: int, e: int, d: int) -> tuple[int, int] | None:
    """Factor ``n`` from both exponents (Miller's reduction; NIST SP 800-56B rev. 2, appendix C)."""
    k = e * d - 1
    if k <= 0 or k & 1:
        return None
    twos = (k & -k).bit_length() - 1
    odd = k >> twos
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(base, odd, n)
        for _ in range(twos):
            y = x * x % n
            if y == 1 and x not in (1, n - 1):
                p = _gcd(x - 1, n)
                return p, n // p
            x = y
        if x != 1:
            return None  # base ** k is not 1: d is not the exponent of n
    return None


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def rsa_key(
    n: int,
    e: int,
    *,
    d: int = 0,
    p: int = 0,
    q: int = 0,
    spans: Sequence[Span],
    encoding: str,
    signature: str | None = None,
) -> Candidate | None:
    """An RSA private key, proven: p * q = n, or n factored from d. ``None`` if the numbers do not agree.

    Give p and q, or one of them, or d. Anything given that contradicts the rest refutes the key.
    """
    if n < 1 << 255 or n & 1 == 0 or e < 3 or e & 1 == 0 or e.bit_length() > 256:
        return None
    if p or q:
        p = p or n // q
        q = q or n // p
        how = "p*q = n"
    else:
        factors = factors_from_exponent(n, e, d)
        if factors is None:
            return None
        p, q = factors
        how = "n factored from d"
    if p * q != n or p == 1 or q == 1:
        return None
    try:
        canonical_d = pow(e, -1, (p - 1) * (q - 1) // _gcd(p - 1, q - 1))
    except ValueError:
        return None
    if d:
        if (e * d - 1) % (p - 1) or (e * d - 1) % (q - 1):
            return None
        how += ", e*d = 1 mod lcm(p-1, q-1)" if how != "n factored from d" else ""
    p, q = max(p, q), min(p, q)
    width, half = (n.bit_length() + 7) // 8, (p.bit_length() + 7) // 8
    phi_d = pow(e, -1, (p - 1) * (q - 1))
    numbers = {
        "p": (p, half),
        "q": (q, half),
        "d": (d or canonical_d, width),
        "dp": (canonical_d % (p - 1), half),
        "dq": (canonical_d % (q - 1), half),
        "qinv": (pow(q, -1, p), half),
        "pinv": (pow(p, -1, q), half),
    }
    for number in (canonical_d, phi_d):  # both exist in the wild: OpenSSL >= 1.1.1 writes the former
        if number not in (value for value, _ in numbers.values()):
            numbers[f"d{len(numbers)}"] = (number, width)
    components = tuple(Component("d" if k[0] == "d" and k[1:].isdigit() else k, octets(v, w), "integer")
                       for k, (v, w) in numbers.items())  # fmt: skip
    return Candidate(
        kind="rsa-private-key",
        title=f"RSA private key ({n.bit_length()} bits)",
        identity=b"rsa:" + octets(n),
        spans=tuple(spans),
        encoding=encoding,
        components=(*components, *telltales.of_rsa(p, q)),
        severity=Severity.CRITICAL,
        confidence=Confidence.PROVEN,
        evidence=how,
        signature=signature,
        public={"spki_sha256": rsa_spki_sha256(n, e)},
        preview=f"RSA-{n.bit_length()} e={e}",
    )


def ec_key(
    curve: str,
    scalar: int,
    *,
    point: tuple[int, int] | None = None,
    spans: Sequence[Span],
    encoding: str,
    signature: str | None = None,
) -> Candidate | None:
    """An EC private key; proven if ``point`` is given and d*G equals it, ``None`` if it differs."""
    derived = point_of(curve, scalar) if curve in CURVES else None
    if derived is None or (point is not None and point != derived):
        return None
    width = (CURVES[curve].key_size + 7) // 8
    public = ec.EllipticCurvePublicNumbers(*derived, CURVES[curve]).public_key()
    return Candidate(
        kind="ec-private-key",
        title=f"EC private key ({curve})",
        identity=b"ec:%s:" % curve.encode() + octets(derived[0], width) + octets(derived[1], width),
        spans=tuple(spans),
        encoding=encoding,
        components=(Component("d", octets(scalar, width), "integer"), *telltales.of_ec(curve, scalar)),
        severity=Severity.CRITICAL,
        confidence=Confidence.PROVEN if point else Confidence.VALIDATED,
        evidence="d*G = Q" if point else "scalar in range of the named curve",
        signature=signature,
        public={"spki_sha256": _spki_sha256(public)},
        preview=f"EC {curve}",
    )


def okp_key(
    algorithm: str,
    seed: bytes,
    *,
    public: bytes | None = None,
    spans: Sequence[Span],
    encoding: str,
    signature: str | None = None,
) -> Candidate | None:
    """An Ed25519, Ed448, X25519 or X448 key; proven if ``public`` is given and belongs to ``seed``."""
    if len(seed) != okp_seed_size(algorithm) or len(set(seed)) < 4:
        return None
    derived = okp_public(algorithm, seed)
    if public is not None and public != derived:
        return None
    cls, _ = _OKP[algorithm]
    name = algorithm.capitalize()
    return Candidate(
        kind=f"{algorithm}-private-key",
        title=f"{name} private key",
        identity=algorithm.encode() + b":" + derived,
        spans=tuple(spans),
        encoding=encoding,
        components=_okp_components(algorithm, seed),
        severity=Severity.CRITICAL,
        confidence=Confidence.PROVEN if public else Confidence.VALIDATED,
        evidence="public key derived from the seed" if public else "seed of the named algorithm",
        signature=signature,
        public={"spki_sha256": _spki_sha256(cls.from_private_bytes(seed).public_key())},
        preview=name,
    )


def ed25519_scalar_key(
    scalar: bytes, public: bytes, *, prefix: bytes = b"", spans: Sequence[Span], encoding: str
) -> Candidate | None:
    """An Ed25519 key of which the seed is gone: who calls has found that ``scalar`` (little-endian) belongs to
    ``public``; ``prefix`` is what signatures hash, and gives the scalar away with any of them."""
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(public)
    except ValueError:
        return None
    parts = _scalar_components(scalar)
    return Candidate(
        kind="ed25519-private-key",
        title="Ed25519 private key",
        identity=b"ed25519:" + public,
        spans=tuple(spans),
        encoding=encoding,
        components=(*parts, Component("prefix", prefix)) if prefix else parts,
        severity=Severity.CRITICAL,
        confidence=Confidence.PROVEN,
        evidence="public key derived from the scalar",
        public={"spki_sha256": _spki_sha256(key)},
        preview="Ed25519",
    )


def _scalar_components(scalar: bytes) -> tuple[Component, ...]:
    """The scalar of an Ed25519 key (little-endian), and what follows from it."""
    return (Component("scalar", scalar, "scalar"), *telltales.of_ed25519(int.from_bytes(scalar, "little")))


def _okp_components(algorithm: str, seed: bytes) -> tuple[Component, ...]:
    """The seed, and what libraries keep of its hash (RFC 8032, section 5.1.5): the scalar and the prefix."""
    parts = [Component("seed", seed)]
    if algorithm == "ed25519":
        digest = bytearray(hashlib.sha512(seed).digest())
        parts.append(Component("hash", bytes(digest)))
        digest[0] &= 248
        digest[31] = digest[31] & 63 | 64
        parts += _scalar_components(bytes(digest[:32]))
    elif algorithm == "ed448":
        digest = bytearray(hashlib.shake_256(seed).digest(114))
        parts.append(Component("hash", bytes(digest)))
        digest[0] &= 252
        digest[55] |= 128
        digest[56] = 0
        parts.append(Component("scalar", bytes(digest[:57]), "scalar"))
    return tuple(parts)


def dsa_key(
    p: int,
    q: int,
    g: int,
    x: int,
    *,
    y: int = 0,
    spans: Sequence[Span],
    encoding: str,
    signature: str | None = None,
) -> Candidate | None:
    """A DSA private key; proven if ``y`` is given and g**x = y (mod p), ``None`` if it differs."""
    if not (0 < x < q < p) or not 1 < g < p or p.bit_length() < 512 or pow(g, q, p) != 1:
        return None
    derived = pow(g, x, p)
    if y and y != derived:
        return None
    algorithm = der(0x30, bytes.fromhex("06072a8648ce380401"), der(0x30, *map(der_integer, (p, q, g))))
    spki = der(0x30, algorithm, der(3, b"\0", der_integer(derived)))
    return Candidate(
        kind="dsa-private-key",
        title=f"DSA private key ({p.bit_length()} bits)",
        identity=b"dsa:" + octets(p) + octets(derived),
        spans=tuple(spans),
        encoding=encoding,
        components=(Component("x", octets(x, (q.bit_length() + 7) // 8), "integer"),),
        severity=Severity.CRITICAL,
        confidence=Confidence.PROVEN if y else Confidence.VALIDATED,
        evidence="g**x = y mod p" if y else "g has order q",
        signature=signature,
        public={"spki_sha256": hashlib.sha256(spki).hexdigest()},
        preview=f"DSA-{p.bit_length()}",
    )


def dh_key(
    p: int, g: int, x: int, y: int, *, spans: Sequence[Span], encoding: str, signature: str | None = None
) -> Candidate | None:
    """A Diffie-Hellman private exponent, proven by g**x = y (mod p)."""
    if p.bit_length() < 512 or not 1 < x < p or pow(g, x, p) != y:
        return None
    return Candidate(
        kind="dh-private-key",
        title=f"Diffie-Hellman private key ({p.bit_length()} bits)",
        identity=b"dh:" + octets(p) + octets(y),
        spans=tuple(spans),
        encoding=encoding,
        components=(Component("x", octets(x), "integer"),),
        severity=Severity.CRITICAL,
        confidence=Confidence.PROVEN,
        evidence="g**x = y mod p",
        signature=signature,
        preview=f"DH-{p.bit_length()}",
    )


def public_identity(key: PublicKey) -> bytes:
    """The identity that a private key of ``key`` would have."""
    if key.algorithm == "rsa":
        return b"rsa:" + octets(key.numbers[0])
    if key.algorithm == "ec":
        width = (CURVES[key.curve].key_size + 7) // 8
        return b"ec:%s:" % key.curve.encode() + b"".join(octets(v, width) for v in key.numbers)
    if key.algorithm == "dsa":
        return b"dsa:" + octets(key.numbers[0]) + octets(key.numbers[3])
    if key.algorithm == "dh":
        return b"dh:" + octets(key.numbers[0]) + octets(key.numbers[2])
    return key.algorithm.encode() + b":" + key.point


def _spki_sha256(
    key: ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | x25519.X25519PublicKey
    | x448.X448PublicKey,
) -> str:
    # here, for it brings SSH's files and all ciphers along: two hundredths of the start
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()
