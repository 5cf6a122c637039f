"""PuTTY key files, versions 2 and 3 (PuTTY manual, appendix C): text with the public and private halves in base64."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dumpscan import keys
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.key_fields import encrypted_key, prove_rsa
from dumpscan.matchers.openssh import Wire, wire_public_key
from dumpscan.matchers.pem import decode
from dumpscan.model import Candidate, Span

MAX_FILE = 16 * 1024
_MAGIC = b"PuTTY-User-Key-File-"
_STRIDES = (1, 2)
_FIELD = re.compile(rb"(Encryption|Public-Lines|Private-Lines): ([ -~]{1,40})(?:\r\n|\r|\n)")
_LINE = re.compile(rb"([A-Za-z0-9+/=]{1,64})(?:\r\n|\r|\n|$)")
_NOWHERE = (Span(0, 0),)


def _lines(text: bytes, name: bytes) -> tuple[bytes, int, int] | None:
    """The decoded ``name`` block, and where its base64 lies in the text; what was cut off is missing."""
    field = next((field for field in _FIELD.finditer(text) if field[1] == name), None)
    if field is None or not field[2].isdigit():
        return None
    parts: list[bytes] = []
    pos = end = field.end()
    while len(parts) < int(field[2]) and (line := _LINE.match(text, pos)):
        parts.append(line[1])
        pos, end = line.end(), line.end(1)
    return decode(b"".join(parts).replace(b"=", b"")), field.end(), end


def _private(public: bytes, private: bytes) -> Candidate | None:
    """Join the two halves: the public blob is RFC 4253's, the private one holds what is not in it."""
    key = wire_public_key(Wire(public, 0, len(public)), "")
    wire = Wire(private, 0, len(private))
    if key is None:
        return None
    if key.algorithm == "rsa":
        n, e = key.numbers
        d, p, q = wire.mpints(3)
        return prove_rsa(n, e, d=d, p=p, q=q, encoding="ppk")
    if key.algorithm == "dsa":
        p, q, g, y = key.numbers
        return keys.dsa_key(p, q, g, wire.mpint(), y=y, spans=_NOWHERE, encoding="ppk") if p >> 8192 == 0 else None
    if key.algorithm == "ec" and len(key.numbers) == 2:
        point = (key.numbers[0], key.numbers[1])
        return keys.ec_key(key.curve, wire.mpint(), point=point, spans=_NOWHERE, encoding="ppk")
    return keys.okp_key("ed25519", wire.string(), public=key.point, spans=_NOWHERE, encoding="ppk")


def read_file(text: bytes) -> Candidate | None:
    """The key of a ``.ppk`` file; its span is the private lines, in positions of ``text``."""
    fields = {field[1]: field[2] for field in _FIELD.finditer(text)}
    public, private = _lines(text, b"Public-Lines"), _lines(text, b"Private-Lines")
    if private is None or len(private[0]) < 16:
        return None
    span = Span(private[1], private[2])
    cipher = fields.get(b"Encryption", b"none")
    if cipher == b"none":
        found = None if public is None else _private(public[0], private[0])
        return found and replace(found, spans=(span,))
    if cipher != b"aes256-cbc" or len(set(private[0])) < 10:
        return None
    return encrypted_key(
        private[0], kind="putty-private-key", title="Encrypted PuTTY private key", spans=(span,), encoding="ppk"
    )


class Putty:
    """PuTTY's ``.ppk`` files, in 8- and 16-bit text."""

    name = "putty"
    anchors: Sequence[bytes] = (_MAGIC, b"\0".join(bytes([c]) for c in _MAGIC))
    reach = MAX_FILE

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Candidate]:
        ordered = sorted(hits, key=lambda hit: hit.start)
        for index, hit in enumerate(ordered):
            after = ordered[index + 1].start if index + 1 < len(ordered) else len(view.data)
            stride = _STRIDES[hit.anchor]
            end = min(len(view.data), hit.start + MAX_FILE, after)
            found = read_file(bytes(view.data[hit.start : end : stride]))
            if found is not None:
                span = found.spans[0]
                place = Span(hit.start + span.start * stride, hit.start + (span.end - 1) * stride + 1)
                yield replace(found, spans=(place,), encoding="ppk" if stride == 1 else "ppk-utf16")


PUTTY = Putty()
