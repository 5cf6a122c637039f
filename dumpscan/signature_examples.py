"""Examples of credentials, made from templates: the repository holds the shape, never something that looks live.

A template is text with generators in angle brackets: ``ghp_<base62:30><crc32>``. The expansion is the same each time.
A literal ``<`` is written ``<lt>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping

from dumpscan.checksums import (
    BASE62,
    BECH32,
    CISCO_TYPE7,
    base36,
    base58check_encode,
    bech32_encode,
    crc32_base36,
    crc32_base62,
    crc32_hex,
    marvin32,
    seed_of,
)

_LOWER = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
ALPHABETS: Mapping[str, str] = {
    "base62": BASE62,
    "base64": BASE62 + "+/",
    "base64url": BASE62 + "-_",
    "token": BASE62 + "_",
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "digits": _DIGITS,
    "lower": _LOWER,
    "upper": _LOWER.upper(),
    "letters": _LOWER + _LOWER.upper(),
    "lownum": _LOWER + _DIGITS,
    "upnum": _LOWER.upper() + _DIGITS,
    "base32": _LOWER.upper() + "234567",
    "base32low": _LOWER + "234567",
}
"""Generator name -> alphabet of ``<name:length>``."""

_GENERATOR = re.compile(r"<(\w+)(?::([^<>]*))?>")


class _Stream:
    """Bytes that depend on nothing but the template."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def take(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(4, "big")).digest(size)

    def chars(self, alphabet: str, size: int) -> str:
        return "".join(alphabet[b % len(alphabet)] for b in self.take(2 * size)[::2])


def expand(template: str) -> str:
    """The credential that ``template`` describes. Raises ``ValueError`` for an unknown generator."""
    stream = _Stream(template)
    made: list[str] = []
    position = 0
    for match in _GENERATOR.finditer(template):
        made.append(template[position : match.start()])
        made.append(_generate(match[1], match[2] or "", stream, made))
        position = match.end()
    made.append(template[position:])
    return "".join(made)


def _generate(name: str, argument: str, stream: _Stream, made: list[str]) -> str:
    if name in ALPHABETS and argument.isdigit():
        return stream.chars(ALPHABETS[name], int(argument))
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](argument, stream, made)
    raise ValueError(f"unknown generator {name}")


def _crc32(argument: str, stream: _Stream, made: list[str]) -> str:
    """CRC-32, in base62, of what follows the last underscore before it."""
    return crc32_base62("".join(made).rpartition("_")[2].encode())


def _crc32_behind(argument: str, stream: _Stream, made: list[str]) -> str:
    """CRC-32, in base62, of what follows the first four characters."""
    return crc32_base62("".join(made)[4:].encode())


def _crc32_hex(argument: str, stream: _Stream, made: list[str]) -> str:
    """CRC-32, in hex, of all the text before it but a final underscore."""
    return crc32_hex("".join(made).rstrip("_").encode())


def _routable(argument: str, stream: _Stream, made: list[str]) -> str:
    """The payload of a routable GitLab token, and its CRC over the prefix too."""
    payload = base64.urlsafe_b64encode(stream.take(16) + b"c:1\no:1" + b"\x07").decode().rstrip("=")
    body = f"{payload}.01.{base36(len(payload), 2)}"
    return body + crc32_base36(("".join(made) + body).encode())


def _bytes64(argument: str, stream: _Stream, made: list[str]) -> str:
    return base64.b64encode(stream.take(int(argument))).decode()


def _basic(argument: str, stream: _Stream, made: list[str]) -> str:
    return base64.b64encode(f"deploy:{stream.chars(BASE62, 14)}".encode()).decode()


def _b64(argument: str, stream: _Stream, made: list[str]) -> str:
    """Base64, unpadded, of the argument followed by 30 random characters and what closes a JSON object."""
    text = argument + stream.chars(BASE62, 30)
    return base64.urlsafe_b64encode((text + '"}' if argument.startswith("{") else text).encode()).decode().rstrip("=")


def _snowflake(argument: str, stream: _Stream, made: list[str]) -> str:
    return base64.b64encode(("9" + stream.chars(_DIGITS, 17)).encode()).decode().rstrip("=")


def _azure(argument: str, stream: _Stream, made: list[str]) -> str:
    """``<azure:SIZE/SIGNATURE/SEED>``: a key of SIZE bytes with its signature and Marvin32."""
    size, signature, seed = argument.split(",")
    count = int(size)
    text = base64.b64encode(stream.take(count)).decode().rstrip("=").replace("+", "p").replace("/", "s")
    text = text[:-10] + signature + text[-6:]
    raw = base64.b64decode(text + "=" * (-len(text) % 4))[:-4]
    raw += marvin32(raw, seed_of(seed)).to_bytes(4, "little")
    return base64.b64encode(raw).decode()


def _cask(argument: str, stream: _Stream, made: list[str]) -> str:
    head = stream.chars(BASE62, 52) + "JQQJ99AEAC" + stream.chars(BASE62, 14)
    raw = base64.b64decode(head + argument)
    return head + argument + base64.b64encode(marvin32(raw, seed_of("Default0")).to_bytes(4, "little")[:3]).decode()


def _uuid4(argument: str, stream: _Stream, made: list[str]) -> str:
    return str(uuid.UUID(bytes=stream.take(16), version=4))


def _wif(argument: str, stream: _Stream, made: list[str]) -> str:
    return base58check_encode(b"\x80" + stream.take(32) + bytes.fromhex(argument))


def _xprv(argument: str, stream: _Stream, made: list[str]) -> str:
    head = bytes.fromhex(argument or "0488ade4") + b"\x03" + stream.take(8) + stream.take(32)
    return base58check_encode(head + b"\0" + stream.take(32))


def _bech32(argument: str, stream: _Stream, made: list[str]) -> str:
    values = [b % 32 for b in stream.take(51)] + [BECH32.index("s")]
    text = bech32_encode(argument, values)
    return text.upper() if argument.startswith("age") else text


def _edsk(argument: str, stream: _Stream, made: list[str]) -> str:
    return base58check_encode(bytes((13, 15, 58, 7)) + stream.take(32))


def _syt(argument: str, stream: _Stream, made: list[str]) -> str:
    body = f"syt_YWxpY2U_{stream.chars(ALPHABETS['letters'], 20)}"
    return f"{body}_{crc32_base62(body.encode()).swapcase()}"


def _cisco7(argument: str, stream: _Stream, made: list[str]) -> str:
    return "08" + bytes(a ^ b for a, b in zip(argument.encode(), CISCO_TYPE7[8:], strict=False)).hex().upper()


def _saslplain(argument: str, stream: _Stream, made: list[str]) -> str:
    return base64.b64encode(b"\0deploy\0" + stream.chars(BASE62, 14).encode()).decode()


def _elastic(argument: str, stream: _Stream, made: list[str]) -> str:
    text = f"{stream.chars(ALPHABETS['base64url'], 20)}:{stream.chars(ALPHABETS['base64url'], 22)}"
    return base64.b64encode(text.encode()).decode()


def _fernet(argument: str, stream: _Stream, made: list[str]) -> str:
    return base64.urlsafe_b64encode(stream.take(32)).decode()


def _nkey(argument: str, stream: _Stream, made: list[str]) -> str:
    kind = {"O": 14, "A": 0, "U": 20, "N": 13}[argument] << 3
    raw = bytes((0x90 | kind >> 5, (kind & 31) << 3)) + stream.take(32)
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def _jenkins(argument: str, stream: _Stream, made: list[str]) -> str:
    size = int(argument)
    head = b"\1" + (16).to_bytes(4, "big") + size.to_bytes(4, "big")
    return base64.b64encode(head + stream.take(16 + size)).decode()


def _kirbi(argument: str, stream: _Stream, made: list[str]) -> str:
    inner = bytes.fromhex("a003020105a103020116") + b"\xa2\x82\x01\x4e" + stream.take(334)
    return base64.b64encode(b"\x76\x82\x01\x5c\x30\x82\x01\x58" + inner).decode()


_PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
"""A test vector of BIP 39 itself."""


_FUNCTIONS: Mapping[str, Callable[[str, _Stream, list[str]], str]] = {
    "azure": _azure,
    "b64": _b64,
    "basic": _basic,
    "bech32": _bech32,
    "bip39": lambda argument, stream, made: _PHRASE,
    "bytes64": _bytes64,
    "cask": _cask,
    "cisco7": _cisco7,
    "crc32": _crc32,
    "crc32behind": _crc32_behind,
    "crc32hex": _crc32_hex,
    "edsk": _edsk,
    "elastic": _elastic,
    "fernet": _fernet,
    "jenkins": _jenkins,
    "kirbi": _kirbi,
    "lt": lambda argument, stream, made: "<",
    "nkey": _nkey,
    "routable": _routable,
    "saslplain": _saslplain,
    "snowflake": _snowflake,
    "syt": _syt,
    "uuid4": _uuid4,
    "wif": _wif,
    "xprv": _xprv,
}
