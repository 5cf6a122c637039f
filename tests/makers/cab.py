"""Cabinets made by hand, whole and lying, and by gcab."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.makers import lzx
from tests.makers.programs import need, run

BLOCK = 32768
Plan = Sequence[tuple[int, int]]
LZX_PLAN: Plan = [(lzx.VERBATIM, 5000), (lzx.ALIGNED, 40_001), (lzx.UNCOMPRESSED, 333), (lzx.ALIGNED, 1 << 20)]
"""Kinds and sizes of blocks."""


def words(data: bytes) -> int:
    """The exclusive or of words of four bytes, one after the other."""
    value = 0
    for at in range(0, len(data) - 3, 4):
        value ^= struct.unpack_from("<I", data, at)[0]
    rest = len(data) % 4
    for i in range(rest):
        value ^= data[len(data) - rest + i] << 8 * (rest - 1 - i)
    return value


def blocks(data: bytes, method: int = 1, reserve: bytes = b"", plan: Plan = LZX_PLAN, calls: int = 0) -> list[bytes]:
    """The blocks of a folder with their headers; of LZX by ``plan``, with calls translated for a file of ``calls``."""
    out, before = [], b""
    frames = lzx.Encoder(data, method >> 8, plan, calls).pack() if method >> 8 in lzx.SLOTS else []
    for at in range(0, len(data), BLOCK):
        plain = packed = data[at : at + BLOCK]
        if method == 1:
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=before)
            packed = b"CK" + deflate.compress(plain) + deflate.flush()
        elif frames:
            packed = frames[at // BLOCK]
        before = plain
        sizes = struct.pack("<HH", len(packed), len(plain))
        out.append(struct.pack("<I", words(packed) ^ words(sizes)) + sizes + reserve + packed)
    return out


def cabinet(
    folders: Sequence[Mapping[str, bytes]],
    method: int = 1,
    *,
    rows: Sequence[tuple[int, int, int, bytes]] | None = None,
    reserved: bool = False,
    flags: int = 0,
    tail: bytes = b"",
    plan: Plan = LZX_PLAN,
    calls: int = 0,
) -> bytes:
    """A cabinet. ``rows`` are the files as it lists them (size, offset, folder, name), else as they are."""
    reserve = b"RR" if reserved else b""
    data = [blocks(b"".join(folder.values()), method, reserve, plan, calls) for folder in folders]
    if rows is None:
        rows = []
        for number, folder in enumerate(folders):
            at = 0
            for name, content in folder.items():
                rows.append((len(content), at, number, name.encode()))
                at += len(content)
    listed = b""
    for i, (size, at, home, label) in enumerate(rows):
        attributes = 0x20 if label.isascii() else 0xA0
        listed += struct.pack("<IIHHHH", size, at, home, 0x5A21 + i, 0x6000 + i, attributes) + label + b"\0"
    middle = struct.pack("<HBB", 6, 2, 2) + bytes(6) if reserved else b""
    middle += b"other.cab\0disk\0" * ((flags & 1) + (flags >> 1 & 1))
    start = 36 + len(middle) + (10 if reserved else 8) * len(folders)
    plans, at = b"", start + len(listed)
    for parts in data:
        plans += struct.pack("<IHH", at, len(parts), method) + reserve
        at += sum(map(len, parts))
    flags |= 4 if reserved else 0
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, at, 0, start, 0, 3, 1, len(folders), len(rows), flags, 77, 0)
    return head + middle + plans + listed + b"".join(part for parts in data for part in parts) + tail


def by_gcab(root: Path, path: Path, names: Sequence[str], *switches: str) -> Path:
    """The files ``names`` of the folder ``root`` in a cabinet by gcab."""
    need("gcab")
    done = run("gcab", "-c", *switches, path, *names, cwd=root)
    assert done.returncode == 0, done.stderr
    return path


def extracted(path: Path, target: Path) -> dict[str, bytes]:
    """The files in the cabinet, unpacked by cabextract, which checks them."""
    need("cabextract")
    done = run("cabextract", "-q", "-d", target, path)
    assert done.returncode == 0, done.stderr
    found = [file for file in sorted(target.rglob("*")) if file.is_file()]
    return {file.relative_to(target).as_posix(): file.read_bytes() for file in found}


def listing(path: Path) -> list[str]:
    """Size, date, time and name of each file in order, as cabextract has them."""
    need("cabextract")
    return [line for line in run("cabextract", "-l", path).stdout.splitlines() if line.count("|") == 2][1:]
