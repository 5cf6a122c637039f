"""The formats, in the order in which they are tried."""

from __future__ import annotations

from dataclasses import replace

from dumpscan.errors import FormatError
from dumpscan.formats.avml import Avml
from dumpscan.formats.base import HEAD_SIZE, EncodedFormat, Format, LateFormat
from dumpscan.formats.elf_core import ElfCore
from dumpscan.formats.faulthandler_text import FaulthandlerText
from dumpscan.formats.flattened import Flattened
from dumpscan.formats.hprof import Hprof
from dumpscan.formats.kdump import Kdump
from dumpscan.formats.lime import Lime
from dumpscan.formats.macho_core import MachoCore
from dumpscan.formats.microdump import Microdump
from dumpscan.formats.minidump import Minidump
from dumpscan.formats.node_json import HeapSnapshot, NodeReport
from dumpscan.formats.raw import Raw
from dumpscan.formats.tombstone import Tombstone, TombstoneProto
from dumpscan.formats.vmware import VMware
from dumpscan.formats.windows_kernel import WindowsKernel
from dumpscan.model import Layout, Unread
from dumpscan.plain import PlainSource
from dumpscan.source import Source

FORMATS: tuple[Format, ...] = (
    ElfCore(),
    Minidump(),
    Hprof(),
    MachoCore(),
    WindowsKernel(),
    Kdump(),
    Flattened(),
    Lime(),
    Avml(),
    VMware(),
    HeapSnapshot(),
    NodeReport(),
    Tombstone(),
    TombstoneProto(),
    Microdump(),
    FaulthandlerText(),
    Raw(),
)

_DEPTH = 3
"""Encodings around one another that are taken off: a flattened kdump has two."""


def recognise(source: Source) -> Format:
    """The first format that takes the head of ``source`` for its own, or lies in it; ``Raw`` takes anything."""
    head = source.read(0, min(HEAD_SIZE, source.size))
    found = next(fmt for fmt in FORMATS if fmt.sniff(head))
    if isinstance(found, Raw):
        return next((fmt for fmt in FORMATS if isinstance(fmt, LateFormat) and fmt.lies_in(source)), found)
    return found


def plain_view(source: Source) -> Source:
    """The plain bytes of ``source`` if its format encodes them, else ``source``; what scans and offsets refer to."""
    for _ in range(_DEPTH):
        if isinstance(source, PlainSource) and source.layout is not None:
            break
        fmt = recognise(source)
        if not isinstance(fmt, EncodedFormat):
            break
        try:
            source = fmt.open(source)
        except FormatError:  # told by read_layout()
            break
    return source


def read_layout(source: Source) -> Layout:
    """The layout of ``source``; a dump whose structure is unusable is laid out raw, with the reason in ``unread``."""
    if isinstance(source, PlainSource) and source.layout is not None:
        return source.layout
    fmt = recognise(source)
    try:
        layout = fmt.layout(source)
    except FormatError as error:
        layout = Raw().layout(source)
        unread = Unread(0, 0, f"structure not readable: {error}")
        layout = replace(layout, format=fmt.name, unread=(unread,))
    return replace(layout, unread=(*layout.unread, *source.unread)) if isinstance(source, PlainSource) else layout
