"""Keys of OpenSSL's random generator, so that its AES schedules are not taken for data keys.

``PROV_DRBG_CTR`` of OpenSSL 3 (providers/implementations/rands/drbg_ctr.c): three ``EVP_CIPHER_CTX *``, two
``EVP_CIPHER *``, ``size_t keylen``, ``int use_df``, ``unsigned char K[32]``, ``V[16]``, … Every Python with ``ssl``,
Node.js and PostgreSQL process holds three of them. Read for 64-bit processes with the derivation function (the
default).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from dumpscan.matchers.base import Hit, View
from dumpscan.model import Clue, Evidence

_SIZES = (16, 24, 32)
_POINTERS = 5


class CtrDrbg:
    """Yields clues of kind ``drbg-key`` whose value is K."""

    name = "ctr-drbg"
    anchors: Sequence[bytes] = tuple(struct.pack("<QI", size, 1) for size in _SIZES)
    reach = 128

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        if view.pointer_size != 8 or view.byte_order != "little":
            return
        for hit in hits:
            size, start = _SIZES[hit.anchor], hit.start + 12
            key = bytes(view.data[start : start + size])
            if (hit.start + view.phase) % 8 or len(set(key)) <= size // 2 or not _pointers(view, hit.start):
                continue
            yield Clue("drbg-key", key, start, start + size, "octets", b"OpenSSL's CTR_DRBG")


CTR_DRBG = CtrDrbg()


def _pointers(view: View, end: int) -> bool:
    """Whether the five words before ``end`` can be pointers to the heap: not null, aligned, in user space."""
    start = end - 8 * _POINTERS
    if start < 0:
        return False
    words = struct.unpack_from(f"<{_POINTERS}Q", view.data, start)
    return all(word % 8 == 0 and 0x1000 <= word < 1 << 56 for word in words)
