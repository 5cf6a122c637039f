"""Zips by hand, packed by methods that the standard library does not pack by, and zips by 7-Zip."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import inflate64
import zstandard

from tests.makers.programs import need, run

METHODS = {"Deflate": 8, "Deflate64": 9, "BZip2": 12, "LZMA": 14, "zstd": 93, "xz": 95, "PPMd": 98}
_DATE = 0x5022  # 2020-01-02


def packed(data: bytes, method: str) -> bytes:
    """``data`` as it stands in a zip."""
    if method == "Deflate64":
        deflater = inflate64.Deflater()
        return bytes(deflater.deflate(data) + deflater.flush())
    if method == "BZip2":
        return bz2.compress(data)
    if method == "LZMA":
        filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}]
        return struct.pack("<2BHBI", 9, 4, 5, 93, 1 << 16) + lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
    if method == "zstd":
        return zstandard.ZstdCompressor().compress(data)
    if method == "xz":
        return lzma.compress(data)
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def written(method: str, members: Mapping[str, tuple[bytes, bytes]]) -> bytes:
    """A zip of members given as plain and packed bytes, whatever these are."""
    body = rows = b""
    flags = 2 if method == "LZMA" else 0
    for name, (plain, data) in members.items():
        facts = struct.pack(
            "<5H3I2H",
            63,
            flags,
            METHODS[method],
            0,
            _DATE,
            zlib.crc32(plain),
            len(data),
            len(plain),
            len(name),
            0,
        )
        rows += b"PK\1\2" + struct.pack("<H", 63) + facts + struct.pack("<3H2I", 0, 0, 0, 0, len(body))
        rows += name.encode()
        body += b"PK\3\4" + facts + name.encode() + data
    end = struct.pack("<4H2IH", 0, 0, len(members), len(members), len(rows), len(body), 0)
    return body + rows + b"PK\5\6" + end


def by_hand(method: str, members: Mapping[str, bytes]) -> bytes:
    """A zip of these members."""
    return written(method, {name: (data, packed(data, method)) for name, data in members.items()})


def by_7zip(method: str, root: Path, path: Path) -> Path:
    """The folder ``root`` in a zip by 7-Zip, packed by ``method``."""
    need("7zz")
    done = run("7zz", "a", "-tzip", f"-mm={method}", path, ".", cwd=root)
    assert done.returncode == 0, done.stdout
    return path


def unpacked_by_7zip(path: Path, target: Path) -> dict[str, bytes]:
    """The members of an archive, by 7-Zip, which checks them."""
    need("7zz")
    done = run("7zz", "x", "-y", f"-o{target}", path)
    assert done.returncode == 0, done.stdout
    return {str(p.relative_to(target)): p.read_bytes() for p in sorted(target.rglob("*")) if p.is_file()}


def endless() -> bytes:
    """Deflate64 that gives 18,000 times its length: one byte, then matches of 65,538 bytes, and no end."""
    literal, match = "1" + "10" + "00110000", "11000101" + "1" * 16 + "00000"
    bits = literal + match * (1 << 14)
    return int(bits[: len(bits) & ~7][::-1], 2).to_bytes(len(bits) // 8, "little")
