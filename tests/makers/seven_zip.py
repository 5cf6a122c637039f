"""7z archives made by hand, whole and lying, and by 7-Zip."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.makers.programs import need, run

COPY = b"\x01\x00"
LZMA2 = b"\x21\x21\x01\x12"  # 2 MiB of dictionary
FILTERS = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 21}]


def number(value: int) -> bytes:
    """Small numbers in one byte, others in nine."""
    return bytes([value]) if value < 0x80 else b"\xff" + struct.pack("<Q", value)


def archive(packed: bytes, directory: bytes) -> bytes:
    """The first header, with checksums that hold, in front of packed data and directory."""
    where = struct.pack("<QQI", len(packed), len(directory), zlib.crc32(directory))
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(where)) + where + packed + directory


def streams(
    packed: Sequence[int], blocks: Sequence[tuple[bytes, Sequence[int]]], inner: bytes = b"", at: int = 0
) -> bytes:
    """Packed sizes; of each block its methods (with their number first) and the sizes that these give."""
    out = b"\x06" + number(at) + number(len(packed)) + b"\x09" + b"".join(map(number, packed)) + b"\0"
    out += b"\x07\x0b" + number(len(blocks)) + b"\0" + b"".join(methods for methods, _ in blocks)
    return out + b"\x0c" + b"".join(number(size) for _, sizes in blocks for size in sizes) + b"\0" + inner + b"\0"


def substreams(counts: Sequence[int], sizes: Sequence[int], checksums: Sequence[int]) -> bytes:
    """How many members each block has, the sizes of all but the last of each, and the checksums of all."""
    out = b"\x08\x0d" + b"".join(map(number, counts)) + b"\x09" + b"".join(map(number, sizes))
    return out + b"\x0a\x01" + b"".join(struct.pack("<I", value) for value in checksums) + b"\0"


def files(names: Sequence[str], more: bytes = b"") -> bytes:
    text = b"\0" + "".join(name + "\0" for name in names).encode("utf-16-le", "surrogatepass")
    return b"\x05" + number(len(names)) + b"\x11" + number(len(text)) + text + more + b"\0"


def seven_zip(members: Mapping[str, bytes], packed: bool = True, encoded: bool = False) -> bytes:
    """One solid block. ``encoded`` packs the directory too."""
    full = [data for data in members.values() if data]
    plain = b"".join(full)
    data = lzma.compress(plain, lzma.FORMAT_RAW, filters=FILTERS) if packed else plain
    methods = b"\1" + (LZMA2 if packed else COPY)
    inner = substreams([len(full)], [len(one) for one in full[:-1]], [zlib.crc32(one) for one in full])
    empty = [not data for data in members.values()]
    more = b""
    if any(empty):
        bits = "".join("01"[one] for one in empty)
        mask = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
        whole = b"\xff" * (-(-sum(empty) // 8))
        more = b"\x0e" + number(len(mask)) + mask + b"\x0f" + number(len(whole)) + whole
    directory = b"\x01"
    directory += b"\x04" + streams([len(data)], [(methods, [len(plain)])], inner) if full else b""
    directory += files(list(members), more) + b"\0"
    if not encoded:
        return archive(data, directory)
    small = lzma.compress(directory, lzma.FORMAT_RAW, filters=FILTERS)
    outer = b"\x17" + streams([len(small)], [(b"\1" + LZMA2, [len(directory)])], at=len(data))
    return archive(data + small, outer)


def resealed(data: bytes) -> bytes:
    """Give a damaged archive checksums that hold, as far as its first header leads to its directory."""
    offset, size = struct.unpack("<QQ", data[12:28].ljust(16, b"\0"))
    out = bytearray(data)
    if 32 + offset + size <= len(data):
        out[28:32] = struct.pack("<I", zlib.crc32(data[32 + offset : 32 + offset + size]))
    out[8:12] = struct.pack("<I", zlib.crc32(out[12:32]))
    return bytes(out)


def by_7zip(root: Path, path: Path, *switches: str) -> Path:
    """The folder ``root`` in an archive by 7-Zip; links stay links."""
    need("7zz")
    done = run("7zz", "a", "-snl", *switches, path, ".", cwd=root)
    assert done.returncode == 0, done.stdout
    return path


def listing(path: Path) -> list[str]:
    """What 7-Zip says of each member, its packed size and that of the whole apart."""
    need("7zz")
    wanted = ("Path", "Size", "Modified", "Created", "Accessed", "Attributes", "Anti", "Encrypted", "Method", "Block")
    lines = run("7zz", "l", "-slt", path).stdout.partition("\n----------\n")[2].splitlines()
    return [line for line in lines if line.partition(" = ")[0] in wanted]


def extracted(path: Path, target: Path) -> dict[str, bytes]:
    """The files in the archive, unpacked by 7-Zip, which checks them."""
    need("7zz")
    done = run("7zz", "x", "-y", f"-o{target}", path)
    assert done.returncode == 0, done.stdout
    return {
        file.relative_to(target).as_posix(): file.read_bytes()
        for file in sorted(target.rglob("*"))
        if file.is_file() and not file.is_symlink()
    }
