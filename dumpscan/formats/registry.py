"""The formats, in the order in which they are tried."""

from __future__ import annotations

from dataclasses import replace

from dumpscan.errors import FormatError
from dumpscan.formats.base import HEAD_SIZE, Format
from dumpscan.formats.elf_core import ElfCore
from dumpscan.formats.faulthandler_text import FaulthandlerText
from dumpscan.formats.hprof import Hprof
from dumpscan.formats.lime import Lime
from dumpscan.formats.macho_core import MachoCore
from dumpscan.formats.minidump import Minidump
from dumpscan.formats.node_json import HeapSnapshot, NodeReport
from dumpscan.formats.raw import Raw
from dumpscan.formats.tombstone import Tombstone, TombstoneProto
from dumpscan.formats.vmware import VMware
from dumpscan.formats.windows_kernel import WindowsKernel
from dumpscan.model import Layout, Unread
from dumpscan.source import Source

FORMATS: tuple[Format, ...] = (
    ElfCore(),
    Minidump(),
    Hprof(),
    MachoCore(),
    Lime(),
    VMware(),
    WindowsKernel(),
    HeapSnapshot(),
    NodeReport(),
    Tombstone(),
    TombstoneProto(),
    FaulthandlerText(),
    Raw(),
)


def recognise(source: Source) -> Format:
    """The first format that takes the head of ``source`` for its own; ``Raw`` takes anything."""
    head = source.read(0, min(HEAD_SIZE, source.size))
    return next(fmt for fmt in FORMATS if fmt.sniff(head))


def read_layout(source: Source) -> Layout:
    """The layout of ``source``; a dump whose structure is unusable is laid out raw, with the reason in ``unread``."""
    fmt = recognise(source)
    try:
        return fmt.layout(source)
    except FormatError as error:
        raw = Raw().layout(source)
        return replace(raw, format=fmt.name, unread=(Unread(0, 0, f"structure not readable: {error}"),))
