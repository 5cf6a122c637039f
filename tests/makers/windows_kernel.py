"""Windows kernel dumps of every type. Shares nothing with the reader."""

from __future__ import annotations

import struct


def _runs(frames: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and sum(runs[-1]) == frame:
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((frame, 1))
    return runs


def header(kind: int, table: int = 0, runs: list[tuple[int, int]] | None = None, *, modules: int = 0) -> bytearray:
    """A 64-bit header; bytes that nothing is written to read PAGE."""
    head = bytearray(b"PAGE" * 0x800)
    head[4:8] = b"DU64"
    struct.pack_into("<II4QIII", head, 8, 15, 22621, table, 0, modules, 0, 0x8664, 2, 0xD1)
    runs = runs or []
    struct.pack_into("<IIQ", head, 0x88, len(runs), 0, sum(n for _, n in runs) % (1 << 64))
    for i, run in enumerate(runs):
        struct.pack_into("<QQ", head, 0x98 + 16 * i, *run)
    head[0x348 : 0x348 + 1232] = bytes(1232)
    struct.pack_into("<I", head, 0x348 + 0x30, 0x10001F)
    head[0xF00:0xF98] = bytes(0x98)
    struct.pack_into("<I", head, 0xF98, kind)
    head[0xFB0 : 0xFB0 + 128] = b"a comment".ljust(128, b"\0")
    return head


def dump(kind: int, pages: dict[int, bytes], table: int = 0, *, modules: int = 0) -> bytes:
    """A dump of type 1, 2, 5, 6, 8, 9 or 10 with ``pages`` (by frame number)."""
    frames = sorted(pages)
    data = b"".join(pages[frame] for frame in frames)
    runs = _runs(frames)
    head = header(kind, table, runs if kind == 1 else [], modules=modules)
    if kind == 1:
        return bytes(head) + data
    if kind in (2, 5, 6):
        bits = bytearray((frames[-1] // 8 + 8) // 8 * 8)
        for frame in frames:
            bits[frame // 8] |= 1 << frame % 8
        first = (0x2038 + len(bits) + 0xFFF) // 0x1000 * 0x1000
        extra = (b"SDMP" if kind == 2 else b"FDMP") + b"DUMP" + bytes(0x18)
        extra += struct.pack("<QQQ", first, len(frames), 8 * len(bits)) + bits
    else:
        listed = b"".join(struct.pack("<QQ", *run) for run in runs)
        end = b"" if kind == 10 else bytes(16)
        first = (0x2030 + len(listed) + len(end) + 0xFFF) // 0x1000 * 0x1000
        extra = struct.pack("<I4s4sIQQ", 0x40, b"RDMP", b"DUMP", 0, first - 0x2020, first)
        extra += struct.pack("<IHHQ", len(runs), 0, 0, len(frames)) + listed + end
    return bytes(head) + extra.ljust(first - 0x2000, b"\0") + data


def narrow_header(
    kind: int, runs: list[tuple[int, int]], table: int = 0, pae: bool = False, modules: int = 0, fields: int = 0
) -> bytes:
    """A 32-bit header; ``fields`` is MiniDumpFields."""
    head = bytearray(b"PAGE" * 0x400)
    head[4:8] = b"DUMP"
    struct.pack_into("<II4III", head, 8, 15, 2600, table, 0, modules, 0, 0x14C, 1)
    head[0x5C] = pae
    struct.pack_into("<II", head, 0x64, len(runs), sum(n for _, n in runs))
    for i, run in enumerate(runs):
        struct.pack_into("<II", head, 0x6C + 8 * i, *run)
    head[0x320 : 0x320 + 716] = bytes(716)
    struct.pack_into("<I", head, 0x320, 0x1003F)
    head[0x820 : 0x820 + 128] = b"a comment".ljust(128, b"\0")
    struct.pack_into("<I", head, 0xF88, kind)
    if fields:
        struct.pack_into("<I", head, 0xF8C, fields)
    return bytes(head)


def narrow(kind: int, runs: list[tuple[int, int]], data: bytes, table: int = 0, pae: bool = False) -> bytes:
    """A 32-bit full dump."""
    return narrow_header(kind, runs, table, pae) + data


def narrow_dump(kind: int, pages: dict[int, bytes], table: int = 0, pae: bool = False, modules: int = 0) -> bytes:
    """A 32-bit dump of type 1, 2 (the layout of Windows before 8), 5 or 6 with ``pages`` by frame number."""
    frames = sorted(pages)
    data = b"".join(pages[frame] for frame in frames)
    head = narrow_header(kind, _runs(frames) if kind == 1 else [], table, pae, modules)
    if kind == 1:
        return head + data
    if kind == 2:
        extra = _old_bitmap(frames, 0x1000, 0x20)
    else:
        bits = _bits(frames)
        first = (0x1038 + len(bits) + 0xFFF) // 0x1000 * 0x1000
        extra = b"FDMPDUMP" + b"PAGE" * 6 + struct.pack("<QQQ", first, len(frames), 8 * len(bits)) + bits
        extra = extra.ljust(first - 0x1000, b"\0")
    return head + extra + data


def old_dump(pages: dict[int, bytes], table: int = 0) -> bytes:
    """A 64-bit dump of type 2 as Windows before 8 wrote it."""
    frames = sorted(pages)
    data = b"".join(pages[frame] for frame in frames)
    return bytes(header(2, table)) + _old_bitmap(frames, 0x2000, 0x28) + data


def _bits(frames: list[int]) -> bytes:
    bits = bytearray((frames[-1] // 8 + 8) // 8 * 8)
    for frame in frames:
        bits[frame // 8] |= 1 << frame % 8
    return bytes(bits)


def _old_bitmap(frames: list[int], at: int, lead: int) -> bytes:
    """SUMMARY_DUMP32 or SUMMARY_DUMP64, up to where the pages begin."""
    bits = _bits(frames)
    first = (at + lead + len(bits) + 0xFFF) // 0x1000 * 0x1000
    head = b"SDMPDUMP" + struct.pack("<5I", 1, first, 8 * len(bits), len(frames), 8 * len(bits))
    return (head.ljust(lead, b"\0") + bits).ljust(first - at, b"\0")


def narrow_triage(
    blocks: list[tuple[int, bytes]], stack: tuple[int, bytes], page: tuple[int, bytes], fields: int = 0xFFF
) -> bytes:
    """A 32-bit triage dump of blocks, a stack and a data page of (virtual address, bytes).

    What ``fields`` (MiniDumpFields) says is absent stands in the file, but not where its header says.
    """
    body = bytearray()
    base = 0x1068
    place: dict[int, int] = {}
    for address, data in (stack, page, *blocks):
        place[address] = base + len(body)
        body += data
    table = base + len(body)
    body += b"".join(struct.pack("<QII", address, place[address], len(data)) for address, data in blocks)
    valid = base + len(body)
    body += b"TRGD"
    head = bytearray(b"PAGE" * 26)
    struct.pack_into("<6I", head, 0, 0, valid + 4, valid, 0x320, 0x7D0, 0)
    struct.pack_into("<2I", head, 0x28, place[stack[0]], len(stack[1]))
    struct.pack_into("<2I", head, 0x38, 0, 0)
    struct.pack_into("<I", head, 0x48, stack[0])
    if fields & 0x200:
        struct.pack_into("<3I", head, 0x4C, page[0], place[page[0]], len(page[1]))
    if fields & 0x400:
        struct.pack_into("<2I", head, 0x58, 0, 0)
    if fields & 0x800:
        struct.pack_into("<2I", head, 0x60, table, len(blocks))
    return narrow_header(4, [], fields=fields) + bytes(head) + bytes(body)


def triage(blocks: list[tuple[int, bytes]], stack: tuple[int, bytes], blob: bytes = b"", arm: bool = False) -> bytes:
    """A 64-bit triage dump: blocks and a stack of (virtual address, bytes), then blobs of drivers."""
    body = bytearray()
    base = 0x2080
    context = base
    body += bytes(912 if arm else 1232)
    stack_at = base + len(body)
    body += stack[1]
    placed = []
    for address, data in blocks:
        placed.append((address, base + len(body), len(data)))
        body += data
    table = base + len(body)
    body += b"".join(struct.pack("<QII", *block) for block in placed)
    valid = base + len(body)
    body += b"TRGD"
    head = bytearray(0x80)
    struct.pack_into("<4I", head, 0, 0, valid + 4, valid, context)
    struct.pack_into("<2I", head, 0x28, stack_at, len(stack[1]))
    struct.pack_into("<Q", head, 0x48, stack[0])
    struct.pack_into("<2I", head, 0x78, table, len(blocks))
    top = header(4)
    if arm:
        struct.pack_into("<I", top, 0x30, 0xAA64)
    return bytes(top + head + body) + blob
