"""Private keys that OpenSSH keeps shielded in memory (sshkey.c, ``sshkey_shield_private``, OpenSSH 8.1 and later).

A shielded key is AES-256-CTR ciphertext; key and counter are the first 48 bytes of SHA-512 over a *prekey* of 16 KiB
of random bytes. ``struct sshkey`` ends in four words: pointer to the ciphertext, its length, pointer to the prekey,
0x4000. The parts lie wherever malloc put them, so this matcher only gives clues; :mod:`dumpscan.prove.openssh` opens
them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from dumpscan.matchers.base import Hit, View
from dumpscan.model import Clue

PREKEY_SIZE = 16384
"""``SSHKEY_SHIELD_PREKEY_LEN``, bytes."""
SHIELDED_LIMIT = 1 << 16
"""Longest ciphertext taken for real, bytes; RSA-16384 has less than 10,000."""

_SIZES = (PREKEY_SIZE, PREKEY_SIZE + 0x11, PREKEY_SIZE + 0x15)
"""The length in ``struct sshkey``; glibc's chunk header before the prekey, in the main and in another arena."""


class OpensshShield:
    """Clues ``sshkey-prekey`` (value: the 16,384 bytes; note: their address, big-endian u64, if known) and
    ``sshkey-shielded`` (note: three big-endian u64, address and size of the ciphertext and address of the prekey).

    64-bit programs only.
    """

    name = "openssh-shield"
    reach = PREKEY_SIZE + 64

    def __init__(self, byte_order: str = "little") -> None:
        self._word = struct.Struct(">Q" if byte_order == "big" else "<Q")
        self.anchors: Sequence[bytes] = tuple(map(self._word.pack, _SIZES))

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Clue]:
        if view.pointer_size != 8:
            return
        for size, start in hits:
            if (start + view.phase) % 8 == 0:
                clue = _structure(view, start, self._word) if size == 0 else _prekey(view, start + 8)
                if clue:
                    yield clue


def _structure(view: View, at: int, word: struct.Struct) -> Clue | None:
    start = at - 24
    if start < 0:
        return None
    shielded, size, prekey = (word.unpack_from(view.data, start + i)[0] for i in (0, 8, 16))
    if size % 16 or not 16 < size <= SHIELDED_LIMIT or not (_pointer(shielded) and _pointer(prekey)):
        return None
    note = struct.pack(">3Q", shielded, size, prekey)
    return Clue("sshkey-shielded", b"", start, at + 8, "struct sshkey", note)


def _pointer(value: int) -> bool:
    """A user-space address from malloc: 47 or 48 bits, aligned."""
    return 0x10000 <= value < 1 << 48 and value % 8 == 0


def _prekey(view: View, at: int) -> Clue | None:
    """16 KiB in which, as in any random 16 KiB, every byte value occurs; the head is judged first, for speed."""
    if len(set(view.data[at : at + 256])) < 100:
        return None
    value = bytes(view.data[at : at + PREKEY_SIZE])
    if len(value) < PREKEY_SIZE or len(set(value)) != 256:
        return None
    note = b"" if view.address is None else struct.pack(">Q", (view.address + at) % (1 << 64))
    return Clue("sshkey-prekey", value, at, at + PREKEY_SIZE, "raw", note)
