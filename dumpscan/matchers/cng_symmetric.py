"""Symmetric keys of Windows and what they protect: key data blobs, bcrypt key objects, DPAPI blobs.

Key data blob: BCRYPT_KEY_DATA_BLOB_HEADER {magic, version 1, size} and the key. CAPI's PLAINTEXTKEYBLOB: BLOBHEADER
{type 8, version 2, 0, algorithm}, size and the key. Key object of bcryptprimitives:
{u32 size, "KSSM", u32 type, …, u32 key size, key, …}; where the key stands differs between Windows versions and word
sizes (24, 32, 40, 52, 56, 60 are known). An AES object holds the expanded key too: that is the proof.
"""

from __future__ import annotations

import hashlib
import struct
import uuid

import numpy as np

from dumpscan.aes import expand
from dumpscan.model import Candidate, Component, Confidence, Severity, Span

_KEY_SIZES = (16, 24, 32)
CAPI_PLAIN_SIZES = {0x660E: 16, 0x660F: 24, 0x6610: 32, 0x6603: 24, 0x6602: 16, 0x6801: 16}
"""Bytes of a key by ALG_ID: AES-128, -192 and -256, 3DES, RC2 and RC4 of 128 bits (wincrypt.h)."""
_CAPI_AES = (0x660E, 0x660F, 0x6610)
_OBJECT_OFFSETS = (24, 32, 36, 40, 52, 56, 60)
_OBJECT_SIZES = range(0x60, 0x2001)
_DPAPI_LIMIT = 1 << 16
_DPAPI_PROVIDER_END = 20
"""Version and provider GUID of a DPAPI blob, bytes."""


def key_data_blob(data: memoryview, at: int) -> Candidate | None:
    """A ``KDBM`` blob at ``at``; nothing in it can be checked, so it is only possible."""
    (size,) = struct.unpack("<I", bytes(data[at + 8 : at + 12]).ljust(4, b"\0"))
    key = bytes(data[at + 12 : at + 12 + size]) if size in _KEY_SIZES else b""
    if len(key) != size or not varied(key):
        return None
    return symmetric_key("aes-key", key, at + 12, "cng-blob", Confidence.POSSIBLE, "CNG key data blob")


def capi_plain_blob(data: memoryview, at: int) -> Candidate | None:
    """A PLAINTEXTKEYBLOB, whose header of 12 bytes stands at ``at``; nothing else can be checked: only possible."""
    algorithm, size = struct.unpack("<II", data[at + 4 : at + 12])
    key = bytes(data[at + 12 : at + 12 + size])
    if len(key) != size or not varied(key):
        return None
    kind = "aes-key" if algorithm in _CAPI_AES else "symmetric-key"
    return symmetric_key(kind, key, at + 12, "capi-blob", Confidence.POSSIBLE, "CAPI plaintext key blob")


def bcrypt_object(data: memoryview, at: int) -> Candidate | None:
    """A symmetric key object whose size field stands at ``at``."""
    size, _, kind = struct.unpack("<3I", bytes(data[at : at + 12]).ljust(12, b"\0"))
    if size not in _OBJECT_SIZES or not 0 < kind < 1 << 24 or at + size > len(data):
        return None
    body = bytes(data[at : at + size])
    likely: Candidate | None = None
    for offset in _OBJECT_OFFSETS:
        key_size = int.from_bytes(body[offset : offset + 4], "little")
        key = body[offset + 4 : offset + 4 + key_size] if key_size in _KEY_SIZES else b""
        if not key or len(key) != key_size or not varied(key):
            continue
        place = at + offset + 4
        if _expansion(key)[key_size : key_size + 16] in body:
            how = "bcrypt key object with the key and its AES schedule"
            return symmetric_key("aes-key", key, place, "bcrypt-object", Confidence.PROVEN, how)
        stated = int.from_bytes(body[20:24], "little") == 8 * key_size
        if likely is None and (stated or offset > 24):
            likely = symmetric_key(
                "symmetric-key", key, place, "bcrypt-object", Confidence.POSSIBLE, "bcrypt key object"
            )
    return likely


def dpapi_blob(data: memoryview, at: int) -> Candidate | None:
    """A DPAPI blob: encrypted, and opened by the user's or the machine's master key."""
    master = bytes(data[at + 24 : at + 40])
    cursor, ciphertext = at + 44, Span(0, 0)
    steps = (("description", 0), ("salt", 8), ("hmac", 0), ("hmac2", 8), ("data", 0), ("signature", 0))
    for name, skip in steps:  # skip: identifier and key size of the algorithm that stands before the length
        cursor += skip
        size = int.from_bytes(data[cursor : cursor + 4], "little")
        cursor += 4
        if size > _DPAPI_LIMIT or cursor + size > len(data):
            return None
        if name == "data":
            ciphertext = Span(cursor, cursor + size)
        cursor += size
    if len(ciphertext) < 8 or size not in (16, 20, 32, 48, 64) or bytes(data[at + 20 : at + 24]) != b"\x01\0\0\0":
        return None
    body = bytes(data[ciphertext.start : ciphertext.end])
    public = {"master_key": str(uuid.UUID(bytes_le=master))}
    return encrypted("dpapi-blob", "DPAPI blob", body, ciphertext, "dpapi-blob", Severity.LOW, public)


def encrypted(
    kind: str,
    title: str,
    body: bytes,
    span: Span,
    encoding: str,
    severity: Severity = Severity.MEDIUM,
    public: dict[str, str] | None = None,
) -> Candidate:
    """A secret that is only there in encrypted form."""
    return Candidate(
        kind=kind,
        title=title,
        identity=f"{kind}:".encode() + hashlib.sha256(body).digest(),
        spans=(span,),
        encoding=encoding,
        components=(Component("ciphertext", body),),
        severity=severity,
        confidence=Confidence.VALIDATED,
        evidence="structure parses; encrypted",
        public=public or {},
        preview=f"{title}, {len(body)} bytes encrypted",
    )


def symmetric_key(
    kind: str, key: bytes, at: int | None, encoding: str, confidence: Confidence, evidence: str
) -> Candidate:
    """The key that stands at ``at`` of the window; None where it was read through a pointer."""
    name = "AES key" if kind == "aes-key" else "Symmetric key"
    return Candidate(
        kind=kind,
        title=f"{name} ({8 * len(key)} bits)",
        identity=b"aes:" + key,
        spans=() if at is None else (Span(at, at + len(key)),),
        encoding=encoding,
        components=(Component("key", key),),
        severity=Severity.MEDIUM,
        confidence=confidence,
        evidence=evidence,
        preview=f"{name}, {8 * len(key)} bits",
    )


def varied(key: bytes) -> bool:
    """Not filler, not text of one kind: random keys of 16 bytes have 12 distinct bytes or more but once in 10,000."""
    return len(set(key)) >= 10 and any(byte >= 0x80 for byte in key)


def _expansion(key: bytes) -> bytes:
    """The AES schedule of ``key`` in the octet order of FIPS 197."""
    return expand(np.frombuffer(key, np.uint8).reshape(1, -1, 4)).tobytes()
