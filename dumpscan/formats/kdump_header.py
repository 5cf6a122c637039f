"""The headers of kdump-compressed dumps, of either width and byte order.

Layouts: makedumpfile ``diskdump_mod.h`` (``disk_dump_header``, ``kdump_sub_header``) and its ``IMPLEMENTATION`` file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dumpscan.errors import FormatError
from dumpscan.formats.elf_notes import AARCH64, ARM, I386, LOONGARCH, PPC64, RISCV, S390, X86_64
from dumpscan.source import Source

SIGNATURES = (b"KDUMP   ", b"DISKDUMP")
_BLOCKS = (4096, 8192, 16384, 32768, 65536)
_MACHINES = {
    "x86_64": X86_64,
    "aarch64": AARCH64,
    "arm64": AARCH64,
    "arm": ARM,
    "ppc64": PPC64,
    "ppc64le": PPC64,
    "s390x": S390,
    "riscv64": RISCV,
    "loongarch64": LOONGARCH,
}


@dataclass(frozen=True, slots=True)
class Extent:
    """A part of the file."""

    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Where a page is kept, and how."""

    offset: int
    size: int
    flags: int


@dataclass(frozen=True, slots=True)
class KdumpHeader:
    """What the headers say; sizes in bytes. ``first`` to ``last`` are the frames that this file may hold."""

    order: str
    wide: bool
    version: int
    machine: str
    status: int
    block: int
    sub_size: int
    bitmap: Extent
    descriptors: int
    first: int
    last: int
    phys_base: int
    vmcoreinfo: Extent
    note: Extent
    eraseinfo: Extent
    eraseinfo_field: int

    @property
    def number(self) -> int:
        """The machine as in ELF."""
        return _MACHINES.get(self.machine, I386 if self.machine[1:] == "86" or self.machine[2:] == "86" else 0)


def read_header(source: Source) -> KdumpHeader:
    """Raises :class:`FormatError` where no width and byte order makes sense of the bytes."""
    head = source.read(0, 512)
    if len(head) < 512:
        raise FormatError(f"dump ends at {len(head):#x}, in its header")
    for order in "<>":
        (version,) = struct.unpack_from(order + "i", head, 8)
        for wide, at in ((True, 424), (False, 412)):
            main = _Main(order, wide, version, *struct.unpack_from(order + "IiiII", head, at))
            if 0 < version < 64 and main.block in _BLOCKS and 0 <= main.sub_blocks < 1 << 16 and main.bitmap_blocks:
                machine = head[12 + 4 * 65 : 12 + 5 * 65].partition(b"\0")[0].decode("latin-1")
                return _with_sub_header(source, main, machine)
    raise FormatError("no header with a plausible page size at 0x0")


@dataclass(frozen=True, slots=True)
class _Main:
    """The fields of the main header that count."""

    order: str
    wide: bool
    version: int
    status: int
    block: int
    sub_blocks: int
    bitmap_blocks: int
    frames: int


def _with_sub_header(source: Source, main: _Main, machine: str) -> KdumpHeader:
    order, wide, version, block, frames = main.order, main.wide, main.version, main.block, main.frames
    shape = struct.Struct(order + ("Q2i11Q" if wide else "I2i2IQIQIQI3Q"))
    sub = source.read(block, shape.size).ljust(shape.size, b"\0")
    base, _, split, first, last, info, info_size, note, note_size, erase, erase_size, *wider = shape.unpack(sub)
    if version >= 6 and wider:
        first, last, frames = wider[0], wider[1], wider[2] or frames
    if not wide and base >> 31:
        base -= 1 << 32
    if wide and base >> 63:
        base -= 1 << 64
    start = (1 + main.sub_blocks) * block
    needed = -(-frames // (8 * block))
    # two bitmaps: of the frames that exist, and of those in the dump; the first versions had only one
    half = main.bitmap_blocks // 2 * block if main.bitmap_blocks >= 2 * needed else 0
    present = version >= 2 and split
    return KdumpHeader(
        order=order,
        wide=wide,
        version=version,
        machine=machine,
        status=main.status,
        block=block,
        sub_size=main.sub_blocks * block,
        bitmap=Extent(start + half, main.bitmap_blocks * block - half),
        descriptors=start + main.bitmap_blocks * block,
        first=first if present else 0,
        last=min(last, frames) if present else frames,
        phys_base=base,
        vmcoreinfo=Extent(info, info_size) if version >= 3 else Extent(),
        note=Extent(note, note_size) if version >= 4 else Extent(),
        eraseinfo=Extent(erase, erase_size) if version >= 5 else Extent(),
        eraseinfo_field=block + (64 if wide else 44) if version >= 5 else 0,
    )
