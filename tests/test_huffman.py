"""HPACK's Huffman code, against the examples of RFC 7541."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.encodings import RESIDUE
from dumpscan.huffman import huffman_at_each_phase, least_octets
from dumpscan.model import Component, Span
from dumpscan.sweep import Sweeper, needles_for

EXAMPLES = {
    "www.example.com": "f1e3c2e5f23a6ba0ab90f4ff",
    "no-cache": "a8eb10649cbf",
    "custom-value": "25a849e95bb8e8b4bf",
    "302": "6402",
    "private": "aec3771a4b",
    "Mon, 21 Oct 2013 20:13:21 GMT": "d07abe941054d444a8200595040b8166e082a62d1bff",
    "https://www.example.com": "9d29ad171863c78f0b97c8e9ae82ae43d3",
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1": (
        "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
    ),
}
"""Appendices C.4 and C.6."""


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_standard(text: str) -> None:
    sent = bytes.fromhex(EXAMPLES[text])
    first = next(huffman_at_each_phase(text.encode()))
    assert sent[: len(first)] == first
    assert len(sent) - len(first) <= 1  # the last octet is filled up with ones


@settings(deadline=None)
@given(
    text=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=17, max_size=120), at=st.integers(0, 80)
)
def test_any_characters_fill_so_many_octets(text: str, at: int) -> None:
    some = text[at : at + RESIDUE].encode()
    if len(some) == RESIDUE:
        assert len(list(huffman_at_each_phase(some))[7]) >= least_octets(text.encode(), RESIDUE)


def sent(text: bytes) -> bytes:
    """``text`` as a header's value; a long code behind it stands for what fills the last octet."""
    return next(huffman_at_each_phase(text + b"\0"))


def left(value: bytes, data: bytes) -> list[tuple[bytes, bool, str]]:
    needles = needles_for([[Component("value", value, "text")]])
    found, _ = Sweeper(needles).places(memoryview(data), [Span(0, len(data))])
    return [(data[p.span.start : p.span.end], p.whole, needles.items[p.needle].encoded.name) for p in found]


TOKEN = b"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"
LONG = TOKEN * 20


@pytest.mark.parametrize("value", [TOKEN, LONG, b"hunter2-Horse"])
@pytest.mark.parametrize("lead", ["", "e", "ee", "eee", "eeee", "A", "Ae", "Aee", "Bearer ", "token="])
def test_a_value_at_each_bit_of_an_octet(value: bytes, lead: str) -> None:
    message = bytes(9) + sent(lead.encode() + value + b"; secure") + bytes(9)
    whole = [part for part, is_whole, name in left(value, message) if is_whole and name == "hpack"]
    assert any(len(part) >= least_octets(value, len(value)) for part in whole)


@pytest.mark.parametrize("start", [9, 10, 15, 20])
def test_a_piece_of_a_message(start: int) -> None:
    message = bytes(9) + sent(b"Bearer " + TOKEN)[start : start + least_octets(TOKEN, RESIDUE) + 1] + bytes(9)
    assert left(TOKEN, message)


@pytest.mark.parametrize("user", [b"", b"a", b"me", b"deploy"])
def test_basic_authentication(user: bytes) -> None:
    value = b"hunter2-Horse"
    message = bytes(9) + sent(b"Basic " + base64.b64encode(user + b":" + value)) + bytes(9)
    assert "hpack-base64" in {name for _, is_whole, name in left(value, message) if is_whole}


@pytest.mark.parametrize(("value", "sought"), [(b"a0c1e2i3", False), (b"Xk9#qL2!", True)])
def test_what_chance_could_write_is_not_looked_for(value: bytes, sought: bool) -> None:
    """Eight characters of five bits are five octets, of which a large dump has any by chance."""
    needles = needles_for([[Component("value", value, "text")]])
    assert any(needle.encoded.name == "hpack" for needle in needles.items) == sought
