"""Every form in which a known secret may stand elsewhere in memory.

The forms are those measured in cores of real programs: see docs/decisions.md and the table in docs/libraries.md.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from urllib.parse import quote

from dumpscan.huffman import huffman_at_each_phase, least_octets
from dumpscan.model import Component

RESIDUE = 16
"""Bytes of a private value that must not survive."""

SHORTEST_LEAD = 6
"""Bytes of a name that tell a place of a value that is too short to be looked for."""

_LONG = 12
"""Bytes of a text from which on it need not mix kinds of characters."""

_CHANGES = 5
"""Changes between kinds of characters in a short text of two kinds that no words have: ``aMKnbKGIy``."""

_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")
_SIGNED = {32: (26, 10), 48: (28, 14), 57: (28, 16), 66: (28, 19)}
"""Bytes of a number -> bits and number of the limbs, 64 bits wide each, in which Java's IntegerPolynomial keeps it."""

SIGNED_LIMBS = ("limbs-26-le64", "limbs-28-le64")
_SIGNED_RESIDUE = 24
"""Bytes of such limbs that must not survive: three of them."""

_LONGEST_BLOCK = 144
"""Bytes that the hash functions of HMAC take at a time: 64 of SHA-256, 128 of SHA-512, 144 of SHA3-224."""

_LONGEST_BASIC = 64
"""Bytes of a password that is looked for in the header of Basic authentication, Huffman-coded."""

_SHORTEST_SENT = 6
"""Octets of a Huffman-coded text that chance does not write: a password of eight small letters has no more."""

_SHORTEST_PART_SENT = 8
"""Octets of a part of one: there are many parts."""

_LONGEST_LISTED = 66
"""Octets of a key that is looked for as a list of numbers: a scalar of P-521."""

_DECIMAL_RESIDUE = 39
"""Decimal digits that hold :data:`RESIDUE` bytes."""

_DIGITS_AT_ONCE = 4000

_LARGE = 4096
"""Components longer than this (ciphertexts) are swept as raw bytes only."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One component in one encoding.

    ``residue`` is the number of encoded bytes that hold :data:`RESIDUE` bytes of the secret (:func:`least_part` of
    a text), or all of ``data`` where only the whole counts. ``wraps`` says that line breaks may stand inside (base64
    in PEM). The first ``lead`` bytes belong to what is looked for, and not to the secret. ``pieces`` is the width in
    bytes of a character of a text so short that pieces of it tell something, and that a residue of it has to be
    :func:`is_telling`; 0 of any other.
    """

    name: str
    data: bytes = field(repr=False)
    residue: int
    wraps: bool = False
    lead: int = 0
    pieces: int = 0


def sweepable(component: Component) -> bool:
    """Whether a value is long and unusual enough to be looked for in the whole dump.

    Text: at least 8 bytes, 5 different ones, and below 12 bytes three of lower case, upper case, digits, others, or
    two that change often; so ``admin``, ``password1`` and ``production`` blank nothing but the place where they were
    found. Numbers and octets: at least 16 bytes, 8 different ones. What leads to a shorter text counts with it.
    """
    value = component.value
    if component.lead:
        return component.lead >= SHORTEST_LEAD and len(value) < 2 * RESIDUE
    if component.form != "text":
        return len(value) >= 16 and len(set(value)) >= 8
    return is_telling(value)


def is_telling(text: bytes) -> bool:
    """Whether a text, or a part of one, is not what anyone may write; see :func:`sweepable`."""
    if len(text) < 8 or len(set(text)) < 5:
        return False
    if len(text) >= _LONG:
        return True
    kinds = _kinds(text)
    return len(set(kinds)) >= 3 or sum(one != other for one, other in pairwise(kinds)) >= _CHANGES


def least_part(text: bytes) -> int:
    """The number of bytes of a text that must not survive: 16, of a text below 32 half of it, but 8 or more.

    More than half, up to 12, where so short a part would not be looked for if it were a text of its own; all of a text
    that has no more.
    """
    size = _half(text)
    while size < min(len(text), _LONG) and not all(
        is_telling(text[start : start + size]) for start in range(len(text) - size + 1)
    ):
        size += 1
    return min(size, len(text))


def _half(text: bytes) -> int:
    return max(8, min(RESIDUE, -(-len(text) // 2)))


def _kinds(text: bytes) -> list[int]:
    """Lower case, upper case, digit or other: of each character."""
    tests = (str.islower, str.isupper, str.isdigit)
    return [next((kind for kind, test in enumerate(tests) if test(char)), 3) for char in text.decode("latin-1")]


def encodings(component: Component, big_endian: bool = False) -> Iterator[Encoded]:
    """All encodings of ``component``, each different from the others; ``big_endian`` adds such a host's limbs."""
    makers = {
        "integer": _integer,
        "limbs": _words,
        "number": _number,
        "scalar": _scalar,
        "octets": _secret_octets,
        "raw": _raw,
        "whole": _whole,
        "text": _text,
    }
    if component.lead:
        yield from _led(component)
        return
    seen: set[bytes] = set()
    for encoded in makers[component.form](component.value, big_endian):
        if encoded.data not in seen:
            seen.add(encoded.data)
            yield encoded


def _led(component: Component) -> Iterator[Encoded]:
    """A text with what leads to it, as memory holds texts: only the whole counts."""
    text, lead = component.value.decode("utf-8"), component.value[: component.lead].decode("utf-8")
    for name, charset in (("utf-8", "utf-8"), ("utf-16", "utf-16-le"), ("utf-32", "utf-32-le")):
        data = text.encode(charset)
        yield Encoded(name, data, len(data), lead=len(lead.encode(charset)))


def _integer(value: bytes, big_endian: bool) -> Iterator[Encoded]:
    yield from _octets(value, big_endian)
    yield from _number(value, big_endian)
    yield from _signed_limbs(int.from_bytes(value, "big"), len(value))
    yield Encoded("decimal", _decimal(int.from_bytes(value, "big")).encode(), _DECIMAL_RESIDUE)
    yield from _listed(value)


def _decimal(number: int) -> str:
    """As ``str``, which refuses more than 4300 digits: RSA-16384 has more."""
    high, low = divmod(number, 10**_DIGITS_AT_ONCE)
    return f"{_decimal(high)}{low:0{_DIGITS_AT_ONCE}d}" if high else str(low)


def _number(value: bytes, big_endian: bool) -> Iterator[Encoded]:
    """As programs compute with it, not as they write it out."""
    number = int.from_bytes(value, "big")
    yield Encoded("octets", value, RESIDUE)
    yield from _words(value, big_endian)
    yield Encoded("words-msw-le64", _swap(_padded(value), 8), RESIDUE)
    yield Encoded("digits-30-le32", _digits(number, 30, 4), RESIDUE)  # CPython int
    yield Encoded("digits-28-le32", _digits(number, 28, 4), RESIDUE)  # libtommath, 32-bit digits
    yield Encoded("digits-60-le64", _digits(number, 60, 8), RESIDUE)  # libtommath, 64-bit digits


def _words(value: bytes, big_endian: bool) -> Iterator[Encoded]:
    """In the forms in which numbers of modular arithmetic were met."""
    padded = _padded(value)
    yield Encoded("words-msw-le32", _swap(padded, 4), RESIDUE)  # java.math.BigInteger.mag on a little-endian host
    yield Encoded("limbs-le", value[::-1], RESIDUE)
    if big_endian:
        yield Encoded("limbs-be32", _swap(padded[::-1], 4), RESIDUE)
        yield Encoded("limbs-be64", _swap(padded[::-1], 8), RESIDUE)
    yield Encoded("digits-63-le64", _digits(int.from_bytes(value, "big"), 63, 8), RESIDUE)  # bigmod of Go 1.20


def _padded(value: bytes) -> bytes:
    """In whole words of 64 bits."""
    return value.rjust(-(-len(value) // 8) * 8, b"\0")


def _scalar(value: bytes, big_endian: bool) -> Iterator[Encoded]:
    yield from _octets(value, big_endian)
    yield from _signed_limbs(int.from_bytes(value, "little"), len(value))


def _signed_limbs(number: int, size: int) -> Iterator[Encoded]:
    """What Java keeps of a scalar that it has signed with: digits below half of their base, from minus that on."""
    bits, count = _SIGNED.get(size, (0, 0))
    if not count:
        return
    half, limbs = 1 << bits - 1, b""
    for index in range(count):
        limb = (number + half) % (2 * half) - half if index < count - 1 else number
        limbs += limb.to_bytes(8, "little", signed=True)
        number = (number - limb) >> bits
    yield Encoded(f"limbs-{bits}-le64", limbs, _SIGNED_RESIDUE)


def _swap(data: bytes, width: int) -> bytes:
    return b"".join(data[i : i + width][::-1] for i in range(0, len(data), width))


def _digits(number: int, bits: int, width: int) -> bytes:
    mask = (1 << bits) - 1
    count = max(1, -(-number.bit_length() // bits))
    return b"".join((number >> bits * i & mask).to_bytes(width, "little") for i in range(count))


def _raw(value: bytes, _big_endian: bool) -> Iterator[Encoded]:
    yield Encoded("octets", value, min(RESIDUE, len(value)))


def _whole(value: bytes, _big_endian: bool) -> Iterator[Encoded]:
    yield Encoded("octets", value, max(len(value) - RESIDUE, 1))


def _octets(value: bytes, _big_endian: bool) -> Iterator[Encoded]:
    yield Encoded("octets", value, min(RESIDUE, len(value)))
    if len(value) > _LARGE:
        return
    padded = value.ljust(-(-len(value) // 4) * 4, b"\0")
    yield Encoded("words-swapped", _swap(padded, 4), min(RESIDUE, len(value)))
    for name, text in (("hex", value.hex()), ("hex", value.hex().upper())):
        yield from _wide(name, text, min(2 * RESIDUE, len(text)))
    yield from _base64(value, RESIDUE)


def _secret_octets(value: bytes, big_endian: bool) -> Iterator[Encoded]:
    yield from _octets(value, big_endian)
    yield from _hmac_pads(value)
    yield from _listed(value)


def _listed(value: bytes) -> Iterator[Encoded]:
    """Octets one by one, as programs print them in logs, in JSON and in tracebacks."""
    if len(value) > _LARGE:
        return
    lower, upper = [f"{octet:02x}" for octet in value], [f"{octet:02X}" for octet in value]
    forms = [("hex-colons", lower, ":", RESIDUE // 2)]  # OpenSSL's lines are of 15 octets
    if len(value) <= _LONGEST_LISTED:
        unsigned = [str(octet) for octet in value]
        forms += [
            ("hex-colons", upper, ":", RESIDUE // 2),
            ("hex-spaces", lower, " ", RESIDUE),  # Node.js: <Buffer 8a 1f ...>
            ("hex-spaces", upper, " ", RESIDUE),
            ("hex-0x", [f"0x{octet}" for octet in lower], ", ", RESIDUE),
            ("decimals", unsigned, ",", RESIDUE),  # JSON
            ("decimals", unsigned, ", ", RESIDUE),
            ("decimals", unsigned, " ", RESIDUE),  # Go
            ("decimals", [str((octet ^ 128) - 128) for octet in value], ", ", RESIDUE),  # Java
            ("escapes", [repr(bytes([octet]))[2:-1] for octet in value], "", RESIDUE),  # Python
        ]
    for name, parts, separator, least in forms:
        ends = [0, *accumulate(len(part) + len(separator) for part in parts)]
        residue = min((after - first for first, after in zip(ends, ends[least:], strict=False)), default=ends[-1])
        yield Encoded(name, separator.join(parts).encode(), residue - len(separator))


def _hmac_pads(value: bytes) -> Iterator[Encoded]:
    """A key of HMAC as it is hashed (RFC 2104), which Go's, Java's and Python's keep: whoever has one has the key.

    A key longer than a block is hashed first, and not given away.
    """
    if len(value) <= _LONGEST_BLOCK:
        for name, pad in (("hmac-ipad", 0x36), ("hmac-opad", 0x5C)):
            yield Encoded(name, bytes(octet ^ pad for octet in value), min(RESIDUE, len(value)))


def _text(value: bytes, _big_endian: bool) -> Iterator[Encoded]:
    part = least_part(value)
    short, half = part < RESIDUE, min(_half(value), len(value))
    yield Encoded("utf-8", value, half, pieces=1 * short)
    yield from _hmac_pads(value)
    if len(value) > _LARGE * 4:
        return
    text = value.decode("utf-8", "surrogateescape")
    wide = text.encode("utf-16-le", "surrogatepass")
    yield Encoded("utf-16", wide, 2 * half, pieces=2 * short)
    yield Encoded("utf-32", text.encode("utf-32-le", "surrogatepass"), 4 * half, pieces=4 * short)
    escaped = json.dumps(text)[1:-1]
    for name, other in (
        ("json", escaped),
        ("json", _ESCAPE.sub(lambda match: "\\u" + match[1].upper(), escaped)),  # as V8 writes it
        ("url", quote(value, safe="")),
        ("url", quote(value, safe="~()*!.'")),
        ("hex", value.hex()),
        ("hex", value.hex().upper()),
    ):
        yield from _wide(name, other, len(other) if part == len(value) else min(2 * part, len(other)))
    yield from _base64(value, part)
    yield from _base64(wide, 2 * part, "-of-utf-16")
    yield from _huffman(value, part)


def _huffman(value: bytes, part: int) -> Iterator[Encoded]:
    """As HTTP/2 and HTTP/3 send it, in a header of its own or in that of Basic authentication."""
    characters = max(part, min(len(value) // 8, 4 * RESIDUE))  # a long one would take most of the probes
    sent = [("hpack", value, characters)]
    if len(value) <= _LONGEST_BASIC:
        sent += (("hpack-base64", e.data, e.residue) for e in _base64(value, part) if e.name == "base64")
    for name, text, least in sent:
        residue = max(least_octets(text, least), _SHORTEST_PART_SENT)
        for data in huffman_at_each_phase(text):
            if len(data) >= _SHORTEST_SENT:
                yield Encoded(name, data, residue if part < len(value) else len(data))


def _wide(name: str, text: str, residue: int, wraps: bool = False) -> Iterator[Encoded]:
    yield Encoded(name, text.encode(), residue, wraps)
    yield Encoded(f"{name}-utf-16", text.encode("utf-16-le"), 2 * residue)


def _base64(value: bytes, residue: int, suffix: str = "") -> Iterator[Encoded]:
    """base64 and base64url of ``value`` standing 0, 1 or 2 bytes into a group of three."""
    for lead in range(3):
        encoded = base64.b64encode(bytes(lead) + value).decode()
        first = -(-lead * 8 // 6)  # characters that also hold bits of what stands before
        last = (lead + len(value)) * 8 // 6
        chars = min(-(-residue * 8 // 6), last - first)
        if last - first < 8:
            continue
        text = encoded[first:last]
        yield from _wide(f"base64{suffix}", text, chars, wraps=True)
        url = text.translate(_URL_SAFE)
        if url != text:
            yield from _wide(f"base64url{suffix}", url, chars)


_URL_SAFE = str.maketrans("+/", "-_")
