"""The loaded modules of a Windows kernel: the list that ``PsLoadedModuleList`` heads, read as virtual memory."""

from __future__ import annotations

import struct

from dumpscan.errors import SourceError
from dumpscan.formats.memory_map import AddressMap
from dumpscan.mappings import AddressSpace
from dumpscan.model import Layout, Module
from dumpscan.source import Source

MAX_MODULES = 4096
_MAX_NAME = 1024


def loaded_modules(source: Source, spaces: tuple[AddressSpace, ...], head: int, wide: bool) -> tuple[Module, ...]:
    """The modules in the order of the list (``LDR_DATA_TABLE_ENTRY``), as far as it can be followed."""
    if not spaces:
        return ()
    memory = AddressMap(Layout("", (), spaces=spaces))
    shape = struct.Struct("<Q40xQ8xI4xHH4xQ" if wide else "<I20xI4xIHHI")  # next, base, size, length, maximum, name
    modules: list[Module] = []
    seen = {head}
    try:
        entry = int.from_bytes(memory.read(source, head, 8 if wide else 4), "little")
        while entry not in seen and len(modules) < MAX_MODULES:
            seen.add(entry)
            raw = memory.read(source, entry, shape.size)
            if len(raw) < shape.size:
                break
            entry, base, size, length, _, place = shape.unpack(raw)
            name = memory.read(source, place, min(length, _MAX_NAME)).decode("utf-16-le", "replace")
            if size and base + size <= 1 << 64:
                modules.append(Module(name or "unknown", base, base + size))
    except SourceError:
        pass
    return tuple(modules)
