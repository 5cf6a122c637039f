"""BIP 39: the checksum of a recovery phrase, where the list of words is installed (the package ``mnemonic``)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def word_numbers() -> Mapping[str, int]:
    """The English words and their numbers; empty where no list is installed."""
    try:
        text = (files("mnemonic") / "wordlist" / "english.txt").read_text("utf-8")
    except (ImportError, OSError):
        return {}
    return {word: number for number, word in enumerate(text.split())}


def phrase_holds(words: Sequence[str]) -> bool | None:
    """Whether all ``words`` are of the list and the last bits are the entropy's checksum; ``None`` without the list."""
    numbers = word_numbers()
    if len(numbers) != 2048:
        return None
    if not all(word in numbers for word in words) or len(words) % 3:
        return False
    total = 0
    for word in words:
        total = total << 11 | numbers[word]
    size = len(words) // 3
    entropy = (total >> size).to_bytes(4 * size, "big")
    return hashlib.sha256(entropy).digest()[0] >> (8 - size) == total & ((1 << size) - 1)
