"""LZX as an encoder makes it, from the facts of [MS-PATCH]: every kind of block, with codes of any length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

FRAME = 32768
VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3
SLOTS = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}

Bits = tuple[int, int]
Token = tuple[int, int, int]
"""Symbol of the main tree, symbol of the tree of lengths or -1, distance as its slot holds it."""


def slots() -> Iterator[tuple[int, int]]:
    """Where each slot of distances begins, and how many bits follow it."""
    base = 0
    for slot in range(51):
        extra = 0 if slot < 4 else min(17, slot // 2 - 1)
        yield base, extra
        base += 1 << extra


SLOT = list(slots())


def code_lengths(counts: Counter[int], size: int, skewed: bool) -> list[int]:
    """A complete code: frequent symbols have short codes if it is ``skewed``, else all have nearly the same."""
    for symbol in range(2):
        if len(counts) < 2:
            counts[symbol] += 1
    symbols = [symbol for symbol, _ in counts.most_common()]
    lengths, depth, left = [0] * size, 0, counts.total()
    while skewed and len(symbols) > 2 and depth < 4 and counts[symbols[0]] * 3 > left:
        depth += 1
        left -= counts[symbols[0]]
        lengths[symbols.pop(0)] = depth
    bits = (len(symbols) - 1).bit_length()
    for number, symbol in enumerate(symbols):
        lengths[symbol] = depth + bits - (number < (1 << bits) - len(symbols))
    return lengths


def codes(lengths: Sequence[int]) -> dict[int, Bits]:
    """Canonical codes: value and length."""
    code, found, before = 0, {}, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - before
        found[symbol] = (code, length)
        code, before = code + 1, length
    return found


class Encoder:
    """Packs ``plain`` in blocks of the kinds and sizes of ``plan``, the last of which is repeated."""

    def __init__(self, plain: bytes, window: int, plan: Sequence[tuple[int, int]], translated: int = 0) -> None:
        self.plain = absolute(plain, translated) if translated else plain
        self.window, self.plan, self.translated = window, plan, translated
        self.frames: list[bytes] = []
        self.bits: list[str] = []
        self.raw = b""
        self.at = 0
        self.recent = [1, 1, 1]
        self.main, self.lengths = [0] * (256 + 8 * SLOTS[window]), [0] * 249
        self.seen: dict[bytes, int] = {}

    def pack(self) -> list[bytes]:
        """The frames."""
        self.put(bool(self.translated), 1)
        if self.translated:
            self.put(self.translated >> 16, 16)
            self.put(self.translated & 0xFFFF, 16)
        number = 0
        while self.at < len(self.plain):
            kind, size = self.plan[min(number, len(self.plan) - 1)]
            self.block(kind, min(size, len(self.plain) - self.at), bool(number % 2))
            number += 1
        if self.bits or self.raw:
            self.end_frame()
        return self.frames

    def put(self, value: int, count: int) -> None:
        if count:
            self.bits.append(f"{value:0{count}b}")

    def words(self) -> bytes:
        text = "".join(self.bits)
        text += "0" * (-len(text) % 16)
        self.bits = []
        return b"".join(int(text[i : i + 16], 2).to_bytes(2, "little") for i in range(0, len(text), 16))

    def end_frame(self) -> None:
        self.frames.append(self.raw + self.words())
        self.raw = b""

    def advance(self, count: int) -> None:
        for at in range(self.at, self.at + count):
            self.seen[self.plain[at : at + 3]] = at
        self.at += count
        if self.at % FRAME == 0:
            self.end_frame()

    def block(self, kind: int, size: int, skewed: bool) -> None:
        self.put(kind, 3)
        self.put(size, 24)
        end = self.at + size
        if kind == UNCOMPRESSED:
            self.put(0, 16 - sum(map(len, self.bits)) % 16)
            self.raw += self.words() + b"".join(distance.to_bytes(4, "little") for distance in self.recent)
            while self.at < end:
                count = min(end - self.at, FRAME - self.at % FRAME)
                self.raw += self.plain[self.at : self.at + count]
                self.raw += b"\0" if self.at + count == end and size % 2 else b""
                self.advance(count)
            return
        tokens = [*self.tokens(end)]
        if kind == ALIGNED:
            low = Counter(value & 7 for symbol, _, value in tokens if aligned(symbol))
            low_lengths = code_lengths(low, 8, skewed)
            for length in low_lengths:
                self.put(length, 3)
        self.trees(tokens, skewed)
        main, lengths = codes(self.main), codes(self.lengths)
        low_codes = codes(low_lengths) if kind == ALIGNED else {}
        position = self.block_start
        for symbol, length, value in tokens:
            self.put(*main[symbol])
            if length >= 0:
                self.put(*lengths[length])
            if symbol >= 256:
                extra = SLOT[symbol - 256 >> 3][1]
                if kind == ALIGNED and aligned(symbol):
                    self.put(value >> 3, extra - 3)
                    self.put(*low_codes[value & 7])
                else:
                    self.put(value, extra)
            position += 1 if symbol < 256 else (symbol & 7) + 2 + max(length, 0)
            if position % FRAME == 0:
                self.end_frame()

    def tokens(self, end: int) -> Iterator[Token]:
        """Greedy: the last place of the next three bytes."""
        self.block_start = self.at
        while self.at < end:
            place = self.seen.get(self.plain[self.at : self.at + 3], -1)
            most = min(257, end - self.at, FRAME - self.at % FRAME)
            length = 0
            if place >= 0 and self.at - place <= (1 << self.window) - 3:
                while length < most and self.plain[place + length] == self.plain[self.at + length]:
                    length += 1
            count = length if length > 2 else 1
            yield self.match(self.at - place, length) if length > 2 else (self.plain[self.at], -1, 0)
            for at in range(self.at, self.at + count):
                self.seen[self.plain[at : at + 3]] = at
            self.at += count

    def match(self, distance: int, length: int) -> Token:
        value = 0
        if distance in self.recent:
            slot = self.recent.index(distance)
            self.recent[0], self.recent[slot] = self.recent[slot], self.recent[0]
        else:
            slot = next(slot for slot in range(3, 51) if distance + 2 < SLOT[slot + 1][0])
            value = distance + 2 - SLOT[slot][0]
            self.recent = [distance, *self.recent[:2]]
        head = min(length - 2, 7)
        return 256 + 8 * slot + head, length - 9 if head == 7 else -1, value

    def trees(self, tokens: Sequence[Token], skewed: bool) -> None:
        main = code_lengths(Counter(symbol for symbol, _, _ in tokens), len(self.main), skewed)
        counts = Counter(length for _, length, _ in tokens if length >= 0)
        lengths = code_lengths(counts, 249, skewed) if counts else [0] * 249
        self.tree(self.main[:256], main[:256])
        self.tree(self.main[256:], main[256:])
        self.tree(self.lengths, lengths)
        self.main, self.lengths = main, lengths

    def tree(self, before: Sequence[int], after: Sequence[int]) -> None:
        """Lengths of codes, packed by a code of their own."""
        symbols = [*changes(before, after)]
        pre = code_lengths(Counter(symbol for row in symbols for symbol in row[:1] + row[3:]), 20, False)
        for length in pre:
            self.put(length, 4)
        using = codes(pre)
        for symbol, *rest in symbols:
            self.put(*using[symbol])
            if rest:
                self.put(rest[0], rest[1])
            if rest[2:]:
                self.put(*using[rest[2]])


def aligned(symbol: int) -> bool:
    """Whether the low bits of its distance have codes in an aligned block."""
    return symbol >= 256 and SLOT[symbol - 256 >> 3][1] >= 3


def changes(before: Sequence[int], after: Sequence[int]) -> Iterator[list[int]]:
    """Symbol of the tree; of a run also value and count of the bits that follow, and the symbol that is repeated."""
    at = 0
    while at < len(after):
        run = 1
        while at + run < len(after) and after[at + run] == after[at]:
            run += 1
        if after[at] == 0 and run >= 4:
            run = min(run, 51)
            yield [18, run - 20, 5] if run >= 20 else [17, run - 4, 4]
        elif run >= 4:
            run = min(run, 5)
            yield [19, run - 4, 1, (before[at] - after[at]) % 17]
        else:
            run = 1
            yield [(before[at] - after[at]) % 17]
        at += run


def absolute(plain: bytes, size: int) -> bytes:
    """Calls of x86 with absolute targets, as they are packed."""
    out = bytearray(plain)
    for start in range(0, len(plain), FRAME):
        frame_end = min(start + FRAME, len(plain))
        at = start
        while at < frame_end - 10:
            if plain[at] != 0xE8:
                at += 1
                continue
            target = int.from_bytes(plain[at + 1 : at + 5], "little", signed=True)
            if -at <= target < size:
                target += at if target < size - at else -size
                out[at + 1 : at + 5] = (target & 0xFFFFFFFF).to_bytes(4, "little")
            at += 5
    return bytes(out)
