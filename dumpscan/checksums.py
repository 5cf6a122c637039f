"""Checksums that credential formats carry: CRC-32 in base62, Marvin32, Base58Check, Bech32."""

from __future__ import annotations

import hashlib
import zlib

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CISCO_TYPE7 = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
"""The published key of Cisco's type 7 cipher."""
_MASK = 0xFFFFFFFF


def base62(number: int, width: int) -> str:
    """``number`` in base 62 (digits, upper case, lower case), most significant digit first."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits.rjust(width, "0")


def crc32_base62(data: bytes) -> str:
    """CRC-32 in six base62 characters: the end of a GitHub or npm token."""
    return base62(zlib.crc32(data), 6)


def crc32_hex(data: bytes) -> str:
    """CRC-32 in eight lower-case hex characters, least significant byte first: the end of a Grafana token."""
    return zlib.crc32(data).to_bytes(4, "little").hex()


def crc32_base36(data: bytes) -> str:
    """CRC-32 in seven base36 characters: the end of a routable GitLab token."""
    return base36(zlib.crc32(data), 7)


def base36(number: int, width: int) -> str:
    """``number`` in base 36 (digits, lower case), most significant digit first."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(width, "0")


def marvin32(data: bytes, seed: int) -> int:
    """Marvin32, its two halves folded into 32 bits, as Microsoft's identifiable keys use it.

    The algorithm is that of SymCrypt, ``lib/marvin32.c``; its test vectors are in our tests.
    """
    low, high = marvin32_halves(data, seed)
    return low ^ high


def marvin32_halves(data: bytes, seed: int) -> tuple[int, int]:
    """Marvin32 as (low, high) 32-bit words."""
    low, high = seed & _MASK, seed >> 32 & _MASK
    whole = len(data) & ~3
    padded = data[:whole] + data[whole:] + b"\x80" + bytes(3 - (len(data) & 3))
    for position in range(0, len(padded), 4):
        low = low + int.from_bytes(padded[position : position + 4], "little") & _MASK
        low, high = _marvin_block(low, high)
    return _marvin_block(low, high)


def _marvin_block(low: int, high: int) -> tuple[int, int]:
    high ^= low
    low = _rotate(low, 20) + high & _MASK
    high = _rotate(high, 9) ^ low
    low = _rotate(low, 27) + high & _MASK
    return low, _rotate(high, 19)


def _rotate(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & _MASK


def seed_of(name: str) -> int:
    """The Marvin32 seed that belongs to a kind of key, from its eight-character name."""
    return int.from_bytes(name.encode("ascii"), "big")


def base58check(text: str) -> bytes | None:
    """The payload of Base58Check text; ``None`` if the checksum does not hold."""
    number = 0
    for char in text:
        digit = BASE58.find(char)
        if digit < 0:
            return None
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(raw) < 5 or hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] != raw[-4:]:
        return None
    return raw[:-4]


def base58check_encode(payload: bytes) -> str:
    """Base58Check of ``payload``."""
    raw = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number = int.from_bytes(raw, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def _bech32_polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check


def _bech32_prefix(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def bech32(text: str) -> bool:
    """Whether the checksum of Bech32 text (BIP 173) holds."""
    text = text.lower()
    prefix, separator, data = text.rpartition("1")
    if not separator or not prefix or any(c not in BECH32 for c in data):
        return False
    return _bech32_polymod(_bech32_prefix(prefix) + [BECH32.index(c) for c in data]) == 1


def bech32_encode(prefix: str, values: list[int]) -> str:
    """Bech32 of five-bit ``values``."""
    check = _bech32_polymod([*_bech32_prefix(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    tail = [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(BECH32[v] for v in [*values, *tail])
