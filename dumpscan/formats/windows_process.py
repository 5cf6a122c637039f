"""What a Windows process was started with: thread block (TEB) → process block (PEB) → parameters.

Offsets are those of ``TEB``, ``PEB`` and ``RTL_USER_PROCESS_PARAMETERS`` in Microsoft's public symbols (as ReactOS,
Wine and ntdiff list them); they have not changed since Windows XP, and arm64 has those of x64. ``EnvironmentSize`` came
with Vista: before, and where it makes no sense, the environment ends with its empty string.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from dumpscan.model import COMMAND_LINE, ENVIRONMENT

MAX_THREADS = 64
"""Threads that are asked for the process: the first one would do, were its block in every dump."""

MAX_PROCESSES = 4
"""Process blocks that are read: there are one or, in WOW64, two."""

MAX_ENVIRONMENT = 1 << 20
"""Bytes of an environment; Windows itself long took no more than 64 KiB."""

IMAGE_PATH = "image path"

Read = Callable[[int, int], bytes]
"""Up to so many bytes from a virtual address."""


class Block(NamedTuple):
    """``size`` bytes of memory at ``address``, and what they are."""

    address: int
    size: int
    name: str


class _Fields(NamedTuple):
    """Where the fields lie, and how long a pointer is, in bytes."""

    pointer: int
    teb_self: int
    teb_peb: int
    peb_parameters: int
    image_path: int
    command_line: int
    environment: int
    environment_size: int


_WIDE = _Fields(8, 0x30, 0x60, 0x20, 0x60, 0x70, 0x80, 0x3F0)
_NARROW = _Fields(4, 0x18, 0x30, 0x10, 0x38, 0x40, 0x48, 0x290)
_TEB32_BEHIND = 0x2000
_NORMALIZED = 1
_CHUNK = 1 << 14


def parameters(read: Read, tebs: Iterable[int], wide: bool) -> Iterator[Block]:
    """The strings and the environment in the parameters of the process with threads at ``tebs``.

    A 32-bit process on 64-bit Windows (WOW64) has two of everything, and its environment twice.
    """
    seen: set[tuple[int, int]] = set()
    for teb in list(dict.fromkeys(tebs))[:MAX_THREADS]:
        for fields, place in _blocks_of(read, teb, wide):
            spot = fields.pointer, _number(read(place + fields.teb_peb, fields.pointer))
            if spot not in seen and len(seen) < MAX_PROCESSES:
                seen.add(spot)
                yield from _of_process(read, spot[1], fields)


def thread_block_self(read: Read, place: int, wide: bool) -> bool:
    """Whether what lies at ``place`` holds its own address where a thread block does."""
    fields = _WIDE if wide else _NARROW
    return place != 0 and _number(read(place + fields.teb_self, fields.pointer)) == place


def _blocks_of(read: Read, teb: int, wide: bool) -> Iterator[tuple[_Fields, int]]:
    """The thread blocks of one thread: each knows its own address."""
    if not wide:
        candidates = [(_NARROW, teb)]
    else:
        # that of WOW64 lies behind that of the thread, which names it where others keep their list of handlers
        narrow = dict.fromkeys((teb + _TEB32_BEHIND, _number(read(teb, 8))))
        candidates = [(_WIDE, teb), *((_NARROW, place) for place in narrow)]
    for fields, place in candidates:
        if place and _number(read(place + fields.teb_self, fields.pointer)) == place:
            yield fields, place


def _of_process(read: Read, peb: int, fields: _Fields) -> Iterator[Block]:
    base = _number(read(peb + fields.peb_parameters, fields.pointer)) if peb else 0
    raw = read(base, fields.environment_size + fields.pointer) if base else b""
    most, length, flags = (_number(raw[at : at + 4]) for at in (0, 4, 8))
    if len(raw) < fields.environment + fields.pointer or not fields.environment < length <= most:
        return

    def pointer(at: int) -> int:
        value = _number(raw[at : at + fields.pointer])
        return value if flags & _NORMALIZED or not 0 < value < most else base + value

    for at, name in ((fields.command_line, COMMAND_LINE), (fields.image_path, IMAGE_PATH)):
        size, place = _number(raw[at : at + 2]), pointer(at + fields.pointer)
        if size and place:
            yield Block(place, size, name)
    place = pointer(fields.environment)
    end = fields.environment_size + fields.pointer
    stated = _number(raw[fields.environment_size : end]) if min(length, len(raw)) >= end else 0
    size = _environment_size(read, place, stated) if place else 0
    if size:
        yield Block(place, size, ENVIRONMENT)


def _environment_size(read: Read, place: int, stated: int) -> int:
    """The length of the environment at ``place``: what it is said to be, else up to the empty string that ends it."""
    if 0 < stated <= MAX_ENVIRONMENT and stated % 2 == 0:
        return stated
    size, last = 0, 0xFFFF
    while size < MAX_ENVIRONMENT:
        chunk = read(place + size, _CHUNK)
        for at in range(0, len(chunk) - 1, 2):
            unit = chunk[at] | chunk[at + 1] << 8
            if unit == last == 0:
                return size + at + 2
            last = unit
        size += len(chunk)
        if len(chunk) < _CHUNK:
            break
    return min(size, MAX_ENVIRONMENT)


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
