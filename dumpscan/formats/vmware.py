"""VMware suspended states and snapshots (``.vmss``, ``.vmsn``): groups of tagged values.

The memory is in the group ``memory`` of such a file, or else beside it in a ``.vmem``, which is a raw image. Layout as
read by VMware's ``vmss2core`` and by Volatility: a header of 12 bytes, groups of 80, and for each group a list of tags:
flags, length of the name, name, indices, and either a small value or sizes, padding and data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dumpscan.errors import FormatError
from dumpscan.formats.cover import cover
from dumpscan.formats.page_tables import X64
from dumpscan.formats.physical import PhysicalMemory
from dumpscan.formats.vmcore import Root, linux_spaces, walk_all
from dumpscan.mappings import AddressSpace
from dumpscan.model import Layout, Region, Unread
from dumpscan.source import Source

MAX_GROUPS, MAX_TAGS, MAX_REGIONS = 4096, 1 << 18, 1 << 12

_MAGICS = (b"\xd0\xbe\xd2\xbe", b"\xd1\xba\xd1\xba", b"\xd2\xbe\xd2\xbe", b"\xd3\xbe\xd3\xbe")
_GROUP = struct.Struct("<64s2Q")
_LONG = (62, 63)  # sizes that say that the data has a length of its own
_WIDEST_NAME = 255
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tagged value: where its data lies."""

    group: str
    name: str
    indices: tuple[int, ...]
    offset: int
    size: int
    long: bool


class VMware:
    """VMware files with groups; those of the first version (magic D0) have sizes of 32 bits."""

    name = "vmware"
    title = "VMware suspended state or snapshot (.vmss, .vmsn); .vmem is raw"
    handling = (
        "memory is scanned with its physical addresses, the rest as streams; occurrences are overwritten in place"
    )

    def sniff(self, head: bytes) -> bool:
        """Say whether ``head`` is a header with at least one group."""
        return head[:4] in _MAGICS and len(head) >= 12 and head[8:12] != b"\0\0\0\0"

    def layout(self, source: Source) -> Layout:
        """The groups and the memory. Raises :class:`FormatError` where no group can be read."""
        head = source.read(0, 12)
        if not self.sniff(head):
            raise FormatError("no VMware header at 0x0")
        count = int.from_bytes(head[8:12], "little")
        present = min(count, MAX_GROUPS, (source.size - 12) // _GROUP.size)
        if not present:
            raise FormatError(f"file of {source.size:#x} bytes holds none of {count} groups")
        unread: list[Unread] = []
        if present < count:
            unread.append(Unread(12 + present * _GROUP.size, 0, f"{count} groups, {present} are read"))
        table = source.read(12, present * _GROUP.size)
        tags: list[_Tag] = []
        for name, place, _ in _GROUP.iter_unpack(table):
            tags.extend(_tags(source, _text(name), place, head[0] & 0xF, MAX_TAGS - len(tags), unread))
        claims = [
            *_memory(source, tags, unread),
            Region(0, 12 + len(table), kind="header", name="groups"),
            *(_stream(tag) for tag in tags if tag.size),
        ]
        regions = cover(claims, source.size)
        spaces = _spaces(source, regions, tags, unread)
        return Layout(
            self.name, regions, unread=tuple(unread), spaces=spaces, architecture="x86_64" if spaces else None
        )


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("latin-1")


def _tags(source: Source, group: str, position: int, version: int, most: int, unread: list[Unread]) -> Iterator[_Tag]:
    """The tags of a group, up to the one without a name; where they are damaged, say so and stop."""
    width = 8 if version else 4
    while most > 0:
        most -= 1
        head = source.read(position, 2 + _WIDEST_NAME + 12 + 2 * 8 + 2) if position < source.size else b""
        if head[:2] == b"\0\0":
            return
        if len(head) < 2:
            unread.append(Unread(position, 0, f"group {group!a} ends outside the file"))
            return
        flags, length = head[0], head[1]
        at = 2 + length
        indices = struct.unpack_from(f"<{flags >> 6}I", head.ljust(600, b"\0"), at)
        at += 4 * len(indices)
        size = flags & 63
        if long := size in _LONG:
            size = int.from_bytes(head[at : at + width], "little")
            at += 2 * width
            at += 2 + int.from_bytes(head[at : at + 2], "little")
        start = position + at
        if start + size > source.size:
            short = start + size - max(start, source.size)
            reason = f"file ends at {source.size:#x}, a value of group {group!a} is {short} bytes short"
            unread.append(Unread(source.size, short, reason))
        yield _Tag(group, _text(head[2 : 2 + length]), indices, start, size, long)
        position = start + size
    unread.append(Unread(position, 0, f"more than {MAX_TAGS} tagged values: the rest is read raw"))


def _stream(tag: _Tag) -> Region:
    kind = "registers" if tag.group == "cpu" else "stream"
    return Region(tag.offset, tag.size, kind=kind, name=f"{tag.group}/{tag.name}")


def _memory(source: Source, tags: list[_Tag], unread: list[Unread]) -> Iterator[Region]:
    """The memory of the machine; ``region*`` tags say which page of it (PPN) lies where, in pages."""
    values = {
        (tag.name, tag.indices): int.from_bytes(source.read(tag.offset, tag.size), "little")
        for tag in tags
        if tag.group == "memory" and tag.size in (2, 4, 8) and not tag.long and tag.offset < source.size
    }
    count = values.get(("regionsCount", ()), 0)
    if count > MAX_REGIONS:
        unread.append(Unread(0, 0, f"{count} regions of memory; the first {MAX_REGIONS} are read"))
    rows = [
        tuple(values.get((name, (i,)), 0) * _PAGE for name in ("regionPageNum", "regionPPN", "regionSize"))
        for i in range(min(count, MAX_REGIONS))
    ]
    held = [tag for tag in tags if tag.group == "memory" and tag.name == "Memory" and tag.long]
    if not held:
        unread.append(Unread(0, 0, "the memory is not in this file: scan the .vmem beside it too"))
    for tag in held:
        for place, address, size in rows or [(0, 0, tag.size)]:
            size = min(size, tag.size - place)
            if size > 0:
                yield Region(tag.offset + place, size, address, "memory")


def _spaces(
    source: Source, regions: tuple[Region, ...], tags: list[_Tag], unread: list[Unread]
) -> tuple[AddressSpace, ...]:
    """The spaces that the processors had when they were stopped: those in CR3."""
    found = (tag for tag in tags if tag.group == "cpu" and tag.name == "CR64" and tag.indices[1:] == (3,))
    states = [(tag.indices[0], source.read(tag.offset, 8)) for tag in found if tag.size == 8]
    roots = [Root(int.from_bytes(raw, "little") >> 12 << 12, X64, f"processor {cpu}") for cpu, raw in states]
    memory = PhysicalMemory(source, regions)
    return walk_all(memory, roots, unread) if roots else linux_spaces(memory, "x86_64", b"", (), unread)
