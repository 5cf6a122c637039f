"""Text of a window at several widths."""

from __future__ import annotations

import pytest

from dumpscan.matchers.base import View
from dumpscan.matchers.jwk import JWK
from dumpscan.matchers.lanes import PART, Lanes
from dumpscan.model import Span
from dumpscan.windows import MARGIN
from tests.makers.match import candidates

SIZE = 2 * PART + 3 * MARGIN


def view(data: bytes) -> View:
    return View(memoryview(data), (Span(0, len(data)),))


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("start", [0, 5, PART - 3, PART - 1, PART, PART + 2, 2 * PART + 7, SIZE - 81])
def test_a_lane_reaches_as_far_as_a_matcher_may_look(width: int, start: int) -> None:
    word = b"in the middle of the"
    data = bytearray(b"." * SIZE)
    data[start : start + len(word) * width] = b"".join(bytes([char]) + bytes(width - 1) for char in word)
    lane, at = Lanes(view(bytes(data))).at(start, width)
    assert lane.text[at : at + len(word)] == word
    assert lane.span(at, at + len(word)) == Span(start, start + width * len(word))
    assert lane.base <= max(start - MARGIN, width)
    assert lane.span(0, len(lane.text)).end > min(start + MARGIN, SIZE) - width


def test_lanes_are_made_once() -> None:
    lanes = Lanes(view(b"abcd" * PART))
    assert lanes.at(8, 2)[0] is lanes.at(PART - 2, 2)[0]
    assert lanes.at(8, 2)[0] is not lanes.at(9, 2)[0]
    assert lanes.at(8, 2)[0] is not lanes.at(PART, 2)[0]


def test_an_object_across_two_parts_is_one() -> None:
    key = (
        b'{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}'
    )
    for before in range(0, len(key), 7):
        data = b"\0" * (PART - before) + key + b"\0" * 100 + b'"kty"'
        (found,) = candidates(JWK, data)
        assert found.spans[0].start >= PART - before
