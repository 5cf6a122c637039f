"""Public keys that the user gives with ``--known-key``: material for proofs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519

from dumpscan import keys
from dumpscan.errors import UsageError
from dumpscan.model import PublicKey

MAX_FILE = 64 << 20
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_SSH = re.compile(rb"(?:^|\s)(?P<key>(?:ssh-|ecdsa-)[a-z0-9-]+ AAAA[A-Za-z0-9+/=]+)(?P<comment>[^\r\n]*)")
_CURVES = {curve.name: name for name, curve in keys.CURVES.items()}
_JWK_CURVES = {"P-256": 32, "P-384": 48, "P-521": 66, "secp256k1": 32}


class _UnusableError(Exception):
    """An entry that is not a public key known here."""


def load_known_keys(path: Path) -> tuple[PublicKey, ...]:
    """The public keys in the file at ``path``.

    A PEM bundle (certificates, public keys, private keys, of which the public half is taken), one certificate or key
    in DER, a JWK or JWKS, or lines of OpenSSH public keys (``authorized_keys``, ``known_hosts``). Raises
    :class:`dumpscan.errors.UsageError` for a file that cannot be read, holds nothing of the kind, or holds an entry
    that is damaged.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_FILE else b""
    except OSError as error:
        raise UsageError(f"known key {path}: {error.strerror or 'cannot be read'}") from None
    if size > MAX_FILE:
        raise UsageError(f"known key {path}: {size} bytes are more than {MAX_FILE}")
    try:
        found = tuple(_read(data))
    except _UnusableError as error:
        raise UsageError(f"known key {path}: {error}") from None
    if not found:
        raise UsageError(f"known key {path}: no certificate, public key, JWK or SSH public key in it")
    return found


def _read(data: bytes) -> Iterator[PublicKey]:
    if b"-----BEGIN " in data:
        yield from _from_pem(data)
    elif data.lstrip()[:1] in (b"{", b"["):
        yield from _from_json(data)
    elif data[:1] == b"\x30":
        yield _from_der(data)
    else:
        yield from _from_ssh(data)


def _from_pem(data: bytes) -> Iterator[PublicKey]:
    for number, block in enumerate(_PEM.finditer(data), 1):
        what = f"PEM block {number} ({block[1].decode()})"
        if block[1].endswith(b"CERTIFICATE"):
            text = block[0].replace(b"TRUSTED CERTIFICATE", b"CERTIFICATE").replace(b"X509 CERT", b"CERT")
            yield _certificate(_load(what, x509.load_pem_x509_certificate, text))
        elif block[1].endswith(b"PUBLIC KEY"):
            yield _from_library(_load(what, serialization.load_pem_public_key, block[0]), what)
        elif block[1] == b"OPENSSH PRIVATE KEY":
            yield _public_half(_load(what, serialization.load_ssh_private_key, block[0], None), what)
        elif block[1].endswith(b"PRIVATE KEY"):
            yield _public_half(_load(what, serialization.load_pem_private_key, block[0], None), what)


def _from_der(data: bytes) -> PublicKey:
    for load in (x509.load_der_x509_certificate, serialization.load_der_public_key):
        try:
            found = load(data)
        except (ValueError, UnsupportedAlgorithm):
            continue
        return _certificate(found) if isinstance(found, x509.Certificate) else _from_library(found, "public key")
    private = _load("DER", serialization.load_der_private_key, data, None)
    return _public_half(private, "DER private key")


def _from_ssh(data: bytes) -> Iterator[PublicKey]:
    for line in _SSH.finditer(data):
        words = line["comment"].decode("utf-8", "replace").split()
        label = "SSH public key " + "".join(c for c in " ".join(words)[:64] if c.isprintable())
        yield _from_library(_load(label, serialization.load_ssh_public_key, line["key"]), label.strip())


def _load(what: str, load: Callable[..., object], *args: object) -> object:
    """``load(*args)``, with whatever the library raises for bad input made one error; its text is not repeated."""
    try:
        return load(*args)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _UnusableError(f"{what} cannot be read (damaged, encrypted or of an unknown algorithm)") from None


def _certificate(found: object) -> PublicKey:
    if not isinstance(found, x509.Certificate):
        raise _UnusableError("no certificate")
    try:
        subject, issuer = found.subject.rfc4514_string(), found.issuer.rfc4514_string()
    except ValueError:
        subject = issuer = "?"
    label = f"certificate {subject}, issuer {issuer}, to {found.not_valid_after_utc:%Y-%m-%d}"
    return _from_library(_load("certificate", found.public_key), "".join(c if c.isprintable() else "?" for c in label))


def _public_half(private: object, label: str) -> PublicKey:
    public = getattr(private, "public_key", None)
    if public is None:
        raise _UnusableError(f"{label} has no public half")
    return _from_library(public(), label)


def _from_library(key: object, label: str) -> PublicKey:
    raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    if isinstance(key, rsa.RSAPublicKey):
        return PublicKey("rsa", (key.public_numbers().n, key.public_numbers().e), label=label)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        point = key.public_numbers()
        return PublicKey("ec", (point.x, point.y), curve=_CURVES[key.curve.name], label=label)
    if isinstance(key, dsa.DSAPublicKey):
        numbers = key.public_numbers()
        group = numbers.parameter_numbers
        return PublicKey("dsa", (group.p, group.q, group.g, numbers.y), label=label)
    for name, cls in (("ed25519", ed25519.Ed25519PublicKey), ("ed448", ed448.Ed448PublicKey),
                      ("x25519", x25519.X25519PublicKey), ("x448", x448.X448PublicKey)):  # fmt: skip
        if isinstance(key, cls):
            return PublicKey(name, point=key.public_bytes(*raw), label=label)
    raise _UnusableError(f"{label}: keys of this algorithm are not used as known keys")


# ---------------------------------------------------------------- JWK (RFC 7517, RFC 7518, RFC 8037)


def _from_json(data: bytes) -> Iterator[PublicKey]:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        raise _UnusableError("not valid JSON") from None
    entries = tree.get("keys", [tree]) if isinstance(tree, dict) else tree
    for number, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        if not isinstance(entry, dict):
            raise _UnusableError(f"JWK {number} is not an object")
        if entry.get("kty") in ("RSA", "EC", "OKP"):
            yield _from_jwk(entry, number)


def _from_jwk(entry: dict[str, object], number: int) -> PublicKey:
    def octets(name: str) -> bytes:
        text = entry.get(name)
        if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,8192}=*", text):
            raise _UnusableError(f"JWK {number} has no usable {name!r}")
        try:
            return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
        except ValueError:
            raise _UnusableError(f"JWK {number} has no usable {name!r}") from None

    kid = str(entry.get("kid", number))[:64]
    label = "JWK kid=" + "".join(c if c.isprintable() else "?" for c in kid)
    curve = str(entry.get("crv", ""))
    if entry["kty"] == "RSA":
        return PublicKey("rsa", (int.from_bytes(octets("n"), "big"), int.from_bytes(octets("e"), "big")), label=label)
    if entry["kty"] == "EC" and curve in _JWK_CURVES:
        x, y = (int.from_bytes(octets(name), "big") for name in "xy")
        _load(label, ec.EllipticCurvePublicNumbers(x, y, keys.CURVES[curve]).public_key)
        return PublicKey("ec", (x, y), curve=curve, label=label)
    if entry["kty"] == "OKP" and curve.lower() in ("ed25519", "ed448", "x25519", "x448"):
        return PublicKey(curve.lower(), point=octets("x"), label=label)
    raise _UnusableError(f"JWK {number} has an unknown curve")
