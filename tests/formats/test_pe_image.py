"""Addresses to offsets and back, and addresses as module, section, offset."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.formats.memory_map import AddressMap
from dumpscan.formats.minidump import Minidump
from dumpscan.formats.pe_image import MOST_HEADERS, Images
from dumpscan.model import Layout, Module, Region
from tests.makers.minidump import MinidumpMaker
from tests.makers.source import BytesSource

BASE = 0x7FF6_1000_0000


def pe_headers(*sections: tuple[bytes, int, int]) -> bytes:
    """Headers of a 64-bit DLL with sections (name, relative address, size)."""
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0x1000, 0x1000, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", BASE, 0x1000, 0x200, 6, 0, 0, 0, 6, 0, 0, 0x9000, 0x400, 0, 3, 0)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16) + bytes(128)
    coff = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, len(optional), 0x2022)
    table = b"".join(
        struct.pack("<8sIIIIIIHHI", name, size, start, size, 0x400, 0, 0, 0, 0, 0x40000040)
        for name, start, size in sections
    )
    return (dos + b"PE\0\0" + coff + optional + table).ljust(0x400, b"\0")


HEADERS = pe_headers((b".text", 0x1000, 0x1800), (b".rdata", 0x3000, 0x800), (b".da\x1bta", 0x4000, 0x10))


def images_of(head: bytes, name: str = "C:\\Windows\\System32\\it.dll") -> Images:
    maker = MinidumpMaker().system(9).modules((BASE, 0x9000, name)).memory((BASE, head))
    source = BytesSource(maker.build())
    return Images(source, Minidump().layout(source))


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        (0x3123, "it.dll, section .rdata, +0x3123"),
        (0x1000, "it.dll, section .text, +0x1000"),
        (0x27FF, "it.dll, section .text, +0x27ff"),
        (0x2800, "it.dll, +0x2800"),
        (0x4001, "it.dll, section .da?ta, +0x4001"),
        (0, "it.dll, +0x0"),
        (0x8FFF, "it.dll, +0x8fff"),
        (0x9000, None),
        (-1, None),
    ],
)
def test_the_offset_counts_from_the_module(relative: int, expected: str | None) -> None:
    assert images_of(HEADERS).describe(BASE + relative) == expected


def test_a_module_that_is_not_pe() -> None:
    images = images_of(b"\x7fELF" + bytes(60), "/usr/lib/libssl.so.3")
    assert images.describe(BASE + 0x1234) == "libssl.so.3, +0x1234"


def test_names_are_made_printable() -> None:
    assert images_of(b"", "/tmp/a\x1b[2Jb").describe(BASE) == "a?[2Jb, +0x0"


def test_headers_are_read_once_and_not_without_need() -> None:
    source = BytesSource(MinidumpMaker().modules((BASE, 1 << 30, "big.dll")).memory((BASE, HEADERS * 200)).build())
    images = Images(source, Minidump().layout(source))
    before = source.bytes_read
    assert images.describe(BASE - 1) is None
    assert source.bytes_read == before
    for at in range(0, 0x4000, 0x100):
        images.describe(BASE + at)
    assert source.bytes_read - before == MOST_HEADERS


@settings(max_examples=150, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, 0x3F0), st.integers(0, 2**32 - 1)), max_size=8), keep=st.integers(0, 1024)
)
def test_hostile_headers_never_raise(edits: list[tuple[int, int]], keep: int) -> None:
    head = bytearray(HEADERS)
    for position, value in edits:
        struct.pack_into("<I", head, position, value)
    text = images_of(bytes(head[:keep])).describe(BASE + 0x3123)
    assert text is not None
    assert text.startswith("it.dll, ")


# ---------------------------------------------------------------- the map of addresses


def layout(*regions: Region) -> Layout:
    return Layout("test", regions)


def memory(offset: int, size: int, address: int) -> Region:
    return Region(offset, size, address=address, kind="memory")


def test_reads_across_regions_that_adjoin_in_address_only() -> None:
    source = BytesSource(b"..worldhello ..")
    known = AddressMap(layout(Region(0, 2), memory(2, 5, 0x106), memory(7, 6, 0x100), Region(13, 2)))
    assert known.read(source, 0x100, 100) == b"hello world"
    assert known.read(source, 0x104, 4) == b"o wo"
    assert known.read(source, 0xFF, 4) == b""
    assert known.read(source, 0x100, 0) == b""


def test_offsets_and_regions() -> None:
    regions = Region(0, 2), memory(2, 5, 0x106), memory(7, 6, 0x100)
    known = AddressMap(layout(*regions))
    assert [known.offset_of(a) for a in (0xFF, 0x100, 0x105, 0x106, 0x10A, 0x10B)] == [None, 7, 12, 2, 6, None]
    assert [known.region_at(o) for o in (0, 1, 2, 12, 13)] == [regions[0], regions[0], regions[1], regions[2], None]


def test_the_first_of_two_regions_at_one_address_is_taken() -> None:
    known = AddressMap(layout(memory(0, 4, 0x102), memory(4, 8, 0x100)))
    assert known.read(BytesSource(b"abcd01234567"), 0x100, 8) == b"01abcd67"


def test_nothing_but_memory_has_addresses() -> None:
    known = AddressMap(layout(Region(0, 4, address=0x100, kind="notes"), Region(4, 4, kind="memory")))
    assert known.offset_of(0x100) is None
    assert AddressMap(layout()).region_at(0) is None


def test_modules_may_overlap() -> None:
    modules = (Module("outer", 0x100, 0x900), Module("inner", 0x200, 0x300))
    images = Images(BytesSource(b""), Layout("test", (), modules=modules))
    assert images.describe(0x250) == "inner, +0x50"
