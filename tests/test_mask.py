"""What may be shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.mask import mask, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain /usr/bin/ssh", "plain /usr/bin/ssh"),
        ("é漢 ß", "é漢 ß"),
        ("\x1b[2J\r\n\t\0", r"\x1b[2J\x0d\x0a\x09\x00"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\u202eexe.txt\u2069\u200f", r"\u202eexe.txt\u2069\u200f"),
        ("\udc80\ud800", r"\udc80\ud800"),
        ("\u2028\ufeff\u200b\xad", r"\u2028\ufeff\u200b\xad"),
        ("\U000e0041\ue000", r"\U000e0041\ue000"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_printable_is_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in shown)
    assert printable(shown) == shown
    assert len(shown.splitlines()) <= 1
    shown.encode()


def test_mask() -> None:
    assert mask("ghp_", 40) == "ghp_… (40 characters)"
    assert mask("", 1) == "… (1 character)"
    assert mask("\x1b", 2) == "\\x1b… (2 characters)"
