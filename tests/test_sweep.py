"""Every encoding of a known secret is found, and every residue; public and common values are left alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import random
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan import kernel, sweep
from dumpscan.encodings import encodings, least_part, sweepable
from dumpscan.model import Component, Span
from dumpscan.sweep import MOST_SHARED, Sweeper, needles_for

P = os.urandom(128)
TOKEN = b"tok_" + base64.urlsafe_b64encode(os.urandom(27))


def places(components: list[Component], data: bytes) -> list[tuple[Span, bool, str]]:
    needles = needles_for([components])
    found, capped = Sweeper(needles).places(memoryview(data), [Span(0, len(data))])
    assert not capped
    return [(place.span, place.whole, needles.items[place.needle].encoded.name) for place in found]


def covered(components: list[Component], data: bytes) -> set[int]:
    return {i for span, _, _ in places(components, data) for i in range(span.start, span.end)}


def int_forms(value: bytes) -> dict[str, bytes]:
    number = int.from_bytes(value, "big")
    words = [value[i : i + 4] for i in range(0, len(value), 4)]
    thirty = []
    while number:
        thirty.append(number & (1 << 30) - 1)
        number >>= 30
    number = int.from_bytes(value, "big")
    sixty = [number >> 60 * i & (1 << 60) - 1 for i in range(-(-number.bit_length() // 60))]
    sixty_three = [number >> 63 * i & (1 << 63) - 1 for i in range(-(-number.bit_length() // 63))]
    twenty_eight = [number >> 28 * i & (1 << 28) - 1 for i in range(-(-number.bit_length() // 28))]
    return {
        "big-endian": value,
        "little-endian": value[::-1],
        "java": b"".join(word[::-1] for word in words),
        "cpython": struct.pack(f"<{len(thirty)}I", *thirty),
        "libtommath 60": struct.pack(f"<{len(sixty)}Q", *sixty),
        "go 1.20": struct.pack(f"<{len(sixty_three)}Q", *sixty_three),
        "libtommath 28": struct.pack(f"<{len(twenty_eight)}I", *twenty_eight),
        "hex": value.hex().encode(),
        "HEX": value.hex().upper().encode(),
        "hex utf-16": value.hex().encode("utf-16-le"),
    }


@pytest.mark.parametrize("form", int_forms(P))
@settings(deadline=None, max_examples=15)
@given(lead=st.binary(max_size=40), tail=st.binary(max_size=40))
def test_whole_integers_in_every_form(form: str, lead: bytes, tail: bytes) -> None:
    encoded = int_forms(P)[form]
    found = covered([Component("p", P, "integer")], lead + encoded + tail)
    assert set(range(len(lead), len(lead) + len(encoded))) <= found


@pytest.mark.parametrize("form", ["big-endian", "little-endian", "java"])
@settings(deadline=None, max_examples=40)
@given(start=st.integers(0, 112), lead=st.integers(0, 20))
def test_any_sixteen_bytes_are_a_residue(form: str, start: int, lead: int) -> None:
    piece = int_forms(P)[form][start : start + 16]
    data = os.urandom(lead) + piece + os.urandom(30)
    assert set(range(lead, lead + 16)) <= covered([Component("p", P, "integer")], data)


def signed_limbs(number: int, bits: int, count: int) -> bytes:
    """long[] of Java's IntegerPolynomial: the digits nearest to zero."""
    limbs = []
    for _ in range(count - 1):
        limbs.append((number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1))
        number = (number - limbs[-1]) // (1 << bits)
    return struct.pack(f"<{count}q", *limbs, number)


@pytest.mark.parametrize(("size", "bits", "count"), [(32, 26, 10), (48, 28, 14), (66, 28, 19)])
@pytest.mark.parametrize("form", ["integer", "scalar"])
def test_limbs_of_java(size: int, bits: int, count: int, form: str) -> None:
    """Whole, and any three limbs or more."""
    source = random.Random(size)
    for _ in range(20):
        number = source.getrandbits(521 if size == 66 else 8 * size)
        component = Component("d", number.to_bytes(size, "big" if form == "integer" else "little"), form)
        limbs = signed_limbs(number, bits, count)
        assert set(range(8 * count)) == covered([component], limbs + bytes(8))
        first = source.randrange(count - 3)
        piece = limbs[8 * first : 8 * first + 24]
        data = source.randbytes(40) + piece + source.randbytes(40)
        assert set(range(40, 64)) <= covered([component], data)
        assert not covered([component], source.randbytes(40) + piece[:16] + source.randbytes(40))


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("form", ["text", "octets"])
def test_the_key_of_an_hmac_as_it_is_hashed(form: str, digest: str) -> None:
    """Computed by its definition, so that the pads are those of RFC 2104."""
    key = TOKEN if form == "text" else P[:32]
    block = hashlib.new(digest).block_size
    inner, outer = (bytes(octet ^ pad for octet in key.ljust(block, b"\0")) for pad in (0x36, 0x5C))
    tag = hashlib.new(digest, outer + hashlib.new(digest, inner + b"message").digest()).digest()
    assert tag == hmac.digest(key, b"message", digest)
    for pads in (inner + bytes(7) + outer, inner[8:24] + bytes(40) + outer[5:21]):
        held = b"\0\1\2\3" + pads + b"\4"
        spans = [span for span, _, name in places([Component("value", key, form)], held) if name.startswith("hmac")]
        assert [held[span.start : span.end] for span in spans] == [
            part[: len(key)] for part in ((inner, outer) if pads.startswith(inner) else (inner[8:24], outer[5:21]))
        ]


def printed(value: bytes) -> dict[str, str]:
    """What programs print of octets, spelled out once more."""
    lines = [value.hex(":")[at : at + 45] for at in range(0, 3 * len(value), 45)]
    return {
        "openssl -text": "\n    ".join(lines),
        "Node.js": f"<Buffer {value.hex(' ')}>",
        "Node.js, JSON": json.dumps({"type": "Buffer", "data": list(value)}, separators=(",", ":")),
        "Python": f"key = {value!r}",
        "Python, a list": str(list(value)),
        "Go": str(list(value)).replace(",", ""),
        "Java": str([octet - 256 if octet > 127 else octet for octet in value]),
        "C": ", ".join(f"0x{octet:02x}" for octet in value),
        "a dump": value.hex(" ").upper(),
    }


@pytest.mark.parametrize("form", printed(P))
@pytest.mark.parametrize("kind", ["octets", "integer"])
def test_octets_as_they_are_printed(kind: str, form: str) -> None:
    value = P[:32]
    text = b"\0\0INFO " + printed(value)[form].encode() + b" ...\0\0"
    found = covered([Component("d", value, kind)], text)
    left = bytes(0x2A if at in found else octet for at, octet in enumerate(text)).decode()
    rest = left.partition("INFO")[2].rpartition("...")[0]
    numbers = re.findall(r"\b[0-9a-fA-F]{2}\b|-?\b\d+\b|\\x", rest)
    assert len(numbers) < (8 if "openssl" in form else 1)  # the last line has two of 15


@pytest.mark.parametrize("bits", [256, 1024, 16384])
def test_an_integer_in_decimal(bits: int) -> None:
    value = random.Random(bits).randbytes(bits // 8)
    number, text = int.from_bytes(value, "big"), ""
    while number:  # str refuses more than 4300 digits
        number, digit = divmod(number, 10)
        text = str(digit) + text
    assert covered([Component("d", value, "integer")], f"d={text};".encode()) == set(range(2, 2 + len(text)))
    piece = text[20:59]
    assert len(covered([Component("d", value, "integer")], f"d={piece};".encode())) == 39


def test_a_key_longer_than_a_block_has_no_pads() -> None:
    assert not [e for e in encodings(Component("value", os.urandom(145))) if e.name.startswith("hmac")]


@pytest.mark.parametrize("form", ["utf-8", "utf-16-le", "utf-32-le", "hex", "base64"])
@pytest.mark.parametrize("size", [8, 9, 12, 13, 18, 24, 31, 32, 40])
def test_any_part_of_a_text_that_tells_is_a_residue(size: int, form: str) -> None:
    text = "mL7#qV2xWz9!bNc4RtY6pQ8sK5@dGh3$jFu1%aEe"[:size]
    least = least_part(text.encode())
    assert least == {8: 8, 9: 8, 12: 8, 13: 8, 18: 9, 24: 12, 31: 16}.get(size, 16)
    written = {
        "hex": (text.encode().hex().encode(), 2 * least),
        "base64": (base64.b64encode(text.encode())[: size * 8 // 6], -(-least * 8 // 6)),
    }
    data, length = written.get(form) or (text.encode(form), len(text[:least].encode(form)))
    for start in range(0, len(data) - length + 1, length // least):
        piece = data[start : start + length]
        found = covered([Component("value", text.encode(), "text")], b"\0\0\0\0" + piece + b"\0\0\0\0")
        assert set(range(4, 4 + len(piece))) <= found


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-32-le"])
def test_pieces_beside_a_residue_of_a_password(charset: str) -> None:
    """As a stack has them where a password was hashed (seen in Apache's, of apr1)."""
    text = "mL7#qV2xWz9bNc4RtY"
    parts = [text[4:].encode(charset), text[:6].encode(charset), text[14:].encode(charset), text[6:10].encode(charset)]
    junk = b"\xed\x45\x2f\x54\x7e\x22\x01\xa8"
    data = junk.join([text[8:13].encode(charset), bytes(64), *parts, bytes(64), text[:5].encode(charset)])
    found = covered([Component("value", text.encode(), "text")], data)
    left = bytes(0x2A if at in found else octet for at, octet in enumerate(data))
    assert [part in left for part in parts] == [False, False, False, charset == "utf-32-le"]
    assert left.startswith(text[8:13].encode(charset)) and left.endswith(text[:5].encode(charset))  # far from it


def test_a_part_of_random_letters_is_a_residue() -> None:
    """As a PostgreSQL backend has it: its allocator's zero stands for one character of the password."""
    text = "L36gaMKnbKGIyWjL"
    data = b"user=ru2 password=L36g\0MKnbKGIyWjL\0" + bytes(64) + b"L36gaMKnbK"
    found = covered([Component("value", text.encode(), "text")], data)
    left = bytes(0x2A if at in found else octet for at, octet in enumerate(data))
    assert left == b"user=ru2 password=****\0***********\0" + bytes(64) + b"*" * 10


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("postgres-password1", 12),  # "postgres-" is in every file of settings
        ("correct horse battery", 12),
        ("correct horse battery staple", 14),
        ("troub4dor&3", 10),  # eight of it may be of two kinds of characters
        ("aaaaaaaaaaaaaaaaB1", 12),
        ("short", 5),
    ],
)
def test_a_part_that_anyone_may_write_is_no_residue(text: str, least: int) -> None:
    assert least_part(text.encode()) == least
    if least < len(text):
        data = b"\0\0\0\0" + text[: least - 1].encode() + b"\0\0\0\0"
        assert not covered([Component("value", text.encode(), "text")], data)


@settings(deadline=None, max_examples=40)
@given(lead=st.integers(0, 5), first=st.integers(0, 100), width=st.sampled_from([64, 76, 0]), crlf=st.booleans())
def test_residues_of_pem_across_line_breaks(lead: int, first: int, width: int, crlf: bool) -> None:
    text = base64.b64encode(os.urandom(lead) + P + os.urandom(5)).decode()
    newline = "\r\n" if crlf else "\n"
    lines = [text[i : i + width] for i in range(0, len(text), width)] if width else [text]
    whole = newline.join(lines).encode()
    low = min(first, len(whole) - 40)
    piece = whole[low : low + 40]
    inside = covered([Component("p", P, "integer")], b"\0\0" + piece + b"\0\0")
    begin = -(-lead * 8 // 6)
    end = (lead + 128) * 8 // 6
    secret = [i for i, c in enumerate(whole) if chr(c) not in "\r\n"][begin:end]
    wanted = [i for i in secret if low <= i < low + 40]
    if len(wanted) >= 24:
        assert {i - low + 2 for i in wanted} <= inside


@pytest.mark.parametrize(
    "encode",
    [
        lambda t: t,
        lambda t: t.decode().encode("utf-16-le"),
        lambda t: t.decode().encode("utf-16-be"),
        lambda t: t.decode().encode("utf-32-le"),
        base64.b64encode,
        lambda t: base64.b64encode(b"x" + t),
        lambda t: base64.b64encode(b"xy" + t),
        lambda t: base64.b64encode(t.decode().encode("utf-16-le")),
        lambda t: t.hex().encode(),
    ],
)
def test_tokens_in_every_encoding(encode: object) -> None:
    data = b"\0" * 5 + encode(TOKEN) + b"\0" * 7  # type: ignore[operator]
    assert places([Component("token", TOKEN, "text")], data)


def test_escaped_text() -> None:
    value = b'p"w\\d/ with+some "stuff"'
    component = Component("password", value, "text")
    assert places([component], b'{"x":"p\\"w\\\\d/ with+some \\"stuff\\""}')
    assert places([component], b"?x=p%22w%5Cd%2F%20with%2Bsome%20%22stuff%22&")


@pytest.mark.parametrize("value", [b"admin", b"password1", b"production", b"aaaaaaaaaaaaaaaa", b"secret"])
def test_common_values_are_not_swept(value: bytes) -> None:
    assert not sweepable(Component("password", value, "text"))


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-32-le"])
def test_a_short_value_is_found_behind_its_name(charset: str) -> None:
    component = Component("password", b"B_PASSWORD=ab12cd", "text", 11)
    assert sweepable(component)
    text = "x ab12cd DB_PASSWORD=ab12cd, B_PASSWORD=ab12ce"
    width = len("x".encode(charset))
    at = text.index("=ab") + 1
    assert covered([component], text.encode(charset)) == set(range(at * width, (at + 6) * width))
    assert not sweepable(Component("password", b"pwd=ab12cd", "text", 4))
    assert not sweepable(Component("password", b"P" * 26 + b"ab12cd", "text", 26))


@pytest.mark.parametrize("value", [b"hunter2-horse-battery", b"Xk9#qL2!", b"correcthorsebattery"])
def test_unusual_values_are_swept(value: bytes) -> None:
    assert sweepable(Component("password", value, "text"))


def tokens(count: int, header: bytes) -> list[bytes]:
    return [header + base64.urlsafe_b64encode(os.urandom(48)) for _ in range(count)]


@pytest.mark.parametrize(("count", "places"), [(MOST_SHARED, 5 * MOST_SHARED), (MOST_SHARED + 1, 0), (1000, 0)])
def test_what_many_tokens_share_is_a_residue_of_none(count: int, places: int) -> None:
    header = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    values = tokens(count, header)
    sweeper = Sweeper(needles_for([[Component("token", value, "text")] for value in values]))
    found, capped = sweeper.places(memoryview(header * 5), [Span(0, 5 * len(header))])
    assert (len(found), capped) == (places, False)
    some = values[:50]
    for content in (b" ".join(some), b" ".join(value[-40:] for value in some)):  # whole ones, and residues
        found, _ = sweeper.places(memoryview(content), [Span(0, len(content))])
        assert {match.start() for match in re.finditer(b" |$", content)} <= {place.span.end for place in found}


def test_secrets_that_do_not_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "most_literals", lambda: 1000)
    needles = needles_for([[Component("token", value, "text")] for value in tokens(100, b"")])
    swept = {needle.secret for needle in needles.items}
    assert 0 < len(swept) == 100 - needles.dropped < 100
    assert sum(len(needle.starts) for needle in needles.items) <= 1000


def test_a_password_that_many_secrets_hold_is_looked_for() -> None:
    password = b"Tr0ub4dor&3-horse"
    secrets = [
        [
            Component("url", b"amqp://user%d:%s@host%d" % (n, password, n), "text"),
            Component("password", password, "text"),
        ]
        for n in range(50)
    ]
    needles = needles_for(secrets)
    content = b"a copy: " + password
    found, _ = Sweeper(needles).places(memoryview(content), [Span(0, len(content))])
    assert len([place for place in found if place.whole]) == MOST_SHARED
    assert {place.span for place in found if place.whole} == {Span(8, 8 + len(password))}


def test_zeros_in_a_component_find_no_zeros() -> None:
    value = os.urandom(40) + bytes(60) + os.urandom(40)
    assert covered([Component("key", value)], bytes(4096)) == set()


def test_no_encoding_twice() -> None:
    data = [encoded.data for encoded in encodings(Component("p", P, "integer"), big_endian=True)]
    assert len(data) == len(set(data))


def test_secrets_stay_out_of_repr() -> None:
    needles = needles_for([[Component("token", TOKEN, "text")]])
    assert TOKEN.decode() not in repr(needles)
    assert TOKEN.decode() not in repr(Component("token", TOKEN, "text"))


def test_a_prekey_is_looked_for_as_a_whole() -> None:
    """What is hashed opens nothing where a part of it is lost, and thousands of an agent's keys are to fit."""
    prekey = random.Random(4).randbytes(1 << 14)
    component = Component("prekey", prekey, "whole")
    for lost in (0, 5, 16):
        for piece in (prekey[lost:], prekey[: len(prekey) - lost]):
            assert len(covered([component], bytes(9) + piece + bytes(9))) == len(piece)
    assert not covered([component], bytes(9) + prekey[:9000] + bytes(9))
    source = random.Random(5)
    keys = [
        [
            Component("seed", source.randbytes(32)),
            Component("ciphertext", source.randbytes(300), "raw"),
            Component("prekey", source.randbytes(1 << 14), "whole"),
        ]
        for _ in range(3000)
    ]
    if kernel.literals is not None:
        assert not needles_for(keys).dropped
