"""SSH public keys, in wire form and as the one-line text of ``authorized_keys`` (RFC 4253, 5656, 8709)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.lanes import Lane, Lanes, widened
from dumpscan.model import PublicKey
from dumpscan.ssh_wire import public_key

_WIRE = (
    b"\0\0\0\x07ssh-rsa\0\0\0",
    b"\0\0\0\x0bssh-ed25519\0\0\0\x20",
    b"\0\0\0\x13ecdsa-sha2-nistp",
)
_TEXT = widened((b"AAAAB3NzaC1yc2E", b"AAAAC3NzaC1lZDI1NTE5", b"AAAAE2VjZHNhLXNoYTItbmlzdH"))
_LIMIT = 4096
"""Longest key looked at, in bytes or characters: RSA-16384 has 2,071 bytes, 2,764 characters."""
_RUN = re.compile(rb"[A-Za-z0-9+/]{60,%d}={0,2}" % _LIMIT)
_COMMENT = re.compile(rb" ([!-~]{1,64})")
_NAMES = {"rsa": "ssh-rsa", "ed25519": "ssh-ed25519", "ec": "ecdsa-sha2"}


class SshPublic:
    """Harvests SSH public keys as :class:`PublicKey`; label ``ssh-rsa key SHA256:…`` and the comment, if any."""

    name = "ssh-public"
    anchors: Sequence[bytes] = _WIRE + tuple(anchor for anchor, _ in _TEXT)
    reach = 2 * _LIMIT + 256

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[PublicKey]:
        lanes = Lanes(view)
        for hit in hits:
            if hit.anchor < len(_WIRE):
                found = public_key(view.data[hit.start : hit.start + _LIMIT])
                key = _labelled(found, bytes(view.data[hit.start : hit.start + _LIMIT]), "") if found else None
                if key:
                    yield replace(key, start=hit.start)
            else:
                lane, at = lanes.at(hit.start, _TEXT[hit.anchor - len(_WIRE)][1])
                key = _from_text(lane, at)
                if key:
                    yield replace(key, start=hit.start)


def _from_text(lane: Lane, at: int) -> PublicKey | None:
    run = _RUN.match(lane.text, at)
    if not run:
        return None
    text = run[0].rstrip(b"=")
    try:
        blob = base64.b64decode(text[: len(text) - (len(text) % 4 == 1)] + b"==")
    except binascii.Error:
        return None
    found = public_key(blob)
    comment = _COMMENT.match(lane.text, run.end())
    return _labelled(found, blob, comment[1].decode() if comment else "") if found else None


def _labelled(found: tuple[PublicKey, int], blob: bytes, comment: str) -> PublicKey:
    """With the fingerprint that ``ssh-keygen -l`` prints."""
    key, end = found
    digest = base64.b64encode(hashlib.sha256(blob[:end]).digest()).rstrip(b"=").decode()
    return replace(key, label=f"{_NAMES[key.algorithm]} key SHA256:{digest} {comment}".rstrip())


SSH_PUBLIC = SshPublic()
