"""Symmetric keys that are read through pointers."""

from __future__ import annotations

import random

from dumpscan.model import Clue
from dumpscan.prove.symmetric import MAX_POINTERS, prove

KEY = random.Random(3).randbytes(32)


def clue(address: int, size: int = 32, kind: str = "aes-key") -> Clue:
    return Clue("key-pointer", address.to_bytes(8, "big"), 0, 60, kind, bytes([size]))


def read(address: int, size: int) -> bytes:
    """32 random bytes at 0x1000, then zeros; nothing else is there."""
    return (KEY + bytes(64))[address - 0x1000 :][:size] if 0x1000 <= address < 0x1060 else b""


def test_what_pointers_lead_to() -> None:
    limits: list[str] = []
    clues = [clue(0x1000), clue(0x1000), clue(0x1020), clue(0x1050), clue(0x9000), clue(0x1000, 24, "symmetric-key")]
    found = prove(clues, (), read, limits)
    assert [(key.kind, key.components[0].value, key.spans) for key in found] == [
        ("aes-key", KEY, ()),
        ("symmetric-key", KEY[:24], ()),
    ]
    assert limits == []


def test_more_pointers_than_are_followed() -> None:
    limits: list[str] = []
    assert prove([clue(0x100000 + i) for i in range(MAX_POINTERS + 1)], (), read, limits) == []
    assert limits == ["more key objects than the limit of one dump"]
