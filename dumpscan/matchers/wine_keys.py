"""Symmetric key objects of Wine's bcrypt.dll, which point to the key.

{u32 "KEY0", u32 cipher, u64 backend[2], u32 mode, u32 block size, IV*, u32 its size, key*, u32 its size},
as in dlls/bcrypt/bcrypt_internal.h; newer versions have a third u64 for the backend. The AES schedule is GnuTLS's, in
Linux's heap, which no minidump of a Windows program holds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from dumpscan.matchers.base import Hit, View
from dumpscan.model import Clue

_SIZES = {8: (16, 24), 16: (16, 24, 32)}
"""Bytes of a key by those of a block: 3DES and AES."""

_BACKENDS = (16, 24)
_MOST_MODES = 8
_MOST_IV = 32


_LAYOUTS = {8: struct.Struct("<IIQI4xQI"), 4: struct.Struct("<IIIIII")}
"""Mode, size of a block, IV, its size, key, its size; by the size of a pointer."""


class WineKeys:
    """Clues of kind ``key-pointer``: the key's address (8 bytes, big-endian), in ``note`` its size, one byte.

    ``encoding`` is the kind of key.
    """

    name = "wine-keys"
    anchors: Sequence[bytes] = tuple(struct.pack("<4sI", b"0YEK", cipher) for cipher in range(3))
    reach = 128

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Clue]:
        layout = _LAYOUTS.get(view.pointer_size)
        if layout is None or view.byte_order != "little":
            return
        for hit in hits:
            for backend in _BACKENDS:
                clue = _key(view.data, hit.start, hit.start + 8 + backend, layout)
                if clue:
                    yield clue
                    break


def _key(data: memoryview, start: int, at: int, layout: struct.Struct) -> Clue | None:
    if at + layout.size > len(data):
        return None
    mode, block, vector, vector_size, key, size = layout.unpack_from(data, at)
    if size not in _SIZES.get(block, ()) or mode > _MOST_MODES or vector_size > _MOST_IV:
        return None
    if not _pointer(key) or bool(vector) != bool(vector_size) or (vector and not _pointer(vector)):
        return None
    kind = "aes-key" if block == 16 else "symmetric-key"
    return Clue("key-pointer", key.to_bytes(8, "big"), start, at + layout.size, kind, bytes([size]))


def _pointer(value: int) -> bool:
    """Whether ``value`` can be the address of heap memory of a Windows process."""
    return 1 << 16 <= value < 1 << 47


WINE_KEYS = WineKeys()
