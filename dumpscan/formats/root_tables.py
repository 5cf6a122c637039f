"""Finding the page tables of processes in physical memory, given those of one of them or of the kernel.

On x86-64 every root table carries the kernel's entries in its upper half: a page that has the same ones is the root of
another process. Windows moreover lets one entry of each root point to the root itself, at an index chosen at boot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dumpscan.formats.physical import PAGE, PhysicalMemory
from dumpscan.mappings import Numbers

Flags = NDArray[np.bool_]

MAX_PROCESSES = 1024

_FRAME = np.uint64(0x000FFFFFFFFFF000)
_PRESENT = np.uint64(1)
_HALF, _ENTRIES = 256, 512
_SAME = 4
"""Entries of the kernel that are compared: the first and the last ones, as those between may be a process's."""

_MARK = b"SYMBOL(swapper_pg_dir)="
_TEXT = 16 << 10


def process_tables(memory: PhysicalMemory, known: int) -> Sequence[int]:
    """The physical addresses of the other root tables beside that at ``known``, up to :data:`MAX_PROCESSES`."""
    raw = memory.read(known, PAGE)
    if not raw:
        return []
    root = np.frombuffer(raw, "<u8").astype(np.uint64)
    kernel = np.flatnonzero(root[_HALF:] & _PRESENT) + _HALF
    own = kernel[(root[kernel] & _FRAME) == np.uint64(known)]
    others = kernel[(root[kernel] & _FRAME) != np.uint64(known)]
    if len(others) < 2 and not len(own):
        return []
    columns = np.unique(np.concatenate((others[: _SAME // 2], others[-(_SAME // 2) :])))
    found: list[int] = []
    for address, data in memory.blocks():
        tables = np.frombuffer(data, "<u8").reshape(-1, _ENTRIES)
        frames = np.uint64(address) + np.arange(len(tables), dtype=np.uint64) * np.uint64(PAGE)
        same = _like(tables, root, columns) if not len(own) else _lists_itself(tables, frames, int(own[0]))
        for row in np.flatnonzero(same).tolist():
            table = int(frames[row])
            if table != known and (tables[row, :_HALF] & _PRESENT).any():
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
    entries = tables[:, index]
    return np.asarray((entries & _FRAME == frames) & (entries & _PRESENT != 0), np.bool_)


def find_vmcoreinfo(memory: PhysicalMemory) -> bytes:
    """The text of VMCOREINFO where it stands in the memory of a Linux machine; empty if it does not."""
    for _, data in memory.blocks():
        at = data.find(_MARK)
        if at >= 0:
            start = data.rfind(b"OSRELEASE=", max(at - _TEXT, 0), at)
            return data[max(start, 0) if start >= 0 else at : at + _TEXT]
    return b""
