"""A bounded, total reader of DER (and of the end of a BER value): memory is hostile, so nothing here raises.

Every function takes the whole buffer, a position and a ``limit`` past which nothing is read, and returns ``None`` where
no well-formed element stands. ITU-T X.690, clauses 8 and 10.
"""

from __future__ import annotations

from typing import NamedTuple

Buffer = bytes | memoryview

MAX_SIZE = 1 << 20
"""Longest content, in bytes, that is believed."""
MAX_NUMBER = 2049
"""Longest INTEGER content, in bytes: 16384 bits and a sign byte."""
MAX_DEPTH = 16
MAX_ELEMENTS = 512

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31


class Element(NamedTuple):
    """One element: the positions of its tag, of its content, and past its content."""

    tag: int
    start: int
    body: int
    end: int


def header(data: Buffer, pos: int, limit: int) -> Element | None:
    """The element whose tag stands at ``pos``; its claimed end may lie past ``limit`` (a truncated value)."""
    limit = min(limit, len(data))
    if pos < 0 or pos + 2 > limit:
        return None
    tag, first = data[pos], data[pos + 1]
    if tag & 0x1F == 0x1F or tag == 0:
        return None
    if first < 0x80:
        return Element(tag, pos, pos + 2, pos + 2 + first)
    body = pos + 2 + (first & 0x7F)
    if not 0x81 <= first <= 0x84 or body > limit:
        return None
    size = int.from_bytes(data[pos + 2 : body], "big")
    return Element(tag, pos, body, body + size) if size <= MAX_SIZE else None


def element(data: Buffer, pos: int, limit: int, tag: int | None = None) -> Element | None:
    """The complete element at ``pos``, of that ``tag`` if one is given."""
    found = header(data, pos, limit)
    if found is None or found.end > min(limit, len(data)) or (tag is not None and found.tag != tag):
        return None
    return found


def header_before(data: Buffer, body: int, limit: int, tag: int = SEQUENCE) -> Element | None:
    """The element of ``tag`` whose content starts at ``body``: one step out of a nested structure."""
    for size in (4, 3, 2):
        found = header(data, body - size, limit)
        if found is not None and found.tag == tag and found.body == body:
            return found
    return None


def children(data: Buffer, parent: Element, limit: int) -> list[Element] | None:
    """The elements inside ``parent``; ``None`` if they do not fill it exactly."""
    found: list[Element] = []
    pos = parent.body
    while pos < parent.end:
        child = element(data, pos, min(limit, parent.end))
        if child is None or len(found) >= MAX_ELEMENTS:
            return None
        found.append(child)
        pos = child.end
    return found


def content(data: Buffer, item: Element) -> bytes:
    """The content octets of a complete element."""
    return bytes(data[item.body : item.end])


def number(data: Buffer, item: Element | None) -> int | None:
    """The value of an INTEGER, read as unsigned: some writers forget the sign byte."""
    if item is None or item.tag != INTEGER or not 0 < item.end - item.body <= MAX_NUMBER or item.end > len(data):
        return None
    return int.from_bytes(data[item.body : item.end], "big")


def numbers(data: Buffer, pos: int, limit: int, most: int) -> tuple[list[int], int]:
    """Up to ``most`` consecutive INTEGERs from ``pos``, and the position past the last of them."""
    found: list[int] = []
    while len(found) < most:
        item = element(data, pos, limit, INTEGER)
        value = number(data, item)
        if item is None or value is None:
            break
        found.append(value)
        pos = item.end
    return found, pos


def oid(data: Buffer, item: Element | None) -> str | None:
    """An OBJECT IDENTIFIER in dotted form."""
    if item is None or item.tag != OID or not 0 < item.end - item.body <= 32 or item.end > len(data):
        return None
    arcs: list[int] = []
    value = 0
    octets = data[item.body : item.end]
    for octet in octets:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(value)
            value = 0
    if octets[-1] & 0x80:
        return None
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def ber_end(data: Buffer, pos: int, limit: int) -> int | None:
    """The position past the BER value at ``pos``, which may be of indefinite length (``30 80 … 00 00``).

    ``None`` if it does not end before ``limit``, nests deeper than ``MAX_DEPTH`` or has too many elements.
    """
    limit = min(limit, len(data))
    open_values = 0
    for _ in range(MAX_ELEMENTS):
        if pos < 0 or pos + 2 > limit:
            return None
        if open_values and data[pos] == 0 and data[pos + 1] == 0:
            open_values -= 1
            pos += 2
        elif data[pos] & 0x20 and data[pos + 1] == 0x80:
            open_values += 1
            pos += 2
        else:
            item = element(data, pos, limit)
            if item is None:
                return None
            pos = item.end
        if open_values == 0:
            return pos
        if open_values > MAX_DEPTH:
            return None
    return None
