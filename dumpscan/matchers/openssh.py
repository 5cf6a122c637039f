"""Private keys in OpenSSH's own encodings: ``openssh-key-v1`` files and the wire form that agents exchange.

OpenSSH's PROTOCOL.key and the agent protocol (draft-ietf-sshm-ssh-agent); the fields are strings and mpints of
RFC 4251.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dumpscan import keys
from dumpscan.asn1 import Buffer
from dumpscan.cursor import Cursor
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.key_fields import ec_point, encrypted_key, prove_rsa
from dumpscan.model import Candidate, PublicKey, Span

MAGIC = b"openssh-key-v1\0"
MAX_KEY = 16 * 1024
_CURVES = {b"nistp256": "P-256", b"nistp384": "P-384", b"nistp521": "P-521"}
_TYPES = (
    b"ssh-rsa",
    b"ssh-dss",
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
)
_NOWHERE = (Span(0, 0),)


class Wire(Cursor):
    """A cursor over RFC 4251 data."""

    def string(self) -> bytes:
        start = self.pos
        value = self.take(self.number(4))
        if not self.good:
            self.pos = start
        return value

    def mpint(self) -> int:
        value = self.string()
        return int.from_bytes(value, "big") if len(value) <= 2049 else 0

    def mpints(self, most: int) -> list[int]:
        """As many of ``most`` mpints as are there; 0 for those that are cut off."""
        return [self.mpint() for _ in range(most)]


def wire_private_key(wire: Wire, encoding: str) -> Candidate | None:
    """The key at ``wire``: type, then the public and private fields as ``sshkey_private_serialize`` writes them.

    The span reaches from the type's length to the last field that was there.
    """
    start, kind = wire.pos, wire.string()
    found: Candidate | None = None
    if kind == b"ssh-rsa":
        n, e, d, _, p, q = wire.mpints(6)
        found = prove_rsa(n, e, d=d, p=p, q=q, encoding=encoding)
    elif kind == b"ssh-dss":
        p, q, g, y, x = wire.mpints(5)
        if wire.good and p.bit_length() <= 8192:
            found = keys.dsa_key(p, q, g, x, y=y, spans=_NOWHERE, encoding=encoding)
    elif kind == b"ssh-ed25519":
        found = _ed25519(wire, encoding)
    elif kind.startswith(b"ecdsa-sha2-"):
        curve, raw, d = _CURVES.get(wire.string()), wire.string(), wire.mpint()
        point = ec_point(curve, raw) if curve else None
        if curve and point and d:
            found = keys.ec_key(curve, d, point=point, spans=_NOWHERE, encoding=encoding)
    return None if found is None else replace(found, spans=(Span(start, wire.pos),))


def _ed25519(wire: Wire, encoding: str) -> Candidate | None:
    """``string pk, string sk``, where sk = seed + pk (libsodium's form); half of it is enough where it was cut."""
    public, size = wire.string(), wire.number(4)
    seed = wire.take(32)
    if size != 64 or len(public) != 32 or not wire.good:
        return None
    wire.pos = min(wire.pos + 32, wire.limit)
    return keys.okp_key("ed25519", seed, public=public, spans=_NOWHERE, encoding=encoding)


def wire_public_key(wire: Wire, label: str) -> PublicKey | None:
    """The public key at ``wire`` (RFC 4253, section 6.6; RFC 5656; RFC 8709)."""
    start, kind = wire.pos, wire.string()
    if kind == b"ssh-rsa":
        e, n = wire.mpint(), wire.mpint()
        good = n.bit_length() >= 512 and n & 1 and 2 < e < 1 << 64 and e & 1
        return PublicKey("rsa", (n, e), label=label, start=start) if wire.good and good else None
    if kind == b"ssh-dss":
        p, q, g, y = wire.mpints(4)
        good = wire.good and p.bit_length() >= 512 and q < p and 1 < g < p and 1 < y < p
        return PublicKey("dsa", (p, q, g, y), label=label, start=start) if good else None
    if kind == b"ssh-ed25519":
        point = wire.string()
        return PublicKey("ed25519", point=point, label=label, start=start) if len(point) == 32 else None
    if kind.startswith(b"ecdsa-sha2-"):
        curve, raw = _CURVES.get(wire.string()), wire.string()
        numbers = ec_point(curve, raw) if curve else None
        return PublicKey("ec", numbers, curve=curve or "", label=label, start=start) if numbers else None
    return None


def private_key_at(data: Buffer, pos: int, limit: int, encoding: str) -> tuple[Candidate | None, int]:
    """The ``openssh-key-v1`` file at ``pos`` (with its magic), and where it ends.

    The file may be cut short: what is there of its private section is proved. The candidate's span is the private
    section.
    """
    wire = Wire(data, pos, min(limit, len(data)))
    if wire.take(len(MAGIC)) != MAGIC:
        return None, pos
    cipher, kdf, _, count = wire.string(), wire.string(), wire.string(), wire.number(4)
    for _ in range(min(count, 8)):
        wire.string()
    size, start = wire.number(4), wire.pos
    if not wire.good or not 0 < count <= 8 or len(cipher) > 40 or size > MAX_KEY:
        return None, pos
    end = min(start + size, wire.limit)
    if cipher != b"none":
        return _encrypted(bytes(data[start:end]), cipher, kdf, Span(start, end), encoding), end
    section = Wire(data, start, end)
    first, second = section.number(4), section.number(4)
    found = wire_private_key(section, encoding) if section.good and first == second else None
    return None if found is None else replace(found, spans=(Span(start, end),)), end


def _encrypted(payload: bytes, cipher: bytes, kdf: bytes, span: Span, encoding: str) -> Candidate | None:
    name = "".join(chr(c) for c in cipher if 0x20 < c < 0x7F)
    if kdf != b"bcrypt" or not name or len(payload) < 64 or len(set(payload)) < 16:
        return None
    return encrypted_key(
        payload,
        kind="openssh-private-key",
        title=f"Encrypted OpenSSH private key ({name})",
        spans=(span,),
        encoding=encoding,
    )


class OpenSsh:
    """OpenSSH key files in binary and keys in the agents' wire form."""

    name = "openssh"
    anchors: Sequence[bytes] = (MAGIC, *(len(kind).to_bytes(4, "big") + kind + b"\0\0" for kind in _TYPES))
    reach = MAX_KEY

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Candidate]:
        done = 0
        for hit in sorted(hits, key=lambda hit: hit.start):
            if hit.start < done:
                continue
            limit = min(len(view.data), hit.start + MAX_KEY - 64)
            if hit.anchor == 0:
                found, end = private_key_at(view.data, hit.start, limit, "openssh")
            else:
                found = wire_private_key(Wire(view.data, hit.start, limit), "ssh-wire")
                end = found.spans[0].end if found else done
            if found is not None:
                done = end
                yield found


OPENSSH = OpenSsh()
