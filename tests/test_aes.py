"""AES expansion against FIPS 197 and against a real cipher."""

from __future__ import annotations

import os

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dumpscan import aes


def encrypt_with(schedule: aes.Octets, block: bytes) -> bytes:
    """A plain AES on a ready schedule ``(words, 4)``."""
    turns = schedule.reshape(-1, 4, 4)
    state = np.frombuffer(block, np.uint8).reshape(4, 4) ^ turns[0]
    shift = np.array([[(column + row) % 4 for row in range(4)] for column in range(4)])
    for number, key in enumerate(turns[1:], 1):
        state = aes.SBOX[state][shift, np.arange(4)]
        state = (state if number == len(turns) - 1 else aes.mix_columns(state)) ^ key
    result: bytes = state.tobytes()
    return result


def keys(nk: int, count: int = 5) -> aes.Octets:
    return np.frombuffer(os.urandom(4 * nk * count), np.uint8).reshape(count, nk, 4)


def test_sbox_is_that_of_fips_197() -> None:
    assert bytes(aes.SBOX[[0x00, 0x01, 0x53, 0xFF]]) == bytes.fromhex("637ced16")
    assert sorted(aes.SBOX) == list(range(256))
    assert bytes.fromhex("0001020408102040801b36") == aes.RCON


def test_expansion_of_the_zero_key() -> None:
    last = aes.expand(np.zeros((1, 4, 4), np.uint8))[0, -4:]
    assert last.tobytes() == bytes.fromhex("b4ef5bcb3e92e21123e951cf6f8f188e")


@pytest.mark.parametrize("nk", [4, 6, 8])
def test_schedule_encrypts_like_openssl(nk: int) -> None:
    for schedule in aes.expand(keys(nk)):
        encryptor = Cipher(algorithms.AES(schedule[:nk].tobytes()), modes.ECB()).encryptor()
        assert encrypt_with(schedule, b"sixteen  octets!") == encryptor.update(b"sixteen  octets!")


@pytest.mark.parametrize("nk", [4, 6, 8])
def test_rewind_finds_the_key_from_any_stretch(nk: int) -> None:
    some = keys(nk)
    schedule = aes.expand(some)
    for index in range(aes.words(nk) // nk):
        assert np.array_equal(aes.rewind(schedule[:, index * nk : (index + 1) * nk], index), some)


def test_inverse_mix_columns() -> None:
    words = keys(4)
    assert np.array_equal(aes.mix_columns(aes.inverse_mix_columns(words)), words)
    assert aes.mix_columns(np.array([0xDB, 0x13, 0x53, 0x45], np.uint8)).tobytes().hex() == "8e4da1bc"


@pytest.mark.parametrize("nk", [4, 6, 8])
@pytest.mark.parametrize("name", ["forward", "reversed", "rotated"])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_restored_undoes_stored(nk: int, name: str, mixed: bool, swapped: bool) -> None:
    schedule = aes.expand(keys(nk))
    memory = aes.stored(schedule, name, mixed=mixed, swapped=swapped)
    assert np.array_equal(aes.restored(memory, name, mixed=mixed, swapped=swapped), schedule)
