"""Images of physical memory: LiME, AVML, VMware. Shares nothing with the readers."""

from __future__ import annotations

import struct
from importlib import import_module


def lime(*ranges: tuple[int, bytes]) -> bytes:
    """Ranges of (first address, bytes)."""
    return b"".join(
        struct.pack("<IIQQQ", 0x4C694D45, 1, start, start + len(data) - 1, 0) + data for start, data in ranges
    )


def _tag(name: str, data: bytes, *indices: int, padding: int | None = None) -> bytes:
    size = len(data) if padding is None else 62
    head = bytes([len(indices) << 6 | size, len(name)]) + name.encode() + struct.pack(f"<{len(indices)}I", *indices)
    if padding is None:
        return head + data
    return head + struct.pack("<QQH", len(data), len(data), padding) + bytes(padding) + data


def vmss(memory: bytes | None, regions: list[tuple[int, int, int]], cr3: int = 0) -> tuple[bytes, int]:
    """A suspended state with (page number in the file, page number of the machine, pages); and where memory begins."""
    cpu = _tag("CR64", struct.pack("<Q", cr3), 0, 3) + _tag("rip", bytes(range(8)), 0) if cr3 else b""
    values = _tag("regionsCount", struct.pack("<I", len(regions)))
    for index, (place, frame, pages) in enumerate(regions):
        values += _tag("regionPageNum", struct.pack("<I", place), index)
        values += _tag("regionPPN", struct.pack("<I", frame), index)
        values += _tag("regionSize", struct.pack("<I", pages), index)
    head = 12 + 2 * 80
    first = cpu + b"\0\0"
    second = values + (b"" if memory is None else _tag("Memory", memory, 0, 0, padding=37)) + b"\0\0"
    table = struct.pack("<64sQQ64sQQ", b"cpu", head, 0, b"memory", head + len(first), 0)
    data = struct.pack("<III", 0xBED2BED2, 8, 2) + table + first + second
    return data, len(data) - 2 - len(memory or b"")


def avml(*ranges: tuple[int, bytes]) -> bytes:
    """Compressed ranges of (first address, bytes)."""
    snappy = import_module("cramjam").snappy
    out = b""
    for start, data in ranges:
        stream = bytes(snappy.compress(data))
        out += struct.pack("<IIQQQ", 0x4C4D5641, 2, start, start + len(data) - 1, 0)
        out += stream + struct.pack("<Q", len(stream))
    return out
