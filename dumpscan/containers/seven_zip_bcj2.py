"""BCJ2: the targets of calls and jumps of x86 programs, kept in streams of their own.

Four streams are put together: the program without the targets, the targets of calls, those of jumps, both big-endian
and absolute, and a range-coded bit for each opcode that says whether its target was taken out (``Bcj2.c`` of the LZMA
SDK).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dumpscan.decoders import CHUNK, Damage

_CALL, _JUMP = 0xE8, 0xE9
_OPCODE = re.compile(rb"[\xe8\xe9]|(?<=\x0f)[\x80-\x8f]")
_TOP = 1 << 24
_MODEL_BITS, _MOVE_BITS = 11, 5


def branches_put_back(
    size: int, program: Iterator[bytes], calls: Iterator[bytes], jumps: Iterator[bytes], bits: Iterator[bytes]
) -> Iterator[bytes]:
    """The program, of ``size`` bytes; raises :class:`Damage` where a stream is too short."""
    call_targets, jump_targets, coded = _Bytes(calls), _Bytes(jumps), _Bits(_Bytes(bits))
    out = bytearray()
    done, before = 0, 0  # bytes given, and the last byte of the program
    for data in program:
        at = 0
        while at < len(data) and done + len(out) < size:
            if not _is_branch(before, data[at]):
                found = _OPCODE.search(data, at + 1)
                end = found.start() if found else len(data)
                out += data[at:end]
                before, at = data[end - 1], end
                continue
            opcode = data[at]
            out.append(opcode)
            at += 1
            if done + len(out) < size and coded.next(_context(before, opcode)):
                target = int.from_bytes((call_targets if opcode == _CALL else jump_targets).take(4), "big")
                relative = (target - (done + len(out) + 4)) & 0xFFFFFFFF
                out += relative.to_bytes(4, "little")
            before = out[-1]
            if len(out) >= CHUNK:
                yield bytes(out)
                done += len(out)
                out.clear()
        if out:
            yield bytes(out[: size - done])
            done += len(out)
            out.clear()
    if done < size:
        raise Damage(f"is damaged: {size - done} bytes are missing where its packed data ends")


def _is_branch(before: int, byte: int) -> bool:
    return byte in (_CALL, _JUMP) or (before == 0x0F and byte & 0xF0 == 0x80)


def _context(before: int, opcode: int) -> int:
    return before if opcode == _CALL else 256 if opcode == _JUMP else 257


class _Bytes:
    """Pieces, taken a few bytes at a time."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._data, self._at = pieces, b"", 0

    def take(self, size: int) -> bytes:
        while len(self._data) - self._at < size:
            more = next(self._pieces, None)
            if more is None:
                raise Damage("is damaged: a stream of branch targets ends early")
            self._data, self._at = self._data[self._at :] + more, 0
        self._at += size
        return self._data[self._at - size : self._at]


class _Bits:
    """The range coder's bits, each in the context of the opcode it belongs to."""

    def __init__(self, data: _Bytes) -> None:
        self._data = data
        self._chances = [1 << (_MODEL_BITS - 1)] * 258
        self._range, self._code = 0xFFFFFFFF, -1

    def next(self, context: int) -> bool:
        if self._code < 0:
            self._code = int.from_bytes(self._data.take(5)[1:], "big")
        if self._range < _TOP:
            self._range <<= 8
            self._code = (self._code << 8 | self._data.take(1)[0]) & 0xFFFFFFFF
        chance = self._chances[context]
        bound = (self._range >> _MODEL_BITS) * chance
        if self._code < bound:
            self._range = bound
            self._chances[context] = chance + (((1 << _MODEL_BITS) - chance) >> _MOVE_BITS)
            return False
        self._range -= bound
        self._code -= bound
        self._chances[context] = chance - (chance >> _MOVE_BITS)
        return True
