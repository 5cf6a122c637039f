"""MIT Kerberos' key objects, which point to the key: of tickets, keytabs in memory, a KDC's database.

{i32 KV5M_KEYBLOCK, i32 encryption type, u32 size, octets*}, as in krb5.h. The first is KV5M's base, -1760647424, and 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.kerberos import KEY_SIZES
from dumpscan.model import Clue

_MAGIC = (-1760647421) % (1 << 32)
_LEAST = 16
"""Bytes of a key: DES is left to history, and what is so short to chance."""

_HEAD = struct.Struct("<III")
_POINTERS = {8: struct.Struct("<4xQ"), 4: struct.Struct("<I")}
"""What follows the head, by the size of a pointer."""

_KEYS = [(kind, size) for kind, size in KEY_SIZES.items() if size >= _LEAST]


class Krb5Keyblocks:
    """Clues of kind ``key-pointer``: the key's address (8 bytes, big-endian), in ``note`` its size, one byte.

    ``encoding`` is the kind of key.
    """

    name = "krb5-keyblocks"
    anchors: Sequence[bytes] = tuple(_HEAD.pack(_MAGIC, kind, size) for kind, size in _KEYS)
    reach = 64

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Clue]:
        layout = _POINTERS.get(view.pointer_size)
        if layout is None or view.byte_order != "little":
            return
        for anchor, start in hits:
            end = start + _HEAD.size + layout.size
            if end > len(view.data):
                continue
            (address,) = layout.unpack_from(view.data, start + _HEAD.size)
            if address:
                size = _KEYS[anchor][1]
                yield Clue("key-pointer", address.to_bytes(8, "big"), start, end, "kerberos-key", bytes([size]))


KRB5_KEYBLOCKS = Krb5Keyblocks()
