"""krb5's key objects lead to keys that stand elsewhere; the objects are made here, field by field."""

from __future__ import annotations

import struct

import pytest

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.krb5_keyblocks import KRB5_KEYBLOCKS
from dumpscan.model import Clue, Span

MAGIC = bytes.fromhex("03a70e97")
PLACE = 0x55D0C3A2B1A0


def clues(data: bytes, pointer: int = 8, byte_order: str = "little") -> list[Clue]:
    at = data.find(MAGIC)
    hits = [Hit(index, at) for index, anchor in enumerate(KRB5_KEYBLOCKS.anchors) if data.startswith(anchor, at)]
    view = View(memoryview(data), (Span(0, len(data)),), byte_order, pointer)
    return list(KRB5_KEYBLOCKS.match(view, hits))


@pytest.mark.parametrize(("kind", "size"), [(17, 16), (18, 32), (19, 16), (20, 32), (23, 16), (16, 24)])
def test_object(kind: int, size: int) -> None:
    head = b"before" + MAGIC + struct.pack("<II", kind, size)
    (clue,) = clues(head + struct.pack("<4xQ", PLACE))
    assert (clue.start, int.from_bytes(clue.value, "big"), clue.note) == (6, PLACE, bytes([size]))
    (clue,) = clues(head + struct.pack("<I", 0x8A2B1A0), pointer=4)
    assert int.from_bytes(clue.value, "big") == 0x8A2B1A0


@pytest.mark.parametrize(("kind", "size"), [(18, 16), (17, 32), (99, 32), (18, 0), (1, 8)])
def test_other_objects(kind: int, size: int) -> None:
    assert clues(MAGIC + struct.pack("<II4xQ", kind, size, PLACE)) == []


def test_no_key_is_pointed_to() -> None:
    assert clues(MAGIC + struct.pack("<II4xQ", 18, 32, 0)) == []
    assert clues(MAGIC + struct.pack("<II4xQ", 18, 32, PLACE)[:-1]) == []
    assert clues(MAGIC + struct.pack("<II4xQ", 18, 32, PLACE), byte_order="big") == []
