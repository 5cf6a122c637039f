"""S-expressions of libgcrypt and GnuPG: (private-key (ecc (q …) (d …))), as bytes of memory.

Two spellings: the canonical one, ``(1:d32:…)``, which gpg-agent reads and caches; and the one inside libgcrypt (its
sexp.c): a byte 03 for ``(``, 04 for ``)``, 01 before data and their length (u16 in host order). The heads of such
buffers are often overwritten after their release, so each number is looked for by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dumpscan.curves import curves_of
from dumpscan.matchers.base import Hit, View
from dumpscan.model import Clue, Evidence, PublicKey

_NAMES = (b"d", b"q", b"p", b"n")
_INNER = tuple(b"\3\1\1\0" + name + b"\1" for name in _NAMES)
_CANONICAL = tuple(b"(1:" + name for name in _NAMES)
_LONGEST = 1026


class Sexp:
    """Window matcher: private numbers and public points as clues for the proofs."""

    name = "sexp"
    anchors: Sequence[bytes] = _INNER + _CANONICAL
    reach = _LONGEST + 16

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Evidence]:
        for hit in hits:
            start, size = _extent(view, hit, len(self.anchors[hit.anchor]))
            if size and start + size <= len(view.data):
                name = _NAMES[hit.anchor % len(_NAMES)]
                yield from _meaning(name, bytes(view.data[start : start + size]), start)


def _extent(view: View, hit: Hit, length: int) -> tuple[int, int]:
    """Where the number begins and how long it is; a length of 0 where there is none."""
    start = hit.start + length
    head = bytes(view.data[start : start + 5])
    if hit.anchor < len(_INNER):
        size = int.from_bytes(head[:2], "little" if view.byte_order == "little" else "big")
        start += 2
    else:
        digits, colon, _ = head.partition(b":")
        size = int(digits) if colon and digits.isdigit() else 0
        start += len(digits) + 1
    return start, size if 24 <= size <= _LONGEST else 0


def _meaning(name: bytes, value: bytes, start: int) -> Iterator[Evidence]:
    end = start + len(value)
    if name == b"q" and value[0] == 4 and len(value) % 2:
        half = len(value) // 2
        x, y = int.from_bytes(value[1 : half + 1], "big"), int.from_bytes(value[half + 1 :], "big")
        for curve in curves_of(x, y, half):
            yield PublicKey("ec", (x, y), curve=curve, label="a point in memory", start=start)
    elif name == b"q" and len(value) in (32, 33):
        for algorithm in ("ed25519", "x25519"):
            yield PublicKey(algorithm, point=value[-32:], label="a point in memory", start=start)
    elif len(value) >= 64 and name != b"d":
        yield Clue("rsa-integer", value.lstrip(b"\0"), start, end, "octets")
    elif name == b"d" and len(value) <= 66:
        yield from _scalars(value, start)


def _scalars(value: bytes, start: int) -> Iterator[Clue]:
    """A scalar at the width of its curve, without leading zeros or with those that were dropped; libgcrypt has
    that of Curve25519 in big-endian order."""
    end = start + len(value)
    number = value.lstrip(b"\0")
    size = next((size for size in (32, 48, 56, 57, 64, 66) if len(number) <= size), 66)
    yield Clue("octets-alone", number.rjust(size, b"\0"), start, end, "octets")
    if size == 32:
        yield Clue("octets-alone", number.rjust(size, b"\0")[::-1], start, end, "limbs-le")
