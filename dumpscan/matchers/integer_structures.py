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
=====================  ==================================================================  ======================

Clues of kind ``integer-pointer``: ``value`` is the address (8 bytes, big-endian), ``note`` the number of bytes (4
bytes, big-endian), ``encoding`` how they are to be read. Of kind ``okp-structure``: ``value`` is the address of the
seed, ``note`` the public key, ``encoding`` the algorithm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dumpscan import kernel
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.randomness import BLOCK, Flags, Positions, WordMap, Words, word_map
from dumpscan.model import Clue, ClueTable, Mapped

MAX_CLUES = 8192
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
_OKP = {0: ("x25519", 32), 1: ("x448", 56), 2: ("ed25519", 32), 3: ("ed448", 57)}
"""OpenSSL's ECX_KEY_TYPE -> algorithm, seed length."""


@dataclass(frozen=True, slots=True)
class IntegerStructures:
    """Window matcher for the structures above."""

    name: str = "integer-structures"
    anchors: Sequence[bytes] = ()
    reach: int = 128

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Clue | ClueTable]:
        return self.from_map(word_map(view), view.mapped)

    def from_map(self, mapped: WordMap, places: Sequence[Mapped]) -> Iterator[Clue | ClueTable]:
        """As :meth:`match`, for a window that is mapped already; ``places`` say which addresses it holds."""
        if not places:
            return
        halves, small = _places(mapped.words)
        yield from _okp(mapped, small)
        left = MAX_CLUES
        for kind, at, pointers, counts in _shapes(mapped.words, halves, small):
            kept = np.flatnonzero(_leads_to_random(mapped, pointers, places))
            kept = kept[_first_of_each(pointers[kept], counts[kept])]
            if len(kept) > left:
                kept = kept[_apart(pointers[kept], counts[kept])]
            left -= len(kept)
            if left < 0:
                yield Clue("limit", b"", 0, 0, "", b"more big-number structures than the limit of one window")
                return
            yield from _emit(mapped.base, kind, at[kept], pointers[kept], counts[kept])


def _places(words: Words) -> tuple[Positions, Positions]:
    """Words with a count in either half, or that are counts as a whole, beside a pointer. Without the edges."""
    if kernel.native is not None:
        upper, whole = np.empty(len(words), np.int64), np.empty(len(words), np.int64)
        found = kernel.native.counts(words, _SIZES, upper, whole, _MOST)
        return upper[: found[0]], whole[: found[1]]
    halves, small = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(11, len(words) - 2, BLOCK):
        block = words[start - 1 : min(start + BLOCK, len(words) - 2) + 2]
        inner = block[1:-2]
        counts = np.flatnonzero(inner - np.uint64(1 << 32) < np.uint64(_MOST << 32))
        sized = (_size_flags(inner[counts] & _LOW) | _size_flags(inner[counts] >> 32)) & 1 != 0
        beside = _pointer(block[counts], 1) | _pointer(block[counts + 2], 1) | _pointer(block[counts + 3], 1)
        halves.append(counts[sized & beside] + start)
        counts = np.flatnonzero(inner - np.uint64(4) < np.uint64((_MOST << 16) + 2))
        short = (inner[counts] & 0xFFFF == 1) & (_size_flags(inner[counts] >> 16) & 1 != 0)
        beside = _pointer(block[counts], 1) | _pointer(block[counts + 2], 1)
        small.append(counts[((_size_flags(inner[counts]) != 0) | short) & beside] + start)
    return np.concatenate(halves), np.concatenate(small)


def _sizes() -> NDArray[np.uint8]:
    """By number: 1 if keys have components of that many limbs or digits, 2 for octets; the last stands for the rest."""
    table = np.zeros(max(_OCTETS) + 2, np.uint8)
    table[[*_LIMBS, *_DIGITS]] |= 1
    table[[*_OCTETS]] |= 2
    return table


_SIZES = _sizes()
_LOW = np.uint64(0xFFFFFFFF)


def _size_flags(counts: Words | Positions) -> NDArray[np.uint8]:
    flags: NDArray[np.uint8] = _SIZES[np.minimum(counts, len(_SIZES) - 1).astype(np.intp)]
    return flags


@lru_cache
def _is_size(encoding: str) -> Flags:
    """By number of limbs or digits: whether a key has components of that size. The last element stands for the rest."""
    table = np.zeros(_MOST + 2, np.bool_)
    table[list(_DIGITS if encoding == "digits-60-le64" else _LIMBS)] = True
    return table


@lru_cache
def _is_seed() -> Flags:
    """By number of octets up to ``_MOST``: whether a seed is that long."""
    table = np.zeros(_MOST + 1, np.bool_)
    table[[size for _, size in _OKP.values()]] = True
    return table


def _pointer(words: Words, alignment: int = 8) -> Flags:
    """Whether words are addresses of user or kernel space."""
    top = words >> np.uint64(47)
    flags: Flags = ((top == 0) | (top == 0x1FFFF)) & (words >= 0x10000) & (words % np.uint64(alignment) == 0)
    return flags


_Shape = tuple[str, Positions, Words, Positions]


def _shapes(words: Words, halves: Positions, small: Positions) -> Iterator[_Shape]:
    """(encoding, where, pointers, numbers of bytes) of all that look like one of the structures."""
    low = (words[halves] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    high = (words[halves] >> np.uint64(32)).astype(np.int64)
    before, after, second = words[halves - 1], words[halves + 1], words[halves + 2]
    flags = (after & np.uint64(0xFFFFFFFF) <= 1) & (after >> np.uint64(32) <= 15)
    for encoding, fits, pointers, count in (
        ("limbs-le", (low >= 1) & (low <= high) & _pointer(before) & flags, before, low),
        ("limbs-le", (low >= high) & (low <= 2 * _MOST) & _pointer(after), after, high),
        ("limbs-le", (low >= high) & (low <= 2 * _MOST) & flags & _pointer(second), second, high),
        ("digits-60-le64", (low >= 1) & (low <= high) & flags & _pointer(second), second, low),
    ):
        fits &= _is_size(encoding)[np.minimum(count, _MOST + 1)]
        yield encoding, halves[fits], pointers[fits], 8 * count[fits]
    yield from _small_shapes(words, small)


def _small_shapes(words: Words, small: Positions) -> Iterator[_Shape]:
    value = words[small].astype(np.int64)
    before, after = words[small - 1], words[small + 1]
    sign = before & np.uint64(0xFFFFFFFF) == 1
    sizes = _is_size("limbs-le")
    limbs, octets = sizes[np.minimum(value, _MOST + 1)], _size_flags(value) & 2 != 0
    room = (after >= words[small]) & (after <= 2 * words[small] + np.uint64(16))
    typed = words[small - 2] & np.uint64(0xFFFFFFFF) <= 16
    short = (value & 0xFFFF == 1) & sizes[np.minimum(value >> 16, _MOST + 1)]
    for encoding, fits, pointers, size in (
        ("limbs-le", limbs & sign & _pointer(after), after, 8 * value),
        ("limbs-le", short & _pointer(before), before, 8 * (value >> 16)),
        ("limbs-le", limbs & room & _pointer(before), before, 8 * value),
        ("octets", octets & (room | typed) & _pointer(before, 1), before, value),
    ):
        yield encoding, small[fits], pointers[fits], size[fits]


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


def _okp(mapped: WordMap, small: Positions) -> Iterator[Clue]:
    """OpenSSL's ECX_KEY; the public key stands right behind the one byte of the bit field."""
    words, octets = mapped.words, mapped.octets
    at = small[_is_seed()[np.minimum(words[small], _MOST).astype(np.intp)]]
    at = at[_pointer(words[at - 1], 1) & (octets[8 * at - 72] == 1) & (words[at + 1] & np.uint64(0xFFFFFFFF) < 4)]
    for place in at[:64].tolist():
        algorithm, size = _OKP[int(words[place + 1]) & 3]
        if int(words[place]) == size:
            first = 8 * place - 71
            public = octets[first : first + size].tobytes()
            pointer = int(words[place - 1]).to_bytes(8, "big")
            yield Clue("okp-structure", pointer, mapped.base + first, mapped.base + first + size, algorithm, public)
