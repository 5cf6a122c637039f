"""The Huffman code of HPACK and QPACK, in which HTTP/2 and HTTP/3 send the values of headers (RFC 7541, appendix B)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import accumulate

_LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c"
    "060a0a0c0d06080b0a0a080b080606060505050606060606060607080f060c0a"
    "0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f05060506050606060507070606060506070605050607070707070f0b0e0d1c"
    "1416141416161617161717171717181718181617181717171715161716171718"
    "1615141616171715171616181516171715151617151617171416161716161617"
    "1a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b"
    "14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a"
)
"""Bits of each octet's code. The code is canonical: codes of one length are in the order of their octets, and those of
a greater length follow."""


@cache
def _codes() -> tuple[int, ...]:
    """The code of each octet."""
    codes, code, length = [0] * 256, -1, 0
    for octet in sorted(range(256), key=lambda octet: (_LENGTHS[octet], octet)):
        code = (code + 1) << _LENGTHS[octet] - length
        codes[octet], length = code, _LENGTHS[octet]
    return tuple(codes)


def huffman_at_each_phase(value: bytes) -> Iterator[bytes]:
    """The whole octets of which ``value`` has all bits, as it may begin at any of the eight bits of one."""
    bits = "".join(f"{_codes()[octet]:0{_LENGTHS[octet]}b}" for octet in value)
    for phase in range(8):
        mine = bits[phase : len(bits) - (len(bits) - phase) % 8]
        if mine:
            yield int(mine, 2).to_bytes(len(mine) // 8, "big")


def least_octets(value: bytes, characters: int) -> int:
    """The whole octets that any ``characters`` of ``value`` fill at least."""
    ends = [0, *accumulate(_LENGTHS[octet] for octet in value)]
    spans = (after - first for first, after in zip(ends, ends[characters:], strict=False))
    return (min(spans, default=ends[-1]) - 7) // 8
