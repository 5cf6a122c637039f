"""LZX as cabinets hold it: a window of up to 2 MiB, in frames of 32 KiB that each begin at a new word of 16 bits.

Source of the facts: [MS-PATCH] of Microsoft's open specifications, section 2 (LZX; its header of the deltas apart), and
[MS-CAB]. A frame is a block of the cabinet. Blocks of LZX have their own trees, and may go on over several frames.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from dumpscan.decoders import Damage

WINDOWS = range(15, 22)
"""Bits of the size of a window."""

MOST_BLOCKS = 32
"""Blocks that begin in one frame: each costs the making of its trees. Encoders make one of many frames, or a few."""

_VERBATIM, _ALIGNED, _UNCOMPRESSED = 1, 2, 3
_LITERALS, _LENGTHS, _PRETREE, _ALIGNED_TREE = 256, 249, 20, 8
_SLOTS = dict(zip(WINDOWS, (30, 32, 34, 36, 38, 42, 50), strict=True))
_EXTRA = [0, 0, 0, 0, *(min(17, slot // 2 - 1) for slot in range(4, 50))]
_BASE = [0, *accumulate(1 << extra for extra in _EXTRA)]
_LAST_TRANSLATED_FRAME = 1 << 15
_FRAME = 1 << 15

_Tree = tuple[list[int], int]
"""For each value of the next bits symbol and length of its code, in the lowest five bits; and 16 less how many bits."""

_NO_TREE: _Tree = ([], 0)


class Lzx:
    """The decoder of a stream; it is given one frame after the other. Raises :class:`Damage`."""

    def __init__(self, window: int) -> None:
        self._window = 1 << window
        self._out = bytearray()
        self._main_lengths = [0] * (_LITERALS + 8 * _SLOTS[window])
        self._length_lengths = [0] * _LENGTHS
        self._main = self._length = self._aligned = _NO_TREE
        self._recent = (1, 1, 1)
        self._type, self._left, self._odd = 0, 0, False
        self._translated: int | None = None
        self._frames = self._start = 0
        self._bits = _Bits(b"")

    def frame(self, data: bytes, size: int) -> bytes:
        """The ``size`` plain bytes that ``data`` is packed from."""
        try:
            return self._frame(data, size)
        except IndexError:  # bits behind the end, or a tree without codes
            raise Damage("is damaged (LZX): a block ends too early") from None

    def _frame(self, data: bytes, size: int) -> bytes:
        self._bits = _Bits(data)
        if self._translated is None:
            self._translated = self._bits.take(16) << 16 | self._bits.take(16) if self._bits.take(1) else 0
        goal, blocks = self._start + size, 0
        while len(self._out) < goal:
            if not self._left:
                blocks += 1
                if blocks > MOST_BLOCKS:
                    raise Damage(f"has more than {MOST_BLOCKS} blocks of LZX in one of its own")
                self._begin_block()
            before = len(self._out)
            wanted = min(goal - before, self._left)
            if self._type == _UNCOMPRESSED:
                self._out += self._bits.octets(wanted)
            else:
                self._unpack(before + wanted)
            self._left -= len(self._out) - before
            if self._left < 0:
                raise Damage("is damaged (LZX): a match goes on behind its block")
        self._end_frame()
        plain = self._plain(bytes(self._out[self._start : goal]))
        self._frames += 1
        self._start = goal
        if len(self._out) > 2 * self._window + _FRAME:
            cut = len(self._out) - self._window - _FRAME
            del self._out[:cut]
            self._start -= cut
        return plain

    def _end_frame(self) -> None:
        if not self._left and self._odd and self._bits.octets_left:
            self._bits.octets(1)
            self._odd = False
        if self._bits.at > self._bits.end:
            raise Damage("is damaged (LZX): a block ends too early")

    # ------------------------------------------------------------ blocks

    def _begin_block(self) -> None:
        if self._type == _UNCOMPRESSED:
            if self._odd:
                self._bits.octets(1)
            self._bits = self._bits.rest()
        bits = self._bits
        self._type = bits.take(3)
        self._left = bits.take(8) << 16 | bits.take(16)
        if self._type == _UNCOMPRESSED:
            bits.align()
            first, second, third = (int.from_bytes(bits.octets(4), "little") for _ in range(3))
            self._recent, self._odd = (first, second, third), bool(self._left & 1)  # octets are made even
        elif self._type in (_VERBATIM, _ALIGNED):
            if self._type == _ALIGNED:
                self._aligned = _tree([bits.take(3) for _ in range(_ALIGNED_TREE)])
            self._read_lengths(self._main_lengths, 0, _LITERALS)
            self._read_lengths(self._main_lengths, _LITERALS, len(self._main_lengths))
            self._read_lengths(self._length_lengths, 0, _LENGTHS)
            self._main, self._length = _tree(self._main_lengths), _tree(self._length_lengths)
        else:
            raise Damage(f"is damaged (LZX): a block of type {self._type}")

    def _read_lengths(self, lengths: list[int], start: int, end: int) -> None:
        """Lengths of codes, as differences from those of the block before; themselves coded."""
        bits = self._bits
        tree = _tree([bits.take(4) for _ in range(_PRETREE)])
        at = start
        while at < end:
            symbol = bits.symbol(tree)
            if symbol <= 16:
                lengths[at] = (lengths[at] - symbol) % 17
                at += 1
                continue
            if symbol == 19:
                run = 4 + bits.take(1)
                symbol = bits.symbol(tree)
                value = (lengths[at] - symbol) % 17
                if symbol > 16:
                    raise Damage("is damaged (LZX): a run of runs")
            else:
                run = 4 + bits.take(4) if symbol == 17 else 20 + bits.take(5)
                value = 0
            if at + run > end:
                raise Damage("is damaged (LZX): more codes than symbols")
            lengths[at : at + run] = [value] * run
            at += run

    def _unpack(self, goal: int) -> None:
        """Literals and matches, till there are ``goal`` bytes, or a few more by the last match."""
        out, peeks, at = self._out, self._bits.peeks, self._bits.at
        (main, main_shift), (lengths, length_shift) = self._main, self._length
        aligned, aligned_shift = self._aligned if self._type == _ALIGNED else _NO_TREE
        recent, second, third = self._recent
        have = len(out)
        while have < goal:
            code = main[peeks[at] >> main_shift]
            at += code & 31
            symbol = code >> 5
            if symbol < _LITERALS:
                out.append(symbol)
                have += 1
                continue
            length, slot = (symbol & 7) + 2, symbol - _LITERALS >> 3
            if length == 9:
                code = lengths[peeks[at] >> length_shift]
                at += code & 31
                length += code >> 5
            if slot > 2:
                extra, offset = _EXTRA[slot], _BASE[slot] - 2
                if aligned and extra >= 3:
                    offset += peeks[at] >> 19 - extra << 3
                    at += extra - 3
                    code = aligned[peeks[at] >> aligned_shift]
                    at += code & 31
                    offset += code >> 5
                else:
                    offset += peeks[at] >> 16 - extra if extra < 17 else peeks[at] << 1 | peeks[at + 16] >> 15
                    at += extra
                recent, second, third = offset, recent, second
            elif slot == 1:
                recent, second = second, recent
            elif slot == 2:
                recent, third = third, recent
            if not 0 < recent <= min(have, self._window):
                raise Damage(f"is damaged (LZX): a match {recent} bytes back")
            begin = have - recent
            if recent >= length:
                out += out[begin : begin + length]
            else:
                out += (out[begin:] * (length // recent + 1))[:length]
            have += length
        self._recent, self._bits.at = (recent, second, third), at

    # ------------------------------------------------------------ what is undone at the end

    def _plain(self, data: bytes) -> bytes:
        """Calls of x86 have absolute targets while they are packed."""
        size, position = self._translated or 0, self._frames * _FRAME
        if not size or self._frames >= _LAST_TRANSLATED_FRAME or len(data) <= 10 or b"\xe8" not in data:
            return data
        changed, at, end = bytearray(data), 0, len(data) - 10
        while (at := data.find(b"\xe8", at, end)) >= 0:
            target = int.from_bytes(data[at + 1 : at + 5], "little", signed=True)
            if -(position + at) <= target < size:
                target += size if target < 0 else -(position + at)
                changed[at + 1 : at + 5] = (target & 0xFFFFFFFF).to_bytes(4, "little")
            at += 5
        return bytes(changed)


class _Bits:
    """A frame as bits, the highest of each little-endian word first: ``peeks[n]`` are the 16 bits from bit ``n`` on."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at, self.end = data, 0, 8 * len(data)
        words = np.frombuffer(data + bytes(len(data) % 2 + 6), "<u2").byteswap().view(np.uint8).astype(np.uint32)
        three = words[:-2] << 16 | words[1:-1] << 8 | words[2:]
        shifts = np.arange(8, 0, -1, dtype=np.uint32)
        self.peeks: list[int] = ((three[:, None] >> shifts & 0xFFFF).ravel()).tolist()

    def take(self, count: int) -> int:
        """The next bits, 16 at most."""
        value = self.peeks[self.at] >> 16 - count
        self.at += count
        return value

    def symbol(self, tree: _Tree) -> int:
        """The next symbol of a tree."""
        codes, shift = tree
        code = codes[self.peeks[self.at] >> shift]
        self.at += code & 31
        return code >> 5

    def align(self) -> None:
        """Go to the next word, also from the begin of one."""
        self.at = (self.at | 15) + 1

    def rest(self) -> _Bits:
        """What is left behind octets: words begin here, also at an odd place."""
        return _Bits(self._data[self.at >> 3 :])

    @property
    def octets_left(self) -> int:
        """How many whole octets are left."""
        return len(self._data) - (self.at + 7 >> 3)

    def octets(self, count: int) -> bytes:
        """The next octets; bits are at the begin of one."""
        start = self.at >> 3
        self.at += 8 * count
        if self.at > self.end:
            raise Damage("is damaged (LZX): octets are missing")
        return self._data[start : start + count]


def _tree(lengths: list[int]) -> _Tree:
    """The table of a canonical code. One without symbols is none; any other is complete."""
    longest = max(lengths)
    if not longest:
        return _NO_TREE
    if sum(1 << longest - own for own in lengths if own) != 1 << longest:
        raise Damage("is damaged (LZX): a code that is not complete")
    table: list[int] = []
    for length in range(1, longest + 1):
        for symbol, own in enumerate(lengths):
            if own == length:
                table += [symbol << 5 | length] * (1 << longest - length)
    return table, 16 - longest
