"""The virtual memory of a dumped machine: from what Linux says of itself, and from the registers of its processors.

VMCOREINFO is text that the kernel keeps for dump tools (Documentation/admin-guide/kdump/vmcoreinfo.rst); the processor
state of QEMU is ``QEMUCPUState`` of ``target/i386/arch_dump.c``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dumpscan.formats.page_tables import X64, X64_5, Budget, Paging, arm64_kernel, walk
from dumpscan.formats.physical import PhysicalMemory
from dumpscan.formats.root_tables import find_vmcoreinfo, process_tables
from dumpscan.mappings import AddressSpace
from dumpscan.model import Unread

MAX_VMCOREINFO = 1 << 20
MAX_ROOTS = 64
"""Processors whose page tables are followed."""

_KERNEL_TEXT = 0xFFFFFFFF80000000  # __START_KERNEL_map of x86_64
_FRAME = 0x000FFFFFFFFFF000


@dataclass(frozen=True, slots=True)
class Root:
    """The physical address of a root table, and how it is read."""

    table: int
    paging: Paging
    name: str
    lower: bool = False


def parse_vmcoreinfo(text: bytes) -> dict[str, str]:
    """``KEY=value`` lines; ``SYMBOL(name)``, ``NUMBER(name)`` and the like are keys."""
    info: dict[str, str] = {}
    for line in text[:MAX_VMCOREINFO].partition(b"\0")[0].decode("latin-1").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            info.setdefault(key, value)
    return info


def linux_root(info: Mapping[str, str], architecture: str, phys_base: int | None = None) -> Root | None:
    """The kernel's own table, ``swapper_pg_dir``; ``None`` where VMCOREINFO does not say enough."""
    address = _number(info, "SYMBOL(swapper_pg_dir)", 16)
    if address is None:
        return None
    if architecture == "x86_64":
        base = _number(info, "NUMBER(phys_base)", 10)
        base = base if base is not None else phys_base or 0
        table = address - _KERNEL_TEXT + base
        paging = X64_5 if _number(info, "NUMBER(pgtable_l5_enabled)", 10) == 1 else X64
    elif architecture == "aarch64":
        offset, bits = _number(info, "NUMBER(kimage_voffset)", 16), _number(info, "NUMBER(VA_BITS)", 10)
        known = arm64_kernel(_number(info, "PAGESIZE", 10) or 0, bits or 0)
        if offset is None or known is None:
            return None
        table, paging = (address - offset) % (1 << 64), known
    else:
        return None
    return Root(table, paging, "kernel") if 0 <= table < 1 << 52 and table % 4096 == 0 else None


def _number(info: Mapping[str, str], key: str, base: int) -> int | None:
    try:
        return int(info[key], base) if key in info else None
    except ValueError:
        return None


def qemu_root(state: bytes, name: str) -> Root | None:
    """The table of an x86-64 processor that QEMU dumped; ``None`` without 64-bit paging."""
    if len(state) < 432:
        return None
    control = struct.unpack_from("<5Q", state, 392)  # after the general and ten segment registers
    if not control[0] >> 31 & 1 or not control[4] >> 5 & 1:
        return None
    return Root(control[3] & _FRAME, X64_5 if control[4] >> 12 & 1 else X64, name)


def walk_all(memory: PhysicalMemory, roots: Iterable[Root | None], unread: list[Unread]) -> tuple[AddressSpace, ...]:
    """The spaces of ``roots`` and, on x86-64, of all processes; what is too much becomes ``unread``."""
    budget, seen, spaces = Budget(), set[int](), list[AddressSpace]()
    given = [root for root in roots if root]
    for root in (*given, *_processes(memory, given)):
        if root.table in seen:
            continue
        seen.add(root.table)
        space = walk(memory, root.table, root.paging, budget, root.name, lower=root.lower)
        if len(space):
            spaces.append(space)
    if budget.short:
        unread.append(
            Unread(0, 0, "more page tables than are followed: page borders in virtual memory are not all seen")
        )
    return tuple(spaces)


def _processes(memory: PhysicalMemory, roots: Sequence[Root]) -> Iterator[Root]:
    if roots and not roots[0].paging.base:
        for table in process_tables(memory, roots[0].table, roots[0].paging):
            yield Root(table, roots[0].paging, f"process of page table {table:#x}", lower=True)


def linux_spaces(
    memory: PhysicalMemory,
    architecture: str,
    vmcoreinfo: bytes,
    states: Sequence[bytes],
    unread: list[Unread],
    phys_base: int | None = None,
) -> tuple[AddressSpace, ...]:
    """The spaces of a Linux machine, or of whatever ran in QEMU; ``states`` are its processors.

    Without ``vmcoreinfo`` it is looked for in memory.
    """
    if not vmcoreinfo and not states:
        vmcoreinfo = find_vmcoreinfo(memory)
    roots = [linux_root(parse_vmcoreinfo(vmcoreinfo), architecture, phys_base)]
    if architecture == "x86_64":
        roots += [qemu_root(state, f"processor {number}") for number, state in enumerate(states[:MAX_ROOTS])]
    return walk_all(memory, roots, unread)
