"""Private keys in PEM text, in every form that programs keep text in.

RFC 7468, RFC 1421 (headers of encrypted keys), RFC 9580 section 6 (PGP armor). In memory the text is also UTF-16 or
UTF-32 (Java, .NET, Python), JSON with ``\\n`` escaped once or twice, on one line, indented (YAML), cut off, and the
whole file in base64 once more (Kubernetes secrets). The spans are the base64 bodies; the labels may stay.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dumpscan import asn1
from dumpscan.asn1 import Buffer
from dumpscan.matchers import openpgp, openssh
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.der import opaque_private_key, parse_private_key
from dumpscan.matchers.key_fields import encrypted_key
from dumpscan.model import Candidate, Component, Confidence, Severity, Span

MAX_BYTES = 96 * 1024
"""Bytes of text that belong to one key at most, in whatever width."""
_WORD = b"PRIVATE KEY"
_STRIDES = (1, 2, 4)
_NAMES = {1: "pem", 2: "pem-utf16", 4: "pem-utf32"}
_OPEN = re.compile(rb"BEGIN ([A-Z0-9 ]{0,40})$")
_CLOSE = re.compile(rb"PRIVATE KEY(?: BLOCK)?-{4,5}")
_HEADER = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_HEADERS = re.compile(
    rb"(?:\s|\\+[nr])*(?:Proc-Type: 4,ENCRYPTED\s+DEK-Info: [A-Z0-9-]{1,40},[0-9A-Fa-f]{0,64}\s"
    rb"|(?:(?:\s|\\+[nr])*[A-Z][A-Za-z-]{2,30}: [^\r\n\\]{0,200}(?=[\r\n\\]))+)"
)
_TOKEN = re.compile(
    rb"(?P<run>[A-Za-z0-9+/]+)|\\+(?P<plain>/)|\\+(?P<code>u002[bBfF])|\\+[nrt]"
    rb"|[\"']\s{0,64}\+\s{0,64}[\"']|(?P<end>=|\\+u003[dD])|[\s\"',\\]+"
)


def widen(text: bytes, stride: int) -> bytes:
    """ASCII ``text`` as little-endian characters of ``stride`` bytes, without the last one's zeros: so big-endian
    text of that width is met too."""
    return bytes(stride - 1).join(text[i : i + 1] for i in range(len(text)))


def _extent(stride: int) -> re.Pattern[bytes]:
    """Printable characters up to a run of four dashes."""
    pad = b"\\x00" * (stride - 1)
    dash = b"-" + pad
    one = b"[\\t\\n\\r -,.-~]" + pad + b"|" + dash + b"(?!" + dash * 2 + b"-)"
    return re.compile(b"(?:%s){0,%d}+" % (one, MAX_BYTES // stride))


_EXTENTS = {stride: _extent(stride) for stride in _STRIDES}


class Text(NamedTuple):
    """Characters of ASCII text and where the first of them stands in a buffer."""

    chars: bytes
    start: int
    stride: int

    def position(self, index: int) -> int:
        return self.start + index * self.stride


def text_at(data: Buffer, pos: int, limit: int, stride: int) -> Text:
    """The printable text from ``pos`` on, up to the next run of dashes."""
    found = _EXTENTS[stride].match(data, pos, limit)
    end = found.end() if found else pos
    return Text(bytes(data[pos:end:stride]), pos, stride)


@dataclass(frozen=True, slots=True)
class Body:
    """The base64 characters of a text, escapes and white space taken out; ``runs`` maps them back."""

    chars: bytes
    runs: tuple[tuple[int, int], ...]

    def position(self, index: int) -> int:
        """The place, in the text, of base64 character ``index``."""
        run = bisect_right(self.runs, (index, 1 << 62)) - 1
        first, place = self.runs[run]
        return place + index - first


def body_of(chars: bytes, start: int = 0) -> Body:
    """The base64 body of ``chars`` from ``start``, up to its padding or the first thing that is not base64."""
    parts: list[bytes] = []
    runs: list[tuple[int, int]] = []
    size, pos = 0, start
    while token := _TOKEN.match(chars, pos):
        pos = token.end()
        if token.lastgroup == "end":
            break
        if token.lastgroup is None:
            continue
        part = token[token.lastgroup]
        if token.lastgroup == "code":
            part = b"+" if part[-1:] in b"bB" else b"/"
        runs.append((size, token.start(token.lastgroup)))
        parts.append(part)
        size += len(part)
    return Body(b"".join(parts), tuple(runs))


def decode(chars: bytes) -> bytes:
    """The bytes that base64 ``chars`` (no padding, any length) stand for; the last bits may be missing."""
    rest = len(chars) % 4
    whole = chars[:-1] if rest == 1 else chars
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def judge(label: bytes, encrypted: bool, payload: bytes, closed: bool, encoding: str) -> list[Candidate]:
    """What the decoded body of a PEM with that ``label`` holds; the spans mean nothing yet."""
    if label.startswith(b"PGP"):
        return list(openpgp.secret_keys(payload, encoding))
    found = _one_key(label, encrypted, payload, closed, encoding)
    return [found] if found is not None else []


def _one_key(label: bytes, encrypted: bool, payload: bytes, closed: bool, encoding: str) -> Candidate | None:
    nowhere = (Span(0, 0),)
    if payload.startswith(openssh.MAGIC):
        return openssh.private_key_at(payload, 0, len(payload), encoding)[0]
    if encrypted:
        if len(payload) < 48 or len(set(payload)) < 16:
            return None
        title = f"Encrypted {label.decode('ascii', 'replace').strip() or 'private'} key (PEM)"
        return encrypted_key(payload, kind="encrypted-private-key", title=title, spans=nowhere, encoding=encoding)
    found = parse_private_key(payload, nowhere, encoding) or opaque_private_key(payload, nowhere, encoding)
    return found or (_fragment(payload, encoding) if closed or len(payload) >= 64 else None)


def _fragment(payload: bytes, encoding: str) -> Candidate | None:
    """The head of a DER private key that was cut off before enough of it was there to prove it."""
    outer = asn1.header(payload, 0, len(payload))
    if outer is None or outer.tag != asn1.SEQUENCE or outer.end <= len(payload) or len(payload) < 48:
        return None
    version = asn1.number(payload, asn1.element(payload, outer.body, len(payload), asn1.INTEGER))
    if version not in (0, 1) or len(set(payload)) < 24:
        return None
    return Candidate(
        kind="private-key-fragment",
        title="Private key, cut off (PEM)",
        identity=b"fragment:" + payload,
        spans=(Span(0, 0),),
        encoding=encoding,
        components=(Component("fragment", payload),),
        severity=Severity.HIGH,
        confidence=Confidence.POSSIBLE,
        evidence=f"{len(payload)} of {outer.end} bytes of a DER private key",
        preview="PEM private key, cut off",
    )


def _needed(payload: bytes) -> int:
    """How many bytes of ``payload`` the value at its start takes."""
    if payload.startswith(openssh.MAGIC):
        return openssh.private_key_at(payload, 0, len(payload), "")[1] or len(payload)
    outer = asn1.header(payload, 0, len(payload))
    return len(payload) if outer is None else min(outer.end, len(payload))


def read_keys(data: Buffer, word: int, limit: int, stride: int, encoding: str) -> list[Candidate]:
    """The keys of the block whose header has its ``PRIVATE KEY`` at ``word``: one, or several in PGP armor."""
    before = bytes(data[max(word - 48 * stride, word % stride) : word : stride])
    label = _OPEN.search(before)
    close = _CLOSE.match(bytes(data[word : word + 24 * stride : stride]))
    if label is None or close is None:
        return []
    start = word + close.end() * stride
    text = text_at(data, start, min(limit, word + MAX_BYTES), stride)
    headers = _HEADERS.match(text.chars)
    body = body_of(text.chars, headers.end() if headers else 0)
    if len(body.chars) < 40:
        return []
    encrypted = headers is not None and b"ENCRYPTED" in headers[0]
    payload = decode(body.chars)
    closed = bytes(data[text.position(len(text.chars)) :][: 4 * stride : stride]) == b"----"
    found = judge(label[1], encrypted, payload, closed, encoding)
    size = len(body.chars)
    if not closed and not encrypted and not label[1].startswith(b"PGP"):
        size = min(size, -(-_needed(payload) * 4 // 3))
    spans = (_span(text, body, 0, size),)
    return [replace(key, spans=spans) for key in found]


def _span(text: Text, body: Body, first: int, past: int) -> Span:
    return Span(text.position(body.position(first)), text.position(body.position(past - 1)) + 1)


def read_tail(data: Buffer, word: int, floor: int, stride: int, encoding: str) -> Candidate | None:
    """The end of a key whose footer has its ``PRIVATE KEY`` at ``word``, and whose header was overwritten."""
    start = max(floor, word - 16 * 1024 * stride, 0)
    start += (word - start) % stride
    lead = bytes(data[max(start, word - 32 * stride) : word : stride])
    footer = re.search(rb"-----END [A-Z0-9 ]{0,20}$", lead)
    if footer is None:
        return None
    dashes = word - stride * (len(lead) - footer.start())
    chars = bytes(data[start:dashes:stride])
    clean = re.match(rb"[A-Za-z0-9+/=\s\\\"']*+", chars[::-1])
    begin = len(chars) - (clean.end() if clean else 0)
    text = Text(chars[begin:], start + begin * stride, stride)
    body = body_of(text.chars)
    skip = (len(body.chars) + text.chars.count(b"=")) % 4
    if len(body.chars) < 400:
        return None
    found = parse_private_key(decode(body.chars[skip:]), (), encoding)
    return found and replace(found, spans=(_span(text, body, skip, len(body.chars)),))


def read_wrapped(data: Buffer, start: int, limit: int, stride: int) -> Iterator[Candidate]:
    """Keys of PEM text that is itself in base64, from the group of four characters at ``start``."""
    head = body_of(bytes(data[start : min(limit, start + 96 * stride) : stride]))
    if not _HEADER.search(decode(head.chars[:96])):
        return
    text = text_at(data, start, min(limit, start + MAX_BYTES), stride)
    body = body_of(text.chars)
    inner = decode(body.chars)
    word = inner.find(_WORD)
    for found in read_keys(inner, word, len(inner), 1, _NAMES[stride] + "-base64"):
        span = found.spans[0]
        past = min(-(-span.end * 4 // 3), len(body.chars))
        yield replace(found, spans=(_span(text, body, span.start * 4 // 3, past),))


def _wrapped_anchor(shift: int) -> bytes:
    """What base64 makes of ``-----BEGIN `` behind ``shift`` other bytes, without the characters they share."""
    whole = binascii.b2a_base64(b"\0" * shift + b"-----BEGIN ", newline=False)
    return whole[(shift * 8 + 5) // 6 : (shift + 11) * 8 // 6]


class Pem:
    """Private keys in PEM, in 8-, 16- and 32-bit text, and PEM inside base64."""

    name = "pem"
    anchors: Sequence[bytes] = (
        *(widen(_WORD, stride) for stride in _STRIDES),
        *(_wrapped_anchor(shift) for shift in range(3)),
        widen(_wrapped_anchor(0), 2),
    )
    reach = MAX_BYTES + 256
    most_hits = 8_000

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Candidate]:
        ordered = sorted(hits, key=lambda hit: hit.start)
        data, done, floor = view.data, 0, 0
        for index, hit in enumerate(ordered):
            if hit.start < done:
                continue
            limit = min(len(data), hit.start + MAX_BYTES)
            following = ordered[index + 1].start if index + 1 < len(ordered) else limit
            for found in _candidates(data, hit, floor, limit, following):
                done = found.spans[0].end
                yield found
            floor = max(hit.start, done)


def _candidates(data: memoryview, hit: Hit, floor: int, limit: int, following: int) -> Iterator[Candidate]:
    if hit.anchor < 3:
        stride = _STRIDES[hit.anchor]
        found = read_keys(data, hit.start, limit, stride, _NAMES[stride])
        yield from found
        tail = None if found else read_tail(data, hit.start, floor, stride, _NAMES[stride])
        if tail is not None:
            yield tail
        return
    stride = 2 if hit.anchor == 6 else 1
    shift = hit.anchor % 3
    yield from read_wrapped(data, max(hit.start - (shift * 8 + 5) // 6 * stride, 0), min(limit, following), stride)


PEM = Pem()
