"""The block function, against RFC 8439."""

from __future__ import annotations

from dumpscan.chacha20 import CONSTANT, block

STATE = CONSTANT + bytes(range(32)) + bytes.fromhex("01000000 00000009 0000004a 00000000")
BLOCK = bytes.fromhex(
    "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
    "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
)


def test_vector_of_the_standard() -> None:
    assert block(STATE) == BLOCK  # section 2.3.2


def test_an_earlier_block() -> None:
    assert block(STATE[:48] + b"\x04" + STATE[49:], 3) == BLOCK
    assert block(STATE[:48] + bytes(4) + STATE[52:], 1) == block(STATE[:48] + b"\xff" * 4 + STATE[52:])
