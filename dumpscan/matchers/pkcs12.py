"""PKCS#12 stores (RFC 7292) in DER, or in BER as NSS and Windows write them.

A PFX is ``SEQUENCE { 3, ContentInfo { pkcs-7-data, [0] OCTET STRING }, MacData }``. A store that encrypts nothing and
has no key bag is a trust store and no secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dumpscan import asn1
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.key_fields import encrypted_key
from dumpscan.model import Candidate, Span

MAX_STORE = 96 * 1024
_DATA = bytes.fromhex("06092a864886f70d010701")
_ENCRYPTED_DATA = bytes.fromhex("06092a864886f70d010706")
_KEY_BAG = bytes.fromhex("060b2a864886f70d010c0a0101")
_SHROUDED_KEY_BAG = bytes.fromhex("060b2a864886f70d010c0a0102")
_VERSION = b"\x02\x01\x03"


def _sequence_before(data: memoryview, body: int, limit: int) -> int | None:
    """The start of the SEQUENCE (of definite or indefinite length) whose content starts at ``body``."""
    if body >= 2 and data[body - 2] == asn1.SEQUENCE and data[body - 1] == 0x80:
        return body - 2
    found = asn1.header_before(data, body, limit)
    return None if found is None else found.start


def store_at(data: memoryview, oid: int, limit: int) -> Candidate | None:
    """The store whose first pkcs-7-data OID stands at ``oid``."""
    info = _sequence_before(data, oid, limit)
    if info is None or info < 5 or bytes(data[info - 3 : info]) != _VERSION:
        return None
    start = _sequence_before(data, info - 3, limit)
    end = None if start is None else asn1.ber_end(data, start, limit)
    if start is None or end is None or end - start < 128:
        return None
    return _judge(bytes(data[start:end]), Span(start, end))


def _judge(store: bytes, span: Span) -> Candidate | None:
    if _SHROUDED_KEY_BAG in store:
        title = "PKCS#12 store (encrypted private key)"
    elif _KEY_BAG in store:
        title = "PKCS#12 store (private key)"
    elif _ENCRYPTED_DATA in store:
        title = "PKCS#12 store (encrypted contents)"
    else:
        return None
    return encrypted_key(store, kind="pkcs12", title=title, spans=(span,), encoding="pkcs12")


class Pkcs12:
    """PKCS#12 stores in binary."""

    name = "pkcs12"
    anchors: Sequence[bytes] = (_DATA,)
    reach = MAX_STORE

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Candidate]:
        done = 0
        for hit in sorted(hits, key=lambda hit: hit.start):
            if hit.start < done:
                continue
            found = store_at(view.data, hit.start, min(len(view.data), hit.start + MAX_STORE - 64))
            if found is not None:
                done = found.spans[0].end
                yield found


PKCS12 = Pkcs12()
