"""Structures of big-number libraries, 64-bit: a pointer beside a plausible number of limbs or bytes.

=====================  ==================================================================  ======================
library                layout                                                              source
=====================  ==================================================================  ======================
OpenSSL, BoringSSL     {u64 *d; i32 top; i32 dmax; i32 neg; i32 flags}                     bn_local.h
GMP, nettle            {i32 alloc; i32 size; u64 *d}                                       gmp.h
libgcrypt              {i32 alloced; i32 nlimbs; i32 sign; u32 flags; u64 *d}              mpi-internal.h
libtommath             {i32 used; i32 alloc; i32 sign; u64 *dp}, 60-bit digits             tommath.h
mbedTLS 2              {i32 s; size_t n; u64 *p}                                           bignum.h
mbedTLS 3.6            {u64 *p; i16 s; u16 n}                                              bignum.h
NSS                    {u32 type; u8 *data; u32 len}, big-endian                           seccomon.h
Go                     {ptr, len, cap}: big.Int's limbs, byte slices                       runtime/slice.go
OpenSSL 3 ECX_KEY      {ctx*, propq*, haspubkey:1, u8 pubkey[57], u8 *privkey, keylen, type}  crypto/ecx.h
OpenSSL EC_POINT       {method*, int curve_name, BIGNUM *X, *Y, *Z, int Z_is_one}          ec_local.h
=====================  ==================================================================  ======================

Clues of kind ``integer-pointer``: ``value`` is the address (8 bytes, big-endian), ``note`` the number of bytes (4
bytes, big-endian), ``encoding`` how they are to be read. Of kind ``okp-structure``: ``value`` is the address of the
seed, ``note`` the public key, ``encoding`` the algorithm. Of kind ``projective-point``: ``value`` is the addresses of
X, Y and Z (8 bytes each, big-endian), ``encoding`` the curve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.randomness import BLOCK, Flags, Positions, WordMap, Words, word_map
from dumpscan.model import Clue, ClueTable, Mapped

MAX_CLUES = 32_768
"""Clues of one window; more is a recorded limit."""

_MOST = 130
"""Limbs of RSA-8192, and two to spare."""

_LIMBS = (3, 4, 5, 6, 7, 8, 9, 12, 16, 24, 32, 48, 64, 128)
"""64-bit limbs of private numbers and moduli: EC curves, DSA and DH, RSA of 1024 to 8192 bits."""

_DIGITS = (5, 7, 8, 9, 17, 18, 25, 26, 34, 35, 51, 52, 68, 69)
"""The same in digits of 60 bits, up to RSA-4096; a private exponent may be one digit shorter."""

_OCTETS = (
    *(31, 32, 33, 47, 48, 49, 56, 57, 65, 66, 95, 96, 97, 127, 128, 129, 191, 192, 193),
    *(255, 256, 257, 383, 384, 385, 511, 512, 513),
)
_CURVES = {
    415: "P-256",
    714: "secp256k1",
    715: "P-384",
    716: "P-521",
    927: "brainpoolP256r1",
    931: "brainpoolP384r1",
    933: "brainpoolP512r1",
}
"""OpenSSL's numbers of curves (obj_mac.h)."""

_OKP = {0: ("x25519", 32), 1: ("x448", 56), 2: ("ed25519", 32), 3: ("ed448", 57)}
"""OpenSSL's ECX_KEY_TYPE -> algorithm, seed length."""


class IntegerStructures:
    """Window matcher for the structures above."""

    name = "integer-structures"
    anchors: Sequence[bytes] = ()
    reach = 128

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Clue | ClueTable]:
        return self.from_map(word_map(view), view.mapped)

    def from_map(self, mapped: WordMap, places: Sequence[Mapped]) -> Iterator[Clue | ClueTable]:
        """As :meth:`match`, for a window that is mapped already; ``places`` say which addresses it holds."""
        if not places:
            return
        shapes, capped = _shapes(mapped.words)
        yield from _okp(mapped, shapes.pop(_SEED)[0])
        points = shapes.pop(_POINT)[0]
        left = -1 if capped else MAX_CLUES - len(points)
        yield from _points(mapped, points[:MAX_CLUES])
        for kind, (at, pointers, counts) in shapes.items():
            kept = np.flatnonzero(_leads_to_random(mapped, pointers, places))
            kept = kept[_first_of_each(pointers[kept], counts[kept])]
            if len(kept) > left:
                kept = kept[_apart(pointers[kept], counts[kept])]
            left -= len(kept)
            if left < 0:
                yield Clue("limit", b"", 0, 0, "", b"more big-number structures than the limit of one window")
                return
            yield from _emit(mapped.base, _SHAPES[kind], at[kept], pointers[kept], counts[kept])


_Shape = tuple[Positions, Words, Positions]
"""Where counts stand, the pointers beside them, and the numbers of bytes that these lead to."""


def _shapes(words: Words) -> tuple[dict[int, _Shape], bool]:
    """All that looks like one of the structures, by their numbers among ``_SHAPES``, and whether there is more.

    The edges of the window are not looked at.
    """
    if kernel.native is None:
        halves, small = _places(words)
        return dict(enumerate((*_half_shapes(words, halves), *_small_shapes(words, small)))), False
    room = len(words)
    shapes, at, counts = np.empty(room, np.uint8), np.empty(room, np.int64), np.empty(room, np.int64)
    pointers = np.empty(room, np.uint64)
    found = kernel.native.structures(words, _SIZES, shapes, at, counts, pointers, _MOST)
    each = {kind: np.flatnonzero(shapes[:found] == kind) for kind in range(_POINT + 1)}
    return {kind: (at[some], pointers[some], counts[some]) for kind, some in each.items()}, 0 < room == found


def _places(words: Words) -> tuple[Positions, Positions]:
    """Words with a count in either half, and those that are counts as a whole."""
    halves, small = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(11, len(words) - 2, BLOCK):
        inner = words[start : min(start + BLOCK, len(words) - 2)]
        counts = np.flatnonzero(inner - np.uint64(1 << 32) < np.uint64(_MOST << 32))
        halves.append(counts[(_size_flags(inner[counts] & _LOW) | _size_flags(inner[counts] >> 32)) != 0] + start)
        counts = np.flatnonzero(inner - np.uint64(4) < np.uint64((_MOST << 16) + 2))
        short = inner[counts] & 0xFFFF == 1
        small.append(counts[(_size_flags(inner[counts]) != 0) | short] + start)
    return np.concatenate(halves), np.concatenate(small)


_LIMB_COUNT, _OCTET_COUNT, _DIGIT_COUNT, _SEED_COUNT, _CURVE = 1, 2, 4, 8, 16


def _sizes() -> NDArray[np.uint8]:
    """By number: flags of whether keys have components of that many limbs, octets, digits, or seeds of so many octets,
    or it names a curve; the last stands for the rest."""
    table = np.zeros(max(*_OCTETS, *_CURVES) + 2, np.uint8)
    for flag, counts in ((_LIMB_COUNT, _LIMBS), (_OCTET_COUNT, _OCTETS), (_DIGIT_COUNT, _DIGITS)):
        table[list(counts)] |= flag
    table[[size for _, size in _OKP.values()]] |= _SEED_COUNT
    table[list(_CURVES)] |= _CURVE
    return table


_SIZES = _sizes()
_LOW = np.uint64(0xFFFFFFFF)


def _size_flags(counts: Words | Positions) -> NDArray[np.uint8]:
    flags: NDArray[np.uint8] = _SIZES[np.minimum(counts, len(_SIZES) - 1).astype(np.intp)]
    return flags


def _pointer(words: Words, alignment: int = 8) -> Flags:
    """Whether words are addresses of user or kernel space."""
    top = words >> np.uint64(47)
    flags: Flags = ((top == 0) | (top == 0x1FFFF)) & (words >= 0x10000) & (words % np.uint64(alignment) == 0)
    return flags


_SHAPES = (*["limbs-le"] * 3, "digits-60-le64", *["limbs-le"] * 3, "octets")
"""How what each of the structures points to is to be read. Two more are OpenSSL's ECX_KEY and EC_POINT."""

_SEED, _POINT = len(_SHAPES), len(_SHAPES) + 1


def _half_shapes(words: Words, halves: Positions) -> Iterator[_Shape]:
    low = (words[halves] & _LOW).astype(np.int64)
    high = (words[halves] >> np.uint64(32)).astype(np.int64)
    before, after, second = words[halves - 1], words[halves + 1], words[halves + 2]
    flags = (after & _LOW <= 1) & (after >> np.uint64(32) <= 15)
    rising = (low >= 1) & (low <= high) & flags
    falling = (low >= high) & (low <= 2 * _MOST) & (_size_flags(high) & _LIMB_COUNT != 0)
    for fits, pointers, count in (
        (rising & (_size_flags(low) & _LIMB_COUNT != 0) & _pointer(before), before, low),
        (falling & _pointer(after), after, high),
        (falling & flags & _pointer(second), second, high),
        (rising & (_size_flags(low) & _DIGIT_COUNT != 0) & _pointer(second), second, low),
    ):
        yield halves[fits], pointers[fits], 8 * count[fits]


def _small_shapes(words: Words, small: Positions) -> Iterator[_Shape]:
    value = words[small].astype(np.int64)
    before, after = words[small - 1], words[small + 1]
    sized = _size_flags(value)
    limbs = sized & _LIMB_COUNT != 0
    room = (after >= words[small]) & (after <= 2 * words[small] + np.uint64(16))
    typed = words[small - 2] & _LOW <= 16
    short = (value & 0xFFFF == 1) & (_size_flags(value >> 16) & _LIMB_COUNT != 0)
    third, fourth = (words[np.minimum(small + step, len(words) - 1)] for step in (3, 4))
    point = (sized & _CURVE != 0) & (small < len(words) - 4) & (fourth & _LOW <= 1)
    point &= _pointer(before) & _pointer(words[small + 2]) & _pointer(third)
    seed = (sized & _SEED_COUNT != 0) & (after & _LOW < 4) & (words[small - 9] & np.uint64(0xFF) == 1)
    for fits, pointers, size in (
        (limbs & (before & _LOW == 1) & _pointer(after), after, 8 * value),
        (short & _pointer(before), before, 8 * (value >> 16)),
        (limbs & room & _pointer(before), before, 8 * value),
        ((sized & _OCTET_COUNT != 0) & (room | typed) & _pointer(before, 1), before, value),
        (seed & _pointer(before, 1), before, value),
        (point & _pointer(after), after, value),
    ):
        yield small[fits], pointers[fits], size[fits]


def _leads_to_random(mapped: WordMap, pointers: Words, places: Sequence[Mapped]) -> Flags:
    """False where the target is in this window and does not look random."""
    kept = np.ones(len(pointers), np.bool_)
    for place in places:
        beyond = pointers - np.uint64(place.address % (1 << 64))
        inside = np.flatnonzero(beyond < np.uint64(place.size))
        index = (beyond[inside].astype(np.int64) + place.position - mapped.base) // 8
        close = (index >= 0) & (index < len(mapped.random) - 4)
        inside, index = inside[close], index[close]
        filled = sum(mapped.random[index + step].astype(np.uint8) for step in range(4))
        kept[inside] = np.asarray(filled) >= 3
    return kept


def _first_of_each(pointers: Words, sizes: Positions) -> Positions:
    """Of equal pointers with equal sizes the first: every string of Python begins with its type and a length."""
    both = pointers ^ sizes.astype(np.uint64) << np.uint64(48)  # bit 47 tells what the bits above it were
    return np.sort(np.unique(both, return_index=True)[1])


def _apart(pointers: Words, sizes: Positions) -> Positions:
    """Those of many of which none begins inside another: what lies closer is strings, whose length is in bytes."""
    order = np.argsort(pointers)
    gaps = np.diff(pointers[order], append=np.uint64((1 << 64) - 1))
    kept: Positions = np.sort(order[gaps >= sizes[order].astype(np.uint64)])
    return kept


def _emit(base: int, encoding: str, at: Positions, pointers: Words, sizes: Positions) -> Iterator[ClueTable]:
    if len(at):
        values, notes = pointers.astype(">u8").tobytes(), sizes.astype(">u4").tobytes()
        yield ClueTable("integer-pointer", values, base + 8 * at, 8, encoding, notes)


def _okp(mapped: WordMap, at: Positions) -> Iterator[Clue]:
    """OpenSSL's ECX_KEY; the public key stands right behind the one byte of the bit field."""
    words, octets = mapped.words, mapped.octets
    for place in at[:64].tolist():
        algorithm, size = _OKP[int(words[place + 1]) & 3]
        if int(words[place]) == size:
            first = 8 * place - 71
            public = octets[first : first + size].tobytes()
            pointer = int(words[place - 1]).to_bytes(8, "big")
            yield Clue("okp-structure", pointer, mapped.base + first, mapped.base + first + size, algorithm, public)


def _points(mapped: WordMap, at: Positions) -> Iterator[Clue]:
    for place in at.tolist():
        pointers = mapped.words[place + 1 : place + 4].astype(">u8").tobytes()
        position = mapped.base + 8 * place
        yield Clue("projective-point", pointers, position, position + 32, _CURVES[int(mapped.words[place])])
