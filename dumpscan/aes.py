"""AES key expansion, both directions, on many keys at once (FIPS 197, section 5.2; equivalent inverse cipher: 5.3.5).

A word is four octets in the order of the standard; arrays of words are ``uint8`` of shape ``(..., 4)``. ``nk`` is the
length of a key in words (4, 6, 8); a schedule has ``4 * (nk + 7)`` words, four for each round key.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Octets = npt.NDArray[np.uint8]


def _xtime(value: int) -> int:
    """Multiply by x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    return (value << 1 ^ (0x11B if value & 0x80 else 0)) & 0xFF


def _sbox() -> bytes:
    """The S-box: the inverse in GF(2^8), walked along the powers of 3 and of 1/3, then the affine map."""
    box = bytearray(256)
    power = inverse = 1
    while True:
        power ^= _xtime(power)
        for shift in (1, 2, 4):
            inverse ^= inverse << shift & 0xFF
        inverse ^= 0x09 if inverse & 0x80 else 0
        rotated = inverse * 0x101
        box[power] = (inverse ^ rotated >> 7 ^ rotated >> 6 ^ rotated >> 5 ^ rotated >> 4 ^ 0x63) & 0xFF
        if power == 1:
            break
    box[0] = 0x63
    return bytes(box)


def _rcon() -> bytes:
    values = [0, 1]
    while len(values) < 11:
        values.append(_xtime(values[-1]))
    return bytes(values)


SBOX: Octets = np.frombuffer(_sbox(), np.uint8)
RCON = _rcon()
"""Round constants by number, 1 to 10; entry 0 is not used."""
_XTIME: Octets = np.array([_xtime(value) for value in range(256)], np.uint8)


def rounds(nk: int) -> int:
    """Number of rounds; a schedule has one round key more."""
    return nk + 6


def words(nk: int) -> int:
    """Number of words in a schedule."""
    return 4 * (nk + 7)


def rotated_sub(word: Octets) -> Octets:
    """SubWord(RotWord(word))."""
    return SBOX[np.roll(word, -1, axis=-1)]


def expand(keys: Octets) -> Octets:
    """Schedules ``(n, words, 4)`` of keys ``(n, nk, 4)``."""
    nk = keys.shape[1]
    out: Octets = np.empty((len(keys), words(nk), 4), np.uint8)
    out[:, :nk] = keys
    for i in range(nk, words(nk)):
        step = out[:, i - 1]
        if i % nk == 0:
            step = rotated_sub(step)
            step[:, 0] ^= RCON[i // nk]
        elif nk == 8 and i % nk == 4:
            step = SBOX[step]
        np.bitwise_xor(out[:, i - nk], step, out=out[:, i])
    return out


def rewind(stretch: Octets, index: int) -> Octets:
    """Keys ``(n, nk, 4)`` whose schedules hold the words ``stretch`` ``(n, nk, 4)`` from word ``index`` * nk on."""
    nk = stretch.shape[1]
    now = stretch.copy()
    for turn in range(index, 0, -1):
        for j in range(nk - 1, 0, -1):
            step = now[:, j - 1]
            now[:, j] ^= SBOX[step] if nk == 8 and j == 4 else step
        now[:, 0] ^= rotated_sub(now[:, nk - 1])
        now[:, 0, 0] ^= RCON[turn]
    return now


def mix_columns(word: Octets) -> Octets:
    """MixColumns of each word."""
    total: Octets = np.bitwise_xor.reduce(word, axis=-1, keepdims=True)
    mixed: Octets = word ^ total ^ _XTIME[word ^ np.roll(word, -1, axis=-1)]
    return mixed


def inverse_mix_columns(word: Octets) -> Octets:
    """InvMixColumns of each word."""
    halves = word ^ np.roll(word, 2, axis=-1)
    return mix_columns(word ^ _XTIME[_XTIME[halves]])


def order(nk: int, name: str) -> npt.NDArray[np.intp]:
    """Where word i of the schedule stands, in words from the start, for an order of round keys.

    ``forward``; ``reversed`` (decryption, last round key first); ``rotated`` (Java's decryption: round key 0 first,
    then the others from the last to the first).
    """
    index = np.arange(words(nk))
    turn, column = index // 4, index % 4
    if name == "reversed":
        turn = rounds(nk) - turn
    elif name == "rotated":
        turn = np.where(turn == 0, 0, rounds(nk) + 1 - turn)
    return 4 * turn + column


def stored(schedule: Octets, name: str = "forward", *, mixed: bool = False, swapped: bool = False) -> Octets:
    """Schedules ``(n, words, 4)`` as a program stores them.

    ``mixed``: InvMixColumns applied to all round keys but the first and the last (the equivalent inverse cipher);
    ``swapped``: the bytes of each word reversed (big-endian words held as integers of a little-endian machine).
    """
    out = np.empty_like(schedule)
    source = schedule.copy()
    if mixed:
        source[:, 4:-4] = inverse_mix_columns(source[:, 4:-4])
    out[:, order(schedule.shape[1] // 4 - 7, name)] = source
    return out[..., ::-1] if swapped else out


def restored(memory: Octets, name: str, *, mixed: bool, swapped: bool) -> Octets:
    """The inverse of :func:`stored`."""
    source = memory[..., ::-1] if swapped else memory
    out = source[:, order(memory.shape[1] // 4 - 7, name)]
    if mixed:
        out[:, 4:-4] = mix_columns(out[:, 4:-4])
    return out
