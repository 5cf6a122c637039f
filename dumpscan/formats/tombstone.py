"""Android tombstones, as text and as protobuf (AOSP, ``debuggerd/proto/tombstone.proto``).

In the protobuf all strings and the memory around registers stand as plain bytes, so it is read as it is. The text
prints memory as words in hexadecimal, which are not put together again: that is said in ``unread``.
"""

from __future__ import annotations

import re

from dumpscan.model import Layout, Region, Unread
from dumpscan.source import Source

_MARK = b"*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***"
_FINGERPRINT = re.compile(rb"[\w.,-]+/[\w.,-]+/[\w.,-]+:[\w.,-]+/[\w.,-]+/[\w.,-]+:[\w.-]+/[\w.,-]+")
_MESSAGE = re.compile(rb"(?:\x08[\x00-\x0f])?\x12(?:[\x10-\x7f]|[\x80-\xff]\x01)")
_MACHINE = re.compile(rb"\nABI: '(\w{1,16})'")
_MEMORY = re.compile(rb"\nmemory near [^\n]{1,200}:\n")
_CHUNK = 1 << 20


class Tombstone:
    """The text of a tombstone."""

    name = "android-tombstone"
    title = "Android tombstone (text)"
    handling = "scanned as text, but for memory that is printed in hexadecimal; occurrences are overwritten by X"

    def sniff(self, head: bytes) -> bool:
        start = head.find(_MARK)
        return 0 <= start < 512 and (b"Build fingerprint: " in head or b"\npid: " in head)

    def layout(self, source: Source) -> Layout:
        """One region of text. Reads the file once."""
        machine = _MACHINE.search(source.read(0, 4096))
        unread: list[Unread] = []
        for base in range(0, source.size, _CHUNK):
            found = _MEMORY.search(source.read(base, _CHUNK + 256))
            if found:
                reason = "memory printed as words in hexadecimal is scanned as text only"
                unread.append(Unread(base + found.end(), 0, reason))
                break
        return Layout(
            self.name,
            (Region(0, source.size, kind="text", name="tombstone"),),
            architecture=machine[1].decode() if machine else None,
            unread=tuple(unread),
        )


class TombstoneProto:
    """The protobuf of a tombstone."""

    name = "android-tombstone-proto"
    title = "Android tombstone (protobuf)"
    handling = "strings and memory are scanned as they stand; occurrences are overwritten in place, and no length"

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` starts with the fields ``arch`` and ``build_fingerprint``: there is no magic."""
        found = _MESSAGE.match(head)
        return found is not None and _FINGERPRINT.match(head, found.end()) is not None

    def layout(self, source: Source) -> Layout:
        return Layout(self.name, (Region(0, source.size, name="tombstone"),))
