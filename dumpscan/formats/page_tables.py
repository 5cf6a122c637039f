"""Page tables: what is mapped where in a virtual address space.

Formats: Intel SDM volume 3A, chapter 4; Arm ARM D8 (4 KiB granule). Work is bounded by :data:`MAX_TABLES` tables and
:data:`MAX_MAPPINGS` mappings, whatever the tables say: a table that lists itself (as every Windows one does) is walked
to the depth of the tree, once for each entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dumpscan.formats.physical import PAGE, PhysicalMemory
from dumpscan.mappings import AddressSpace, Numbers, address_space, merged

MAX_TABLES = 1 << 16
"""Tables that are read for one dump: those of 128 GiB in 4 KiB pages."""

MAX_MAPPINGS = 1 << 20

_BITS = np.uint64(0x000FFFFFFFFFF000)


@dataclass(frozen=True, slots=True)
class Paging:
    """How the tables of a machine are read.

    ``shifts`` are the address bits below the index of each level, root first; ``entry`` is bytes an entry, ``root``
    entries of the root. ``transition`` follows the software bits by which Windows marks a page that is no longer
    mapped and still there.
    """

    shifts: tuple[int, ...]
    entry: int = 8
    root: int = 512
    width: int = 48
    arm: bool = False
    transition: bool = False
    base: int = 0

    def entries(self, level: int) -> int:
        """Entries of a table of ``level``."""
        return self.root if level == 0 else PAGE // self.entry


X64 = Paging((39, 30, 21, 12))
X64_5 = Paging((48, 39, 30, 21, 12), width=57)
PAE = Paging((30, 21, 12), root=4, width=32)
X86 = Paging((22, 12), entry=4, root=1024, width=32)
X64_WINDOWS = replace(X64, transition=True)
PAE_WINDOWS = replace(PAE, transition=True)
X86_WINDOWS = replace(X86, transition=True)
ARM64 = Paging((39, 30, 21, 12), arm=True, base=0xFFFF << 48)
ARM64_39 = Paging((30, 21, 12), width=39, arm=True, base=((1 << 25) - 1) << 39)


@dataclass(slots=True)
class Budget:
    """What may still be done for one dump; ``short`` once something was left out."""

    tables: int = MAX_TABLES
    mappings: int = MAX_MAPPINGS
    short: bool = False


_Part = tuple[Numbers, Numbers, Numbers]


def walk(
    memory: PhysicalMemory, root: int, paging: Paging, budget: Budget, name: str = "", *, lower: bool = False
) -> AddressSpace:
    """The address space of the table at physical address ``root``: all of it that lies in the dump.

    ``lower``: only the lower half, which is the part of a process.
    """
    parts: list[_Part] = []
    waiting = [(root, 0, 0)]
    while waiting:
        table, level, base = waiting.pop()
        if budget.tables <= 0 or budget.mappings <= 0:
            budget.short = True
            break
        budget.tables -= 1
        raw = memory.read(table, paging.entries(level) * paging.entry)
        if not raw:
            continue
        entries = np.frombuffer(raw, "<u8" if paging.entry == 8 else "<u4").astype(np.uint64)
        shift = paging.shifts[level]
        present, large, targets = _decode(entries, paging, shift)
        if lower and level == 0:
            present[len(present) // 2 :] = False
        if shift == 12:
            _take(parts, _leaves(memory, targets, present, base), budget)
            continue
        below = []
        for index in (int(i) for i in np.flatnonzero(present)):
            address = _canonical(base | index << shift, paging)
            if large[index]:
                start = int(targets[index]) >> shift << shift
                away, offsets, sizes = memory.pieces(start, 1 << shift)
                _take(parts, (away + np.uint64(address), offsets, sizes), budget)
            elif level + 1 < len(paging.shifts):
                below.append((int(targets[index]), level + 1, address))
        waiting.extend(reversed(below))
    return address_space(parts, name)


def _decode(entries: Numbers, paging: Paging, shift: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Numbers]:
    """Which entries are present, which of them map a large page, and what they point to."""
    present = (entries & np.uint64(1)) != 0
    targets: Numbers = entries & (_BITS if paging.entry == 8 else np.uint64(0xFFFFF000))
    if paging.arm:
        large = (entries & np.uint64(2)) == 0
        if shift == 12:
            present &= ~large
        return present, large & (shift in (21, 30)), targets & np.uint64((1 << 48) - 1)
    if paging.transition and shift == 12:
        present |= (entries & np.uint64(0xC01)) == np.uint64(0x800)
    large = ((entries & np.uint64(0x80)) != 0) & ((shift in (21, 22, 30) and paging.shifts[0] != shift) or shift == 22)
    return present, large, targets


def _leaves(memory: PhysicalMemory, targets: Numbers, present: NDArray[np.bool_], base: int) -> _Part:
    index = np.flatnonzero(present)
    there, offsets = memory.pages(targets[index])
    addresses = np.uint64(base) + (index[there].astype(np.uint64) << np.uint64(12))
    return merged(addresses, offsets[there], np.full(len(addresses), PAGE, np.uint64))


def _take(parts: list[_Part], part: _Part, budget: Budget) -> None:
    if len(part[0]):
        parts.append(part)
        budget.mappings -= len(part[0])


def _canonical(address: int, paging: Paging) -> int:
    """``address`` with the sign bit of the address space carried up to bit 63."""
    if paging.base:
        return address | paging.base
    if paging.width > 32 and address >> paging.width - 1 & 1:
        return address | ((1 << 64) - (1 << paging.width))
    return address
