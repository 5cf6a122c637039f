"""Kerberos keys and tickets: keytabs, credential caches, and KRB-CRED messages as they lie in files and heaps.

Formats: https://web.mit.edu/kerberos/krb5-latest/doc/formats/ (keytab 5.2, ccache 4), RFC 4120 section 5.8.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dumpscan.matchers.base import Hit, View
from dumpscan.model import Candidate, Component, Confidence, Evidence, Severity, Span

_KEYTAB = b"\x05\x02\x00\x00\x00"  # an entry is shorter than 256 bytes, or a further byte follows
_CCACHE = b"\x05\x04\x00\x0c\x00\x01\x00\x08"
_CRED = bytes.fromhex("a003020105a103020116")
KEY_SIZES = {1: 8, 3: 8, 16: 24, 17: 16, 18: 32, 19: 16, 20: 32, 23: 16, 24: 16, 25: 16, 26: 32}
"""Encryption type -> size of its key (RFC 3961, 3962, 4757, 6803, 8009)."""

_ENTRIES = 256
_PARTS = range(1, 9)
_COUNTS = frozenset(count.to_bytes(2, "big") for count in _PARTS)
_LONGEST = 1 << 16


class _MismatchError(ValueError):
    """The bytes are not of the format."""


@dataclass(slots=True)
class _Reader:
    """Big-endian fields, one after the other."""

    data: memoryview
    at: int

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        start = self.at
        self.at += size
        if not 0 <= size <= _LONGEST or self.at > len(self.data):
            raise _MismatchError
        return bytes(self.data[start : self.at])

    def counted(self, width: int) -> bytes:
        return self.take(self.number(width))

    def name(self, width: int, parts: int) -> str:
        """A realm and ``parts`` components: ``host/db.internal@REALM``."""
        realm, *rest = [self.counted(width) for _ in range(parts + 1)]
        if not 0 < len(realm) < 256 or not all(
            part.isascii() and part.decode().isprintable() for part in (realm, *rest)
        ):
            raise _MismatchError
        return "/".join(part.decode() for part in rest) + "@" + realm.decode()

    def key(self, width: int) -> Span:
        """Where a key lies, after its type and its length."""
        kind = self.number(2)
        size = self.number(width)
        if KEY_SIZES.get(kind) != size or len(set(self.take(size))) < 4:
            raise _MismatchError
        return Span(self.at - size, self.at)


class Kerberos:
    """Finds keys of keytabs and credential caches, and KRB-CRED messages."""

    name = "kerberos"
    anchors: Sequence[bytes] = (_KEYTAB, _CCACHE, _CRED)
    reach = _LONGEST

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        readers = (_keytab, _ccache, _cred)
        return [
            found
            for anchor, start in hits
            if anchor or bytes(view.data[start + 6 : start + 8]) in _COUNTS  # heaps have thousands of others
            for found in _until_wrong(readers[anchor](view.data, start))
        ]


def _until_wrong(found: Iterator[Candidate]) -> Iterator[Candidate]:
    try:
        yield from found
    except _MismatchError:
        return


def _keytab(data: memoryview, start: int) -> Iterator[Candidate]:
    reader = _Reader(data, start + 2)
    for _ in range(_ENTRIES):
        size = reader.number(4)
        if size >= 1 << 31:  # a hole, where an entry was removed
            reader.take((1 << 32) - size)
            continue
        end = reader.at + size
        parts = reader.number(2)
        if parts not in _PARTS or size > 4096:
            raise _MismatchError
        principal = reader.name(2, parts)
        reader.take(9)
        key = reader.key(2)
        yield _secret(data, key, "kerberos-key", "Kerberos key (keytab)", principal)
        reader.at = end


def _ccache(data: memoryview, start: int) -> Iterator[Candidate]:
    reader = _Reader(data, start + 2)
    reader.counted(2)
    _principal(reader)
    for _ in range(_ENTRIES):
        principal = _principal(reader)
        _principal(reader)
        key = reader.key(4)
        reader.take(4 * 4 + 1 + 4)
        for _ in range(2):
            for _ in range(min(reader.number(4), 64)):
                reader.take(2)
                reader.counted(4)
        reader.counted(4)
        reader.counted(4)
        yield _secret(data, key, "kerberos-session-key", "Kerberos session key (credential cache)", principal)


def _principal(reader: _Reader) -> str:
    reader.take(4)
    parts = reader.number(4)
    if parts not in _PARTS:
        raise _MismatchError
    return reader.name(4, parts)


def _cred(data: memoryview, start: int) -> Iterator[Candidate]:
    for lead in (8, 7, 6, 5, 4):
        at = start - lead
        if at < 0 or data[at] != 0x76:
            continue
        outer, body = _length(data, at + 1)
        inner, first = _length(data, body + 1)
        if data[body] == 0x30 and first == start and first + inner == body + outer <= len(data):
            span = Span(at, body + outer)
            yield _secret(data, span, "kerberos-credential", "Kerberos credential (KRB-CRED)", "")
            return


def _length(data: memoryview, at: int) -> tuple[int, int]:
    """A DER length, and where what it measures begins."""
    reader = _Reader(data, at)
    first = reader.number(1)
    if first < 0x80:
        return first, reader.at
    size = first & 0x7F
    if not 1 <= size <= 3:
        raise _MismatchError
    return reader.number(size), reader.at


def _secret(data: memoryview, span: Span, kind: str, title: str, principal: str) -> Candidate:
    value = bytes(data[span.start : span.end])
    return kerberos_secret(kind, title, value, (span,), "every field of the format parses", principal)


def kerberos_secret(
    kind: str, title: str, value: bytes, spans: tuple[Span, ...], evidence: str, principal: str = ""
) -> Candidate:
    """The key or credential ``value``; without ``spans`` where it was read through a pointer."""
    return Candidate(
        kind=kind,
        title=title,
        identity=b"krb5:" + value,
        spans=spans,
        encoding="octets",
        components=(Component("key", value, "octets"),),
        severity=Severity.HIGH,
        confidence=Confidence.VALIDATED,
        evidence=evidence,
        public={"principal": principal} if principal else {},
        preview=f"({len(value)} bytes)",
    )


KERBEROS = Kerberos()
