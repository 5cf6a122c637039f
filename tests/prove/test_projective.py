from __future__ import annotations

import random
import struct

import pytest

from dumpscan.curves import EQUATIONS, montgomery_unit
from dumpscan.keys import point_of, public_identity
from dumpscan.matchers.integer_structures import _CURVES
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.model import Clue, PublicKey, all_clues
from dumpscan.prove import ec, projective
from dumpscan.prove.projective import projective_points
from tests.makers.raw_keys import view

BASE = 0x7F1200000000
NUMBERS = {curve: number for number, curve in _CURVES.items()}


class Memory:
    """Bytes from ``BASE`` on, to which what stands there is added."""

    def __init__(self) -> None:
        self.data = bytes(64)

    def add(self, content: bytes) -> int:
        address = BASE + len(self.data)
        self.data += content + bytes(-len(content) % 16) + bytes(16)
        return address

    def big_number(self, number: int) -> int:
        """A BIGNUM and its words."""
        words = (number.bit_length() + 63) // 64
        return self.add(struct.pack("<QiiiI", self.add(number.to_bytes(8 * words, "little")), words, words + 1, 0, 1))

    def point(self, curve: str, *coordinates: int) -> int:
        """An EC_POINT."""
        pointers = [self.big_number(number) for number in coordinates]
        return self.add(struct.pack("<QIIQQQiI", 0x7F1300001000, NUMBERS[curve], 0, *pointers, 0, 0))

    def read(self, address: int, size: int) -> bytes:
        return self.data[address - BASE : address - BASE + size] if address >= BASE else b""

    def clues(self) -> list[Clue]:
        return list(all_clues(RAW_INTEGERS.match(view(self.data + bytes(4096), BASE), ())))


def in_projective(curve: str, scalar: int, z: int) -> tuple[int, int, int]:
    x, y = point_of(curve, scalar) or (0, 0)
    p = EQUATIONS[curve].p
    return x * z * z % p, y * pow(z, 3, p) % p, z


@pytest.mark.parametrize("curve", list(NUMBERS))
@pytest.mark.parametrize("form", ["plain", "montgomery"])
def test_a_scalar_is_proven_by_a_point_in_projective_coordinates(curve: str, form: str) -> None:
    source = random.Random(curve)
    scalar, z = source.randrange(1 << 100, EQUATIONS[curve].order), source.randrange(2, EQUATIONS[curve].p)
    unit = pow(montgomery_unit(curve), -1, EQUATIONS[curve].p) if form == "montgomery" else 1
    memory = Memory()
    memory.point(curve, *(number * unit % EQUATIONS[curve].p for number in in_projective(curve, scalar, z)))
    memory.big_number(scalar)
    limits: list[str] = []
    (key,) = ec.prove(memory.clues(), [], memory.read, limits)
    assert key.kind == "ec-private-key"
    assert key.confidence.label == "proven"
    assert key.identity == public_identity(PublicKey("ec", point_of(curve, scalar) or (), curve=curve))
    assert not limits


def test_what_is_no_point_is_none() -> None:
    memory = Memory()
    x, y, z = in_projective("P-256", 5, 7)
    memory.point("P-256", x, y + 1, z)
    memory.point("P-256", x, y, 0)
    memory.point("P-384", x, y, z)
    memory.point("P-256", x, y, 1 << 700)
    found = [clue for clue in memory.clues() if clue.kind == "projective-point"]
    assert len(found) == 4
    assert list(projective_points(found, memory.read, [])) == []
    assert list(projective_points(found, lambda address, size: b"", [])) == []
    assert list(projective_points(found, lambda address, size: b"\xff" * size, [])) == []


def test_points_beyond_the_limit_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    for z in (3, 4, 5):
        memory.point("P-256", *in_projective("P-256", 9, z))
    monkeypatch.setattr(projective, "MAX_POINTS", 2)
    limits: list[str] = []
    clues = memory.clues()
    assert len(set(projective_points([*clues, *clues], memory.read, limits))) == 1
    assert limits == ["more projective points than the limit of one dump"]
