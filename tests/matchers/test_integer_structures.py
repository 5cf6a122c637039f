from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.integer_structures import MAX_CLUES
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.model import PublicKey, all_clues
from dumpscan.prove import ec, okp, rsa
from tests.makers.raw_keys import ENCODERS, rsa_numbers, view

BASE = 0x7F1200000000


def structure(library: str, pointer: int, size: int) -> bytes:
    limbs = size // 8
    return {
        "openssl": struct.pack("<QiiiI", pointer, limbs, limbs + 2, 0, 1),
        "gmp": struct.pack("<iiQ", limbs + 1, limbs, pointer),
        "libgcrypt": struct.pack("<iiiIQ", limbs + 2, limbs, 0, 0, pointer),
        "mbedtls-2": struct.pack("<iiQQ", 1, 0, limbs, pointer),
        "mbedtls-3": struct.pack("<QhHi", pointer, 1, limbs, 0),
        "libtommath": struct.pack("<iiiiQ", size // 8, size // 8 + 4, 0, 0, pointer),
        "nss": struct.pack("<IIQQ", 0, 0, pointer, size),
        "go": struct.pack("<QQQ", pointer, limbs, limbs + 4),
    }[library]


ENCODING = {"libtommath": "digits-60-le64", "nss": "octets"}


@pytest.mark.parametrize(
    "library", ["openssl", "gmp", "libgcrypt", "mbedtls-2", "mbedtls-3", "libtommath", "nss", "go"]
)
@pytest.mark.parametrize("names", [("p", "q"), ("d",)])
def test_numbers_behind_pointers_amid_random_data(library: str, names: tuple[str, ...]) -> None:
    """Nothing but the structure tells where the numbers begin."""
    key = rsa_numbers(2048)
    source = random.Random(7)
    memory, structures = source.randbytes(8192), bytes(128)
    for name in names:
        number = ENCODERS[ENCODING.get(library, "limbs-le")](getattr(key, name))
        structures += structure(library, BASE + len(memory), len(number)) + bytes(64)
        memory += number + bytes(-len(number) % 8) + source.randbytes(8192)
    data = memory + structures + bytes(-len(structures) % 8)

    def read(address: int, size: int) -> bytes:
        return data[address - BASE : address - BASE + size] if address >= BASE else b""

    found = list(all_clues(RAW_INTEGERS.match(view(data, BASE), ())))
    (candidate,) = rsa.prove(found, [PublicKey("rsa", (key.public_numbers.n, 65537))], read, [])
    assert candidate.confidence.label == "proven"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=700), st.integers(0, (1 << 64) - 1))
def test_total_on_anything(data: bytes, address: int) -> None:
    def read(place: int, size: int) -> bytes:
        return data[place % 97 :][:size]

    found = list(all_clues(RAW_INTEGERS.match(view(data * 3, address), ())))
    for prover in (rsa.prove, ec.prove, okp.prove):
        prover(found, [], read, [])


def test_strings_of_python_use_up_no_limit() -> None:
    """A str object: references, its type, its length, a hash; the type is the same for all, and lies elsewhere."""
    strings = b"".join(struct.pack("<QQQQ", 1, BASE + (1 << 30), 32, 0) for _ in range(MAX_CLUES + 8))
    found = list(all_clues(RAW_INTEGERS.match(view(strings, BASE), ())))
    assert [clue.kind for clue in found] == ["integer-pointer"]
    others = b"".join(struct.pack("<QQQQ", 1, BASE + (1 << 30) + 64 * i, 32, 0) for i in range(MAX_CLUES + 8))
    assert "limit" in {clue.kind for clue in all_clues(RAW_INTEGERS.match(view(others, BASE), ()))}


def test_a_table_of_strings_uses_up_no_limit() -> None:
    """An address, a length in bytes, a capacity; a number among them is still followed."""
    far = BASE + (1 << 30)
    strings = b"".join(struct.pack("<QQQ", far + 8 * i, 5, 5) for i in range(MAX_CLUES + 8))
    number = struct.pack("<QQQ", far + (1 << 20), 16, 16)
    found = list(all_clues(RAW_INTEGERS.match(view(strings[:6000] + number + strings[6000:], BASE), ())))
    assert "limit" not in {clue.kind for clue in found}
    assert far + (1 << 20) in {int.from_bytes(clue.value, "big") for clue in found}
