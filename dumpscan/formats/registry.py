"""The formats, in the order in which they are tried."""

from __future__ import annotations

from dataclasses import replace

from dumpscan.entry import Entry
from dumpscan.errors import FormatError
from dumpscan.formats.base import HEAD_SIZE, EncodedFormat, Format, LateFormat
from dumpscan.formats.raw import Raw
from dumpscan.model import Layout, Unread
from dumpscan.plain import PlainSource
from dumpscan.source import Source


def _format(module: str, name: str, *starts: bytes, holds: tuple[bytes, ...] = ()) -> Entry[Format]:
    return Entry(f"dumpscan.formats.{module}", name, starts, holds)


_MACHO = (b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf")
_VMWARE = (b"\xd0\xbe\xd2\xbe", b"\xd1\xba\xd1\xba", b"\xd2\xbe\xd2\xbe", b"\xd3\xbe\xd3\xbe")
_FATAL = (b"Fatal Python error: ", b"(most recent call first):", b"Timeout (")

_MICRODUMP = _format("microdump", "Microdump", holds=(b"-----BEGIN BREAKPAD MICRODUMP-----",))

ENTRIES = (
    _format("elf_core", "ElfCore", b"\x7fELF"),
    _format("minidump", "Minidump", b"MDMP"),
    _format("hprof", "Hprof", b"JAVA PROFILE 1.0."),
    _format("macho_core", "MachoCore", *_MACHO),
    _format("windows_kernel", "WindowsKernel", b"PAGEDU64", b"PAGEDUMP"),
    _format("kdump", "Kdump", b"KDUMP   ", b"DISKDUMP"),
    _format("flattened", "Flattened", b"makedumpfile\0"),
    _format("lime", "Lime", b"EMiL"),
    _format("avml", "Avml", b"AVML"),
    _format("vmware", "VMware", *_VMWARE),
    _format("node_json", "HeapSnapshot", holds=(b'"snapshot"',)),
    _format("node_json", "NodeReport", holds=(b'"reportVersion"',)),
    _format("tombstone", "Tombstone", holds=(b"*** *** *** ***",)),
    _format("tombstone", "TombstoneProto", b"\x08", b"\x12"),
    _MICRODUMP,
    _format("faulthandler_text", "FaulthandlerText", holds=_FATAL),
    _format("raw", "Raw"),
)
"""What stands here of a format only leads to it: whether a file is of it says its ``sniff``."""

LATE = (_MICRODUMP,)
"""Those that may begin behind the head of a file."""

_DEPTH = 3
"""Encodings around one another that are taken off: a flattened kdump has two."""


def recognise(source: Source) -> Format:
    """The first format that takes the head of ``source`` for its own, or lies in it; ``Raw`` takes anything."""
    head = source.read(0, min(HEAD_SIZE, source.size))
    found = next(entry.reader() for entry in ENTRIES if entry.may_take(head) and entry.reader().sniff(head))
    if isinstance(found, Raw):
        late = (entry.reader() for entry in LATE)
        return next((fmt for fmt in late if isinstance(fmt, LateFormat) and fmt.lies_in(source)), found)
    return found


def formats() -> tuple[Format, ...]:
    """All of them, in the order in which they are tried."""
    return tuple(entry.reader() for entry in ENTRIES)


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
