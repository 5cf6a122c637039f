"""The directory of a 7z archive: blocks of packed data, the streams in them, and the members.

Source of the facts: ``7zFormat.txt`` of the LZMA SDK. Numbers in a directory are not to be trusted, so each is held
against what is left of the directory before anything of that size is made.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from dumpscan.containers.as_file import LONGEST_READ
from dumpscan.containers.seven_zip_coders import Coder
from dumpscan.containers.seven_zip_fields import Fields
from dumpscan.containers.seven_zip_plan import Plan, Step, chain, obstacle, unpacked
from dumpscan.decoders import CHUNK, Damage
from dumpscan.model import Span
from dumpscan.source import Source

MAGIC = b"7z\xbc\xaf\x27\x1c"
HEAD = 32
"""Bytes of the first header: magic, version, where the directory is, checksums."""

END, HEADER, PROPERTIES, MORE_STREAMS, STREAMS, FILES, PACKED, BLOCKS, SUBSTREAMS = range(9)
SIZES, CHECKSUMS, FOLDER, UNPACKED_SIZES, COUNTS, EMPTY_STREAM, EMPTY_FILE, ANTI, NAMES = range(9, 18)
CREATED, ACCESSED, MODIFIED, ATTRIBUTES, COMMENT, ENCODED = range(18, 24)

_MOST_ENTRIES = 1 << 17
_MOST_LAYERS = 4


@dataclass(frozen=True, slots=True)
class Stream:
    """The plain bytes of one member in a block."""

    size: int
    checksum: int | None


@dataclass(slots=True)
class Block:
    """Stretches of the file that unpack to some members: where each begins and ends, and the last step of unpacking."""

    step: Step
    packed_streams: int
    problem: str
    checksum: int | None = None
    packed: list[Span] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many plain bytes it has."""
        return self.step.size

    def read(self, source: Source) -> Iterator[bytes]:
        """The plain bytes; only of a block without ``problem``."""
        return unpacked(self.step, [_pieces(source, span) for span in self.packed])


@dataclass(slots=True)
class Entry:
    """A member. ``anti`` says that it is to be deleted where the archive is unpacked.

    ``block`` is the number of the block that its bytes lie in, or -1; ``coders`` are those of that block.
    """

    name: str = ""
    folder: bool = False
    anti: bool = False
    attributes: int | None = None
    times: dict[int, int] = field(default_factory=dict)
    block: int = -1
    coders: tuple[Coder, ...] = ()


@dataclass(slots=True)
class Directory:
    """What an archive says of itself. ``unclaimed`` is how many of its bytes belong to nothing that it names."""

    blocks: list[Block] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    unclaimed: int = 0


def _pieces(source: Source, span: Span) -> Iterator[bytes]:
    for at in range(span.start, span.end, CHUNK):
        yield source.read(at, min(CHUNK, span.end - at))


def read_directory(source: Source) -> Directory:
    """The directory of the archive; raises :class:`Damage`."""
    head = source.read(0, HEAD)
    if len(head) < HEAD:
        raise Damage("is cut short: it has no directory")
    if zlib.crc32(head[12:]) != int.from_bytes(head[8:12], "little"):
        raise Damage("is damaged: the checksum of its first header does not match")
    offset = HEAD + int.from_bytes(head[12:20], "little")
    size = int.from_bytes(head[20:28], "little")
    if not size:
        return Directory(unclaimed=source.size - HEAD)
    if offset + size > source.size:
        raise Damage(f"is cut short, or one of several volumes: its directory should end at byte {offset + size}")
    _check_size(size)
    data = source.read(offset, size)
    if zlib.crc32(data) != int.from_bytes(head[28:32], "little"):
        raise Damage("is damaged: the checksum of its directory does not match")
    claimed = HEAD + size
    for _ in range(_MOST_LAYERS):
        fields = Fields(data)
        kind = fields.byte()
        if kind == HEADER:
            directory = _directory(fields, source.size)
            directory.unclaimed = source.size - claimed - sum(map(_packed, directory.blocks))
            return directory
        if kind != ENCODED:
            raise Damage(f"is damaged: its directory begins with {kind}")
        (block,) = _one(_streams(fields, source.size))
        claimed += _packed(block)
        data = _packed_directory(source, block)
    raise Damage(f"has a directory that is packed more than {_MOST_LAYERS - 1} times")


def _packed(block: Block) -> int:
    return sum(map(len, block.packed))


def _check_size(size: int) -> None:
    if size > LONGEST_READ:
        raise Damage(f"states a directory of {size} bytes")


def _one(blocks: list[Block]) -> list[Block]:
    if len(blocks) != 1:
        raise Damage(f"is damaged: its directory is packed in {len(blocks)} blocks")
    return blocks


def _packed_directory(source: Source, block: Block) -> bytes:
    if block.problem:
        raise Damage(f"has a directory that {block.problem}")
    _check_size(block.size)
    data = b"".join(block.read(source))
    if block.checksum is not None and zlib.crc32(data) != block.checksum:
        raise Damage("is damaged: the checksum of its directory does not match")
    return data


# ---------------------------------------------------------------- blocks


def _streams(fields: Fields, end: int) -> list[Block]:
    """Blocks, their places in the file, and the streams in them."""
    offset, sizes, blocks, kind = HEAD, list[int](), list[Block](), fields.number()
    if kind == PACKED:
        offset, sizes = _packed_sizes(fields)
        kind = fields.number()
    if kind == BLOCKS:
        blocks = _blocks(fields)
        kind = fields.number()
    used = 0
    for block in blocks:
        mine = sizes[used : used + block.packed_streams]
        if len(mine) != block.packed_streams:
            raise Damage("is damaged: a block has no packed data")
        for size in mine:
            block.packed.append(Span(offset, offset + size))
            offset += size
        used += len(mine)
    if used != len(sizes) or offset > end:
        raise Damage("is damaged, or cut short: its packed data is not where the directory has it")
    if kind == SUBSTREAMS:
        _substreams(fields, blocks)
        kind = fields.number()
    else:
        for block in blocks:
            block.streams = [Stream(block.size, block.checksum)]
    if kind != END:
        raise Damage(f"is damaged: its directory has {kind} where an end should be")
    return blocks


def _packed_sizes(fields: Fields) -> tuple[int, list[int]]:
    offset = HEAD + fields.number()
    count = fields.count(_MOST_ENTRIES, "packed streams")
    sizes: list[int] = []
    kind = fields.number()
    if kind == SIZES:
        sizes = [fields.number() for _ in range(count)]
        kind = fields.number()
    if kind == CHECKSUMS:
        fields.checksums(count)
        kind = fields.number()
    if kind != END:
        raise Damage(f"is damaged: its directory has {kind} where an end should be")
    return offset, sizes


def _blocks(fields: Fields) -> list[Block]:
    fields.expect(FOLDER)
    count = fields.count(_MOST_ENTRIES, "blocks")
    fields.inside()
    plans = [Plan.read(fields) for _ in range(count)]
    fields.expect(UNPACKED_SIZES)
    blocks = []
    for plan in plans:
        step = plan.step([fields.number() for _ in plan.coders])
        blocks.append(Block(step, plan.packed_streams, obstacle(step)))
    kind = fields.number()
    if kind == CHECKSUMS:
        for block, checksum in zip(blocks, fields.checksums(count), strict=True):
            block.checksum = checksum
        kind = fields.number()
    if kind != END:
        raise Damage(f"is damaged: its directory has {kind} where an end should be")
    return blocks


def _substreams(fields: Fields, blocks: list[Block]) -> None:
    counts = [1] * len(blocks)
    kind = fields.number()
    if kind == COUNTS:
        counts = [fields.count(_MOST_ENTRIES, "members of one block") for _ in blocks]
        kind = fields.number()
    if sum(counts) > _MOST_ENTRIES:
        raise Damage(f"states {sum(counts)} members")
    sizes: list[list[int]] = []
    for block, count in zip(blocks, counts, strict=True):
        stated = [fields.number() for _ in range(count - 1)] if kind == SIZES else [0] * max(0, count - 1)
        left = block.size - sum(stated)
        if left < 0 or (not count and left) or (kind != SIZES and count > 1):
            raise Damage("is damaged: the members of a block do not fit into it")
        sizes.append([*stated, left][:count])
    if kind == SIZES:
        kind = fields.number()
    known = [count == 1 and block.checksum is not None for block, count in zip(blocks, counts, strict=True)]
    missing = sum(count for count, is_known in zip(counts, known, strict=True) if not is_known)
    checksums: Iterator[int | None] = iter([None] * missing)
    if kind == CHECKSUMS:
        checksums = iter(fields.checksums(missing))
        kind = fields.number()
    if kind != END:
        raise Damage(f"is damaged: its directory has {kind} where an end should be")
    for block, mine, is_known in zip(blocks, sizes, known, strict=True):
        block.streams = [Stream(size, block.checksum if is_known else next(checksums)) for size in mine]


# ---------------------------------------------------------------- members


def _directory(fields: Fields, end: int) -> Directory:
    directory = Directory()
    kind = fields.number()
    if kind == PROPERTIES:
        while fields.number():
            fields.take(fields.number())
        kind = fields.number()
    if kind == MORE_STREAMS:
        raise Damage("has a directory in several streams")
    if kind == STREAMS:
        directory.blocks = _streams(fields, end)
        kind = fields.number()
    if kind == FILES:
        directory.entries, has_stream = _entries(fields)
        _assign(directory, has_stream)
        kind = fields.number()
    if kind != END:
        raise Damage(f"is damaged: its directory has {kind} where an end should be")
    return directory


def _entries(fields: Fields) -> tuple[list[Entry], list[bool]]:
    """The members, and which of them have bytes."""
    count = fields.count(_MOST_ENTRIES, "members")
    entries = [Entry() for _ in range(count)]
    empty = [False] * count
    files: list[bool] = []
    anti: list[bool] = []
    while kind := fields.number():
        part = Fields(fields.take(fields.number()))
        if kind == EMPTY_STREAM:
            empty = part.bits(count)
        elif kind == EMPTY_FILE:
            files = part.bits(sum(empty))
        elif kind == ANTI:
            anti = part.bits(sum(empty))
        elif kind == NAMES:
            part.inside()
            for entry, name in zip(entries, _names(part.rest(), count), strict=True):
                entry.name = name
        elif kind in (CREATED, ACCESSED, MODIFIED, ATTRIBUTES):
            _values(part, kind, entries)
    bare = [entry for entry, is_empty in zip(entries, empty, strict=True) if is_empty]
    for number, entry in enumerate(bare):
        entry.folder = not (number < len(files) and files[number])
        entry.anti = number < len(anti) and anti[number]
    return entries, [not is_empty for is_empty in empty]


def _names(data: bytes, count: int) -> list[str]:
    names = data.decode("utf-16-le", "surrogatepass").split("\0") if len(data) % 2 == 0 else []
    if len(names) != count + 1 or names[-1]:
        raise Damage(f"is damaged: {count} members have {max(0, len(names) - 1)} names")
    return names[:-1]


def _values(part: Fields, kind: int, entries: list[Entry]) -> None:
    defined = part.defined(len(entries))
    part.inside()
    for entry, here in zip(entries, defined, strict=True):
        if here and kind == ATTRIBUTES:
            entry.attributes = part.fixed(4)
        elif here:
            entry.times[kind] = part.fixed(8)


def _assign(directory: Directory, has_stream: list[bool]) -> None:
    """Give each member with bytes the next stream of the blocks."""
    homes = (
        (number, coders)
        for number, block in enumerate(directory.blocks)
        for coders in [chain(block.step)] * len(block.streams)
    )
    for entry, here in zip(directory.entries, has_stream, strict=True):
        if here:
            entry.block, entry.coders = next(homes, (-1, ()))
            if entry.block < 0:
                raise Damage("is damaged: it has more members than streams")
    if next(homes, None):
        raise Damage("is damaged: it has more streams than members")
