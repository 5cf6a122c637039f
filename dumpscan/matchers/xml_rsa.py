"""RSA keys as .NET writes them: ``<RSAKeyValue>`` of ``RSA.ToXmlString``, and of XML signatures (RFC 3275, 4.4.2.2)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from dumpscan import keys
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.lanes import Lane, Lanes, widened
from dumpscan.model import Evidence, Span
from dumpscan.public_keys import rsa_public

_ANCHORS = widened((b"RSAKeyValue",))
_LIMIT = 32 * 1024
"""Longest element, in characters; RSA-16384 takes 13,000."""
_OPEN, _CLOSE = rb"(?:<|&lt;|\\u003[cC])", rb"(?:>|&gt;|\\u003[eE])"
_ELEMENT = re.compile(
    _OPEN
    + rb"(?:\w{1,16}:)?(Modulus|Exponent|P|Q|DP|DQ|InverseQ|D)"
    + _CLOSE
    + rb"((?:[A-Za-z0-9+/=\s]|\\[nrt/]){1,4096})"
    + _OPEN
    + rb"\\?/"
)
_CLOSING = re.compile(rb"/(?:\w{1,16}:)?\Z")
_PRIVATE = ("P", "Q", "DP", "DQ", "InverseQ", "D")


class XmlRsa:
    """``RSAKeyValue`` elements in UTF-8 and UTF-16LE, also escaped for XML or JSON."""

    name = "xml-rsa"
    anchors: Sequence[bytes] = tuple(anchor for anchor, _ in _ANCHORS)
    reach = 2 * _LIMIT
    most_hits = 4_000

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Evidence]:
        lanes = Lanes(view)
        for hit in hits:
            lane, at = lanes.at(hit.start, _ANCHORS[hit.anchor][1])
            if not _CLOSING.search(lane.text[max(at - 18, 0) : at]):
                yield from _element(lane, at)


def _element(lane: Lane, at: int) -> Iterator[Evidence]:
    """What stands between the opening tag and the next tag of that name."""
    start = at + len("RSAKeyValue")
    end = lane.text.find(b"RSAKeyValue", start, start + _LIMIT)
    end = end if end >= 0 else start + _LIMIT
    numbers: dict[str, int] = {}
    spans: dict[str, Span] = {}
    for found in _ELEMENT.finditer(lane.text, start, end):
        name, number = found[1].decode(), _number(found[2])
        if number and name not in numbers:
            numbers[name], spans[name] = number, lane.span(found.start(2), found.end(2))
    n, e = numbers.get("Modulus", 0), numbers.get("Exponent", 0)
    public = rsa_public(n, e, "XML RSAKeyValue", lane.span(at, at).start)
    if public is None:
        return
    yield public
    d, p, q = (numbers.get(name, 0) for name in ("D", "P", "Q"))
    if d or p or q:
        private = [spans[name] for name in _PRIVATE if name in spans]
        candidate = keys.rsa_key(n, e, d=d, p=p, q=q, spans=private, encoding=f"xml {lane.encoding}")
        if candidate:
            yield candidate


def _number(text: bytes) -> int:
    """Base64 with white space, or with the escapes of a JSON string, as a number; 0 if it is not."""
    plain = re.sub(rb"\\[nrt]|\\(?=/)|\s|=", b"", text)
    try:
        return int.from_bytes(base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True), "big")
    except binascii.Error:
        return 0


XML_RSA = XmlRsa()
