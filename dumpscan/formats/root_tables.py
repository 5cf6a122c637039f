"""Finding the page tables of processes in physical memory, given those of one of them or of the kernel.

On x86-64 every root table carries the kernel's entries in its upper half: a page that has the same ones is the root of
another process. Windows moreover lets one entry of each root point to the root itself, at an index chosen at boot; so
it does on arm64, and on x86 at a fixed one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dumpscan.formats.page_tables import X64, Paging
from dumpscan.formats.physical import PAGE, PhysicalMemory
from dumpscan.mappings import Numbers

Flags = NDArray[np.bool_]

MAX_PROCESSES = 1024

_FRAME = np.uint64(0x000FFFFFFFFFF000)
_PRESENT = np.uint64(1)
_HALF = 256
_SAME = 4
"""Entries of the kernel that are compared: the first and the last ones, as those between may be a process's."""

_MARK = b"SYMBOL(swapper_pg_dir)="
_TEXT = 16 << 10


def process_tables(memory: PhysicalMemory, known: int, paging: Paging = X64) -> Sequence[int]:
    """The physical addresses of the other root tables beside that at ``known``, up to :data:`MAX_PROCESSES`."""
    if paging.width == 32:
        # Windows has its tables at 0xC0000000: one entry of a root is the root. With PAE the fourth of its four tables
        # begins with entries for all four, as the root itself does, and stands in for it
        if not paging.transition:
            return []
        if paging.entry == 4:
            return _own(memory, known, "<u4", 0x300, 512)
        fourth = int.from_bytes(memory.read(known, 32)[24:], "little") & int(_FRAME)
        return _own(memory, fourth, "<u8", 3, 2)
    raw = memory.read(known, PAGE)
    if not raw:
        return []
    root = np.frombuffer(raw, "<u8").astype(np.uint64)
    kernel = np.flatnonzero(root[_HALF:] & _PRESENT) + _HALF
    own = kernel[(root[kernel] & _FRAME) == np.uint64(known)]
    others = kernel[(root[kernel] & _FRAME) != np.uint64(known)]
    if len(own):
        return _own(memory, known, "<u8", int(own[0]), _HALF)
    if len(others) < 2:
        return []
    columns = np.unique(np.concatenate((others[: _SAME // 2], others[-(_SAME // 2) :])))
    return _found(memory, known, "<u8", _HALF, lambda tables, _: _like(tables, root, columns))


def _own(memory: PhysicalMemory, known: int, entry: str, index: int, half: int) -> Sequence[int]:
    """The tables that have themselves as entry ``index``."""
    return _found(memory, known, entry, half, lambda tables, frames: _lists_itself(tables, frames, index))


def _found(
    memory: PhysicalMemory, known: int, entry: str, half: int, fits: Callable[[Numbers, Numbers], Flags]
) -> Sequence[int]:
    """The tables that fit, and have anything in the ``half`` entries of a process's own."""
    found: list[int] = []
    for address, data in memory.blocks():
        tables = np.frombuffer(data, entry).reshape(-1, PAGE // int(entry[2]))
        frames = np.uint64(address) + np.arange(len(tables), dtype=np.uint64) * np.uint64(PAGE)
        for row in np.flatnonzero(fits(tables, frames)).tolist():
            table = int(frames[row])
            if table != known and (tables[row, :half] & _PRESENT.astype(tables.dtype)).any():
                found.append(table)
                if len(found) >= MAX_PROCESSES:
                    return found
    return found


def _like(tables: Numbers, root: Numbers, columns: NDArray[np.intp]) -> Flags:
    """Which of ``tables`` have entries in ``columns`` that point where those of ``root`` do."""
    entries = tables[:, columns]
    alike: Flags = (entries & _FRAME == root[columns] & _FRAME) & (entries & _PRESENT != 0)
    return np.asarray(np.logical_and.reduce(alike, axis=1), np.bool_)


def _lists_itself(tables: Numbers, frames: Numbers, index: int) -> Flags:
    """Which of ``tables``, that lie at ``frames``, have themselves as entry ``index``."""
    entries = tables[:, index].astype(np.uint64)
    return np.asarray((entries & _FRAME == frames) & (entries & _PRESENT != 0), np.bool_)


def find_vmcoreinfo(memory: PhysicalMemory) -> bytes:
    """The text of VMCOREINFO where it stands in the memory of a Linux machine; empty if it does not."""
    for _, data in memory.blocks():
        at = data.find(_MARK)
        if at >= 0:
            start = data.rfind(b"OSRELEASE=", max(at - _TEXT, 0), at)
            return data[max(start, 0) if start >= 0 else at : at + _TEXT]
    return b""
