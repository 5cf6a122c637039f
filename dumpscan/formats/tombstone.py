"""Android tombstones, as text and as protobuf (AOSP, ``debuggerd/proto/tombstone.proto``).

In the protobuf all strings and the memory around registers stand as plain bytes, and are read as they are; registers
are numbers, which :mod:`dumpscan.formats.tombstone_proto` makes bytes. The text prints memory and registers as words
in hexadecimal, which :mod:`dumpscan.formats.tombstone_memory` makes bytes again.
"""

from __future__ import annotations

import re

from dumpscan.errors import FormatError
from dumpscan.formats.tombstone_memory import TombstoneMemory
from dumpscan.formats.tombstone_proto import ProtoRegisters
from dumpscan.model import Layout
from dumpscan.plain import PlainSource
from dumpscan.source import Source

_MARK = b"*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***"
_FINGERPRINT = re.compile(rb"[\w.,-]+/[\w.,-]+/[\w.,-]+:[\w.,-]+/[\w.,-]+/[\w.,-]+:[\w.-]+/[\w.,-]+")
_MESSAGE = re.compile(rb"(?:\x08[\x00-\x0f])?\x12(?:[\x10-\x7f]|[\x80-\xff]\x01)")
_MACHINE = re.compile(rb"\nABI: '(\w{1,16})'")


class Tombstone:
    """The text of a tombstone."""

    name = "android-tombstone"
    title = "Android tombstone (text)"
    handling = (
        "scanned as text, and memory and registers that it prints in hexadecimal as memory; occurrences are "
        "overwritten by X, in hexadecimal too"
    )

    def sniff(self, head: bytes) -> bool:
        start = head.find(_MARK)
        return 0 <= start < 512 and (b"Build fingerprint: " in head or b"\npid: " in head)

    def open(self, source: Source) -> PlainSource:
        """The text, and the memory in it. Raises :class:`FormatError` if there is none."""
        view = TombstoneMemory(source, _architecture(source))
        if not view.parts:
            raise FormatError("no memory in hexadecimal")
        return view

    def layout(self, source: Source) -> Layout:
        """One region of text, and regions of the memory that is printed in it. Reads the file once."""
        view = TombstoneMemory(source, _architecture(source))
        assert view.layout is not None
        return view.layout


def _architecture(source: Source) -> str | None:
    machine = _MACHINE.search(source.read(0, 4096))
    return machine[1].decode() if machine else None


class TombstoneProto:
    """The protobuf of a tombstone."""

    name = "android-tombstone-proto"
    title = "Android tombstone (protobuf)"
    handling = (
        "strings and memory are scanned as they stand, registers as bytes; occurrences are overwritten in place, and "
        "no length"
    )

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` starts with the fields ``arch`` and ``build_fingerprint``: there is no magic."""
        found = _MESSAGE.match(head)
        return found is not None and _FINGERPRINT.match(head, found.end()) is not None

    def open(self, source: Source) -> PlainSource:
        """The file, and its registers."""
        return ProtoRegisters(source)

    def layout(self, source: Source) -> Layout:
        """One region of the file, those of memory in it, and registers."""
        view = ProtoRegisters(source)
        assert view.layout is not None
        return view.layout
