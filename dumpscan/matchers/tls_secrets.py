"""Secrets of TLS connections, where a structure gives them away.

* OpenSSL 3 ``ssl_session_st`` (ssl/ssl_local.h): ``int ssl_version; size_t master_key_length; unsigned char
  early_secret[64], master_key[512]; size_t session_id_length; …``; met in nginx and ``openssl s_server``.
* An OpenSSL connection on TLS 1.3: twelve slots of 64 bytes, from the early secret to the early exporter secret.
  Without a pre-shared key the early secret is a constant, HKDF-Extract(0, 0) (RFC 8446, section 7.1): the anchor. The
  handshake secret proves the master secret.
* ``SSL_SESSION`` in DER (ssl/ssl_asn1.c): made for session tickets and caches, left behind in freed memory.
* Lines of an NSS key log (SSLKEYLOGFILE).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from collections.abc import Iterable, Iterator, Sequence

from dumpscan.matchers.base import Hit, View
from dumpscan.model import Candidate, Component, Confidence, Evidence, Severity, Span

_SLOT = 64
_SESSION_KEY = 16 + _SLOT
_SESSION_ID = _SESSION_KEY + 512
_VERSIONS = {0x0303: (48,), 0x0304: (32, 48)}

_SESSIONS = tuple(struct.pack("<QQ", version, size) for version, sizes in _VERSIONS.items() for size in sizes)
_EARLY = tuple(
    hmac.digest(bytes(size), bytes(size), name) for name, size in (("sha256", 32), ("sha384", 48))
)  # HKDF-Extract(0, 0)
_DER = tuple(bytes.fromhex("0201010202") + struct.pack(">HH", version, 0x0402) for version in _VERSIONS)
_LABELS = (
    b"CLIENT_RANDOM ",
    b"CLIENT_EARLY_TRAFFIC_SECRET ",
    b"CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
    b"SERVER_HANDSHAKE_TRAFFIC_SECRET ",
    b"CLIENT_TRAFFIC_SECRET_",
    b"SERVER_TRAFFIC_SECRET_",
    b"EARLY_EXPORTER_SECRET ",
    b"EXPORTER_SECRET ",
)
_LINE = re.compile(rb"([A-Z_]+(?:\d{1,4})?) [0-9a-fA-F]{64} ([0-9a-fA-F]{64}(?:[0-9a-fA-F]{32})?)(?![0-9a-fA-F])")

_SLOTS = {
    1: "handshake secret",
    2: "master secret",
    3: "resumption master secret",
    4: "client finished secret",
    5: "server finished secret",
    8: "client traffic secret",
    9: "server traffic secret",
    10: "exporter secret",
    11: "early exporter secret",
}
"""Names of the slots after the early secret; 6 and 7 are hashes of messages."""
_NEEDED = (1, 2, 8, 9)


class TlsSecrets:
    """Finds master and traffic secrets."""

    name = "tls-secrets"
    anchors: Sequence[bytes] = (*_SESSIONS, *_EARLY, *_DER, *_LABELS)
    reach = 1024

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        for hit in hits:
            anchor = self.anchors[hit.anchor]
            if anchor in _SESSIONS:
                yield from _session(view.data, hit.start)
            elif anchor in _EARLY:
                yield from _connection(view.data, hit.start, len(anchor))
            elif anchor in _DER:
                yield from _encoded_session(view.data, hit.start)
            else:
                yield from _key_log(view.data, hit.start)


TLS_SECRETS = TlsSecrets()


def _random(secret: bytes, size: int) -> bool:
    """Whether ``secret`` is ``size`` octets long and can be the output of a hash: one in 50,000 of those fails."""
    high = sum(octet >= 0x80 for octet in secret)
    return len(secret) == size and len(set(secret)) > size * 5 // 8 and size // 8 < high < size - size // 8


def _secret(
    secret: bytes,
    kind: str,
    title: str,
    start: int,
    encoding: str,
    evidence: str,
    *,
    proven: bool = False,
    width: int = 0,
) -> Candidate:
    return Candidate(
        kind=kind,
        title=title,
        identity=b"tls:" + secret,
        spans=(Span(start, start + (width or len(secret))),),
        encoding=encoding,
        components=(Component("secret", secret),),
        severity=Severity.MEDIUM,
        confidence=Confidence.PROVEN if proven else Confidence.VALIDATED,
        evidence=evidence,
        preview=title,
    )


def _master(secret: bytes, version: int, start: int, encoding: str, evidence: str) -> Candidate:
    title = "TLS 1.2 master secret" if version == 0x0303 else "TLS 1.3 resumption secret"
    return _secret(secret, "tls-master-secret", title, start, encoding, evidence)


def _session(data: memoryview, start: int) -> Iterator[Candidate]:
    """``ssl_session_st`` at ``start``."""
    if start + _SESSION_ID + 8 > len(data):
        return
    version, size = struct.unpack_from("<QQ", data, start)
    key = start + _SESSION_KEY
    secret = bytes(data[key : key + size])
    (id_size,) = struct.unpack_from("<Q", data, start + _SESSION_ID)
    if id_size <= 32 and _random(secret, size) and not any(data[key + size : start + _SESSION_ID]):
        yield _master(secret, version, key, "octets", "OpenSSL session structure")


def _connection(data: memoryview, start: int, size: int) -> Iterator[Candidate]:
    """The slots of a TLS 1.3 connection whose early secret stands at ``start``; ``size`` is that of its hash."""
    slots = {number: bytes(data[start + _SLOT * number : start + _SLOT * (number + 1)]) for number in range(12)}
    secrets = {number: slots[number][:size] for number in _SLOTS if not any(slots[number][size:])}
    secrets = {number: secret for number, secret in secrets.items() if _random(secret, size)}
    proven = 1 in secrets and secrets.get(2) == _next_secret(secrets[1])
    if not proven and not all(number in secrets for number in _NEEDED):
        return
    for number, secret in secrets.items():
        derived = proven and number in (1, 2)
        evidence = "the handshake secret derives the master secret" if derived else "slot of an OpenSSL connection"
        kind, title = "tls-traffic-secret", f"TLS 1.3 {_SLOTS[number]}"
        yield _secret(secret, kind, title, start + _SLOT * number, "octets", evidence, proven=derived)


def _next_secret(secret: bytes) -> bytes:
    """HKDF-Extract(Derive-Secret(secret, "derived", ""), 0): RFC 8446, section 7.1."""
    name, size = ("sha256", 32) if len(secret) == 32 else ("sha384", 48)
    empty = hashlib.new(name).digest()
    label = b"tls13 derived"
    info = struct.pack(">HB", size, len(label)) + label + bytes([size]) + empty + b"\x01"
    return hmac.digest(hmac.digest(secret, info, name), bytes(size), name)


def _encoded_session(data: memoryview, start: int) -> Iterator[Candidate]:
    """``SSL_SESSION``: version 1, protocol, cipher (2 octets), session id (up to 32), master key."""
    version = int.from_bytes(data[start + 5 : start + 7], "big")
    at = start + 11  # past the cipher
    head = bytes(data[at : at + 36])
    if len(head) < 36 or head[0] != 4 or head[1] > 32:
        return
    at += 2 + head[1]
    tag = bytes(data[at : at + 2])
    if len(tag) == 2 and tag[0] == 4 and tag[1] in _VERSIONS.get(version, ()):
        secret = bytes(data[at + 2 : at + 2 + tag[1]])
        if _random(secret, tag[1]):
            yield _master(secret, version, at + 2, "octets", "encoded OpenSSL session")


def _key_log(data: memoryview, start: int) -> Iterator[Candidate]:
    """One line of a key log; the label may be met at a later word (EXPORTER_SECRET in EARLY_EXPORTER_SECRET)."""
    line = bytes(data[start : start + 256])
    match = _LINE.match(line)
    if match is None:
        return
    label, secret = match[1].decode(), bytes.fromhex(match[2].decode())
    if not _random(secret, len(secret)):
        return
    master = label == "CLIENT_RANDOM"
    kind, title = ("tls-master-secret", "TLS 1.2 master secret") if master else ("tls-traffic-secret", _titled(label))
    yield _secret(secret, kind, title, start + match.start(2), "hex", "line of a key log", width=2 * len(secret))


def _titled(label: str) -> str:
    return "TLS 1.3 " + label.rstrip("_0123456789").lower().replace("_", " ")
