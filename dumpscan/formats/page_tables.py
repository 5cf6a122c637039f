"""Page tables: what is mapped where in a virtual address space.

Formats: Intel SDM volume 3A, chapter 4; Arm ARM D8 (granules of 4, 16 and 64 KiB). Work is bounded by
:data:`MAX_TABLES` tables and :data:`MAX_MAPPINGS` mappings, whatever the tables say: a table that lists itself (as
every Windows one does) is walked to the depth of the tree, once for each entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dumpscan.formats.physical import PhysicalMemory
from dumpscan.mappings import AddressSpace, Numbers, address_space, merged

MAX_TABLES = 1 << 16
"""Tables that are read for one dump: those of 128 GiB in 4 KiB pages."""

MAX_MAPPINGS = 1 << 20

_BITS = (1 << 52) - (1 << 12)
_ARM_BITS = (1 << 48) - 1


@dataclass(frozen=True, slots=True)
class Paging:
    """How the tables of a machine are read.

    ``shifts`` are the address bits below the index of each level, root first, ``large`` those of levels that may map a
    large page; ``entry`` is bytes an entry, ``root`` entries of the root. ``transition`` follows the software bits by
    which Windows marks a page that is no longer mapped and still there.
    """

    shifts: tuple[int, ...]
    entry: int = 8
    root: int = 512
    width: int = 48
    arm: bool = False
    transition: bool = False
    base: int = 0
    large: tuple[int, ...] = (21, 30)

    @property
    def page(self) -> int:
        """Bytes of a page, and of a table that is not the root."""
        return 1 << self.shifts[-1]

    def entries(self, level: int) -> int:
        """Entries of a table of ``level``."""
        return self.root if level == 0 else self.page // self.entry


X64 = Paging((39, 30, 21, 12))
X64_5 = Paging((48, 39, 30, 21, 12), width=57)
PAE = Paging((30, 21, 12), root=4, width=32, large=(21,))
X86 = Paging((22, 12), entry=4, root=1024, width=32, large=(22,))
X64_WINDOWS = replace(X64, transition=True)
PAE_WINDOWS = replace(PAE, transition=True)
X86_WINDOWS = replace(X86, transition=True)
ARM64_WINDOWS = replace(X64, arm=True, transition=True)
"""One table for both halves: TTBR1 points into the middle of it (as MemProcFS reads them)."""

_ARM_LARGE = {4096: (21, 30), 16384: (25,), 65536: (29,)}


def arm64_kernel(page: int, bits: int) -> Paging | None:
    """The tables of Linux's half on arm64, for pages of ``page`` bytes and addresses of ``bits`` bits.

    Those combinations that Documentation/arch/arm64/memory.rst and Kconfig have; 52 bits with pages of 4 and 16 KiB
    have other entries, and are not read.
    """
    if bits not in {4096: (39, 48), 16384: (36, 47, 48), 65536: (42, 48, 52)}.get(page, ()):
        return None
    low = page.bit_length() - 1
    shifts = tuple(reversed(range(low, bits, low - 3)))
    base = ((1 << 64 - bits) - 1) << bits
    root = 1 << bits - shifts[0]
    return Paging(shifts, root=root, width=bits, arm=True, base=base, large=_ARM_LARGE[page])


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
        if level + 1 == len(paging.shifts):
            _take(parts, _leaves(memory, targets, present, base, paging.page), budget)
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
    leaf, present = shift == paging.shifts[-1], (entries & np.uint64(1)) != 0
    if paging.arm:
        table = (entries & np.uint64(2)) != 0
        large = ~table if shift in paging.large else np.zeros(len(entries), np.bool_)
        present &= table | large
    else:
        large = ((entries & np.uint64(0x80)) != 0) & (shift in paging.large)
    if paging.transition and leaf:
        present |= (entries & np.uint64(0xC01)) == np.uint64(0x800)
    if not paging.arm:
        return present, large, entries & np.uint64(_BITS if paging.entry == 8 else 0xFFFFF000)
    targets: Numbers = entries & np.uint64(_ARM_BITS & -paging.page)
    if paging.page == 1 << 16:  # of 52 bits, the highest four stand where the others have bits 12 to 15
        targets |= (entries & np.uint64(0xF000)) << np.uint64(36)
    return present, large, targets


def _leaves(memory: PhysicalMemory, targets: Numbers, present: NDArray[np.bool_], base: int, page: int) -> _Part:
    index = np.flatnonzero(present)
    there, offsets = memory.pages(targets[index], page)
    addresses = np.uint64(base) + index[there].astype(np.uint64) * np.uint64(page)
    return merged(addresses, offsets[there], np.full(len(addresses), page, np.uint64))


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
