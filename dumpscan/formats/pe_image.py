"""Addresses as people know them: module, section, offset.

Offsets count from the base of the module, as debuggers do (``ntdll+0x1a2b0``), not from the start of the section.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from dumpscan.formats.memory_map import AddressMap
from dumpscan.model import Layout, Module
from dumpscan.source import Source

MOST_HEADERS = 0x10000
"""Bytes of a mapped image that are read for its headers."""


class _Section(NamedTuple):
    start: int  # relative to the module's base
    end: int
    name: str


class Images:
    """The modules of a dump; a module's headers are read when it is first asked about, once."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self._source = source
        self._memory = AddressMap(layout)
        self._modules = sorted(layout.modules, key=lambda module: module.start)
        self._starts = [module.start for module in self._modules]
        self._sections: dict[Module, tuple[_Section, ...]] = {}

    def describe(self, address: int) -> str | None:
        """``ntdll.dll, section .rdata, +0x1a2b0`` (offset from the module's base), or ``None`` outside modules.

        The section is left out where the image is not PE or its headers are not in the dump. Raises
        :class:`dumpscan.errors.SourceError` if the dump cannot be read.
        """
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._modules[index].end:
            return None
        module = self._modules[index]
        relative = address - module.start
        if module not in self._sections:
            self._sections[module] = self._read_sections(module)
        section = next((s.name for s in self._sections[module] if s.start <= relative < s.end), None)
        where = "" if section is None else f"section {section}, "
        return f"{_base_name(module.name)}, {where}+{relative:#x}"

    def _read_sections(self, module: Module) -> tuple[_Section, ...]:
        head = self._memory.read(self._source, module.start, min(MOST_HEADERS, module.end - module.start))
        return _sections(head) if head.startswith(b"MZ") else ()


def _sections(head: bytes) -> tuple[_Section, ...]:
    """The sections that the mapped headers of a PE image name; none if they make no sense."""
    import pefile  # here, for it takes a hundredth of the start, and only findings in modules of Windows need it

    try:
        image = pefile.PE(data=head, fast_load=True)
        return tuple(
            _Section(s.VirtualAddress, s.VirtualAddress + (s.Misc_VirtualSize or s.SizeOfRawData), _plain(s.Name))
            for s in image.sections
        )
    except Exception:  # hostile headers: pefile raises more than its PEFormatError (struct.error, AttributeError, …)
        return ()


def _plain(name: bytes) -> str:
    """A section name, eight bytes padded with zeros, made printable."""
    text = name.partition(b"\0")[0].decode("ascii", "replace")
    return "".join(c if c.isprintable() else "?" for c in text) or "?"


def _base_name(path: str) -> str:
    """The last part of a path of any system, made printable."""
    name = path.replace("\\", "/").rpartition("/")[2] or path
    return "".join(c if c.isprintable() else "?" for c in name)
