"""Text under its encodings: what an anchor looks like in each; from an encoded place to plain text and back."""

from __future__ import annotations

import binascii
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Form(StrEnum):
    """How an anchor stands in memory."""

    ASCII = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"
    HEX = "hex"
    BASE64 = "base64"
    BASE64_WIDE = "base64+utf-16"
    BASE64_BASE64 = "base64+base64"


BASE64, BASE64_WIDE, BASE64_BASE64 = Form.BASE64, Form.BASE64_WIDE, Form.BASE64_BASE64
LEAST_FOLLOWING = 6
"""Characters after an anchor by which :func:`text_follows` decides."""

_STABLE = 4
_STABLE_TWICE = 8
_HEX_RUN = re.compile(rb"[0-9A-Fa-f]*")
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]*")
_INNER = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
_SHORT = 5
"""Characters of base64 up to which a literal stands in many a path: ``docl`` of ``ghr_`` in those of javadoc."""

_TO_URL = bytes.maketrans(b"+/", b"-_")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Piece:
    """Plain text, and where it came from.

    Character ``i`` stands at ``base + unit * i`` of what encloses it; ``lead`` is the number of zero bytes before the
    character within its unit (big-endian UTF-16, UTF-32). ``unit`` 0 means base64, four characters for three. Text
    without its escapes has ``places``: the number each character has in the text with escapes, and the end's.
    """

    text: bytes = field(repr=False)
    base: int
    unit: int
    encoding: str
    lead: int = 0
    parent: Piece | None = field(default=None, repr=False)
    places: Sequence[int] | None = field(default=None, repr=False)

    def outer(self, start: int, end: int) -> tuple[int, int]:
        """The place, in the window, of characters ``[start, end)``."""
        if self.places:
            start, end = self.places[start], self.places[end]
        if self.unit:
            low, high = self.base + self.unit * start - self.lead, self.base + self.unit * end - self.lead
        else:
            low = self.base + start // 3 * 4 + start % 3
            high = self.base + (end - 1) // 3 * 4 + (end - 1) % 3 + 2
        return self.parent.outer(low, high) if self.parent else (low, high)


# ---------------------------------------------------------------- anchors


def cases(anchor: str) -> list[str]:
    """An anchor as people write it: as it is, in lower case, in upper case, capitalised, like a header."""
    capital = anchor[:1].upper() + anchor[1:].lower()
    return list(dict.fromkeys((anchor, anchor.lower(), anchor.upper(), capital, anchor.title())))


def encoded_anchors(anchors: Iterable[str], nocase: bool) -> Iterator[tuple[bytes, Form, int]]:
    """(literal, form, shift) of each anchor in each form; ``shift`` matters for base64 only.

    Twice encoded, names in any case are looked for as stated, in lower and in upper case only: literals cost speed.
    """
    for anchor in anchors:
        often = (anchor, anchor.lower(), anchor.upper()) if nocase else (anchor,)
        for text in cases(anchor) if nocase else [anchor]:
            yield from _plain_forms(text)
            yield from _encoded_forms(text, twice=text in often)


def _plain_forms(text: str) -> Iterator[tuple[bytes, Form, int]]:
    yield text.encode("ascii"), Form.ASCII, 0
    yield text.encode("utf-16-le")[:-1], Form.UTF16, 0
    yield text.encode("utf-32-le")[:-3], Form.UTF32, 0


def _encoded_forms(anchor: str, twice: bool) -> Iterator[tuple[bytes, Form, int]]:
    text, wide = anchor.encode("ascii"), anchor.encode("utf-16-le")[:-1]
    lower = binascii.hexlify(text)
    yield lower, Form.HEX, 0
    if lower != (upper := lower.upper()):
        yield upper, Form.HEX, 0
    for shift in range(3):
        once = _stable_base64(text, shift)
        if len(once) >= _STABLE:
            yield once, Form.BASE64, shift
            if twice and len(once) >= _STABLE_TWICE:
                for again in range(3):
                    yield _stable_base64(once, again), Form.BASE64_BASE64, again
        yield _stable_base64(wide, shift), Form.BASE64_WIDE, shift


def _stable_base64(text: bytes, shift: int) -> bytes:
    """The base64 characters that ``text`` alone decides when ``shift`` bytes (modulo 3) stand before it."""
    encoded = binascii.b2a_base64(bytes(shift) + text, newline=False)
    first = (0, 2, 3)[shift]
    return encoded[first : (shift + len(text)) * 8 // 6]


def followed(literal: bytes, anchor: str, shift: int) -> tuple[bytes, ...]:
    """The base64 ``literal`` of an anchor behind which there is printable text. A short one with its next character,
    which is one of a few, for some of its bits are the anchor's."""
    text = bytes(shift) + anchor.encode("ascii")
    if len(literal) > _SHORT or len(text) % 3 == 0:
        return (literal,)
    at = len(text) * 8 // 6
    behind = {binascii.b2a_base64(text + bytes([char]))[at : at + 1] for char in range(0x21, 0x7F)}
    behind |= {char.translate(_TO_URL) for char in behind}
    return tuple(literal + char for char in sorted(behind))


# ---------------------------------------------------------------- from memory to text


def merged(ranges: Iterable[tuple[int, int]], size: int, most: int) -> Iterator[tuple[int, int]]:
    """Join overlapping ``ranges`` of ``size`` bytes; what grows beyond ``most`` is cut, with overlap."""
    ordered = sorted(ranges)
    if not ordered:
        return
    low, high = ordered[0]
    for start, end in ordered:
        if start <= high and high - low < most:
            high = end if end > high else high
            continue
        yield max(0, low), min(size, high)
        low, high = start, end
    yield max(0, low), min(size, high)


def plain(data: memoryview, low: int, high: int, width: int, phase: int) -> Iterator[Piece]:
    """The text of ``[low, high)`` in units of ``width`` bytes whose characters stand at ``phase`` modulo ``width``."""
    if width == 1:
        yield Piece(bytes(data[low:high]), low, 1, "utf-8")
        return
    name = "utf-16" if width == 2 else "utf-32"
    low += (phase - low) % width
    raw = bytes(data[low : min(len(data), high + width)])
    little = _narrow(raw, width, 1)
    before = bytes(data[max(0, low - width + 1) : low]).rjust(width - 1, b"\1")
    big = _narrow(before + raw, width, 0)
    yield Piece(little, low, width, name + "le")
    if big[: len(little)] != little[: len(big)]:
        yield Piece(big, low, width, name + "be", width - 1)


_ESCAPE = re.compile(rb"%([2-7][0-9A-Fa-f])|\\u00([2-7][0-9A-Fa-f])|\\([/\"'nrt])")
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def unescaped(piece: Piece) -> Iterator[Piece]:
    """The text of a piece without its percent signs and backslashes (RFC 3986, RFC 8259); nothing if it has none."""
    text, places, last = bytearray(), array("I"), 0
    for match in _ESCAPE.finditer(piece.text):
        char = _CONTROLS.get(match[3], match[3]) or bytes.fromhex((match[1] or match[2]).decode("ascii"))
        text += piece.text[last : match.start()] + char
        places.extend(range(last, match.start() + 1))
        last = match.end()
    if last:
        text += piece.text[last:]
        places.extend(range(last, len(piece.text) + 1))
        yield replace(piece, text=bytes(text), places=places)


def _narrow(raw: bytes, width: int, after: int) -> bytes:
    """The characters of units of ``width`` bytes whose other bytes are zero; a zero for every other unit."""
    count = len(raw) // width
    raw = raw[: count * width]
    chars = bytearray(raw[0::width] if after else raw[width - 1 :: width])
    others = range(1, width) if after else range(width - 1)
    for other in others:
        column = raw[other::width]
        if column.count(0) != count:
            for position, byte in enumerate(column):
                if byte:
                    chars[position] = 0
    return bytes(chars)


def narrowed(piece: Piece) -> Iterator[Piece]:
    """The UTF-16 text inside decoded bytes, at either alignment; nothing where there is none."""
    if piece.text.count(0) * 4 < len(piece.text):
        return
    for phase in (0, 1):
        text = _narrow(piece.text[phase:], 2, 1)
        if text.count(0) * 2 < len(text):
            yield Piece(text, phase, 2, piece.encoding + "+utf-16", parent=piece)


def decoded_run(data: memoryview, start: int, form: Form, shift: int, need: int) -> tuple[Piece | None, int]:
    """Decode the run of hex or base64 around ``start``, ``need`` characters to either side.

    Returns the text and the position up to which further hits are covered by it.
    """
    low, high, ended = _run_around(data, start, _HEX_RUN if form is Form.HEX else _BASE64_RUN, need)
    covered = high if ended else high - need // 2
    if form is Form.HEX:
        low += (start - low) % 2
        high -= (high - low) % 2
        return Piece(bytes.fromhex(bytes(data[low:high]).decode("ascii")), low, 2, "hex"), covered
    low += (start - (0, 2, 3)[shift] - low) % 4
    return _base64_piece(bytes(data[low:high]), low, None), covered


def text_follows(data: memoryview, start: int, shift: int, length: int) -> bool:
    """Whether the base64 around ``start``, where an anchor of ``length`` characters begins, may go on with text.

    The shortest anchors leave four characters of base64, which stand in many a path.
    """
    at = start - (0, 2, 3)[shift] + (shift + length) // 3 * 4
    some = bytes(data[at : at + 8])
    if len(some) < 8 or _BASE64_RUN.match(some).end() < 8:  # type: ignore[union-attr]
        return True
    return binascii.a2b_base64(some.translate(_TO_STANDARD))[(shift + length) % 3 :].isascii()


def _run_around(data: memoryview, start: int, run: re.Pattern[bytes], need: int) -> tuple[int, int, bool]:
    left = bytes(data[max(0, start - need) : start])[::-1]
    right = bytes(data[start : start + need])
    before, after = run.match(left), run.match(right)
    low = start - (before.end() if before else 0)
    high = start + (after.end() if after else 0)
    return low, high, high < start + need


def _base64_piece(text: bytes, base: int, parent: Piece | None) -> Piece | None:
    if len(text) % 4 == 1:
        text = text[:-1]
    try:
        decoded = binascii.a2b_base64(text.translate(_TO_STANDARD) + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None
    encoding = "base64" if parent is None else parent.encoding + "+base64"
    return Piece(decoded, base, 0, encoding, parent=parent)


def inner_runs(piece: Piece, depth: int = 2) -> Iterator[Piece]:
    """Base64 runs inside decoded text, decoded, and those inside them, ``depth`` deep."""
    for run in _INNER.finditer(piece.text):
        inner = _base64_piece(run[0], run.start(), piece)
        if inner is not None:
            yield inner
            if depth > 1:
                yield from inner_runs(inner, depth - 1)
