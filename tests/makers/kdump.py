"""kdump-compressed dumps and the flattened format. Shares nothing with the reader: numbers are makedumpfile's."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from importlib import import_module

import zstandard

BLOCK = 4096
NONE, ZLIB, LZO, SNAPPY, ZSTD = 0, 1, 2, 4, 0x20


def packer(flag: int) -> Callable[[bytes], bytes]:
    """The compression of a flag; ImportError where its library is missing."""
    if flag == ZLIB:
        return zlib.compress
    if flag == ZSTD:
        return lambda data: bytes(zstandard.compress(data))
    if flag == SNAPPY:
        snappy = import_module("cramjam").snappy
        return lambda data: bytes(snappy.compress_raw(data))
    if flag == LZO:
        lzo = import_module("lzallright").LZOCompressor()
        return lambda data: bytes(lzo.compress(data))
    return bytes


def vmcoreinfo_note(text: bytes) -> bytes:
    """The ELF note of VMCOREINFO."""
    name = b"VMCOREINFO\0\0"
    return struct.pack("<3I", 11, len(text), 0) + name + text + bytes(-len(text) % 4)


def kdump(
    pages: dict[int, bytes],
    flag: int = ZLIB,
    vmcoreinfo: bytes = b"OSRELEASE=6.1.0\nPAGESIZE=4096\n",
    *,
    order: str = "<",
    wide: bool = True,
    share: bool = True,
    machine: bytes = b"x86_64",
    version: int = 6,
) -> bytes:
    """A dump of ``pages`` by frame; equal pages share one stored page, as makedumpfile does for zeros."""
    frames = max(pages) + 1
    half = -(-frames // (8 * BLOCK))
    note = vmcoreinfo_note(vmcoreinfo)
    note_at = BLOCK + 512
    head = bytearray(BLOCK)
    head[:8] = b"KDUMP   "
    struct.pack_into(order + "i", head, 8, version)
    for index, text in enumerate((b"Linux", b"guest", b"6.1.0", b"#1 SMP", machine, b"(none)")):
        head[12 + 65 * index : 12 + 65 * index + len(text)] = text
    at = 424 if wide else 412
    struct.pack_into(order + "IiiII", head, at, flag, BLOCK, 1, 2 * half, frames)
    struct.pack_into(order + "I", head, at + 36, 1)
    sub = bytearray(BLOCK)
    info_at = note_at + 12 + 12
    if wide:
        values = (0, 0, 0, 0, 0, info_at, len(vmcoreinfo), note_at, len(note), 0, 0, 0, 0, frames)
        struct.pack_into(order + "Q2i11Q", sub, 0, *values)
    else:
        values = (0, 0, 0, 0, 0, info_at, len(vmcoreinfo), note_at, len(note), 0, 0, 0, 0, frames)
        struct.pack_into(order + "I2i2IQIQIQI3Q", sub, 0, *values)
    sub[512 : 512 + len(note)] = note
    bits = bytearray(half * BLOCK)
    for frame in pages:
        bits[frame // 8] |= 1 << frame % 8
    start = 2 * BLOCK + 2 * len(bits) + 24 * len(pages)
    pack = packer(flag)
    table, body, known = b"", b"", dict[bytes, bytes]()
    for frame in sorted(pages):
        page = pages[frame]
        if page not in known or not share:
            data, flags = pack(page), flag
            if flag == NONE or len(data) >= BLOCK:
                data, flags = page, NONE
            known[page] = struct.pack(order + "QIIQ", start + len(body), len(data), flags, 0)
            body += data
        table += known[page]
    return bytes(head + sub + bits + bits) + table + body


def flattened(data: bytes, piece: int = 10_000) -> bytes:
    """``data`` in pieces, the header written first as zeros and again at the end, as makedumpfile does."""
    out = b"makedumpfile".ljust(16, b"\0") + struct.pack(">2q", 1, 1)
    out = out.ljust(4096, b"\0")
    pieces = [
        (0, bytes(4096)),
        *((at, data[at : at + piece]) for at in range(4096, len(data), piece)),
        (0, data[:4096]),
    ]
    out += b"".join(struct.pack(">2q", at, len(part)) + part for at, part in pieces)
    return out + struct.pack(">2q", -1, -1)
