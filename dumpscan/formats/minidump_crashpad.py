"""The annotations in a Crashpad minidump: keys and values that the program put there, the classic leak."""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import Struct
from typing import Any

from dumpscan.formats.minidump_file import Extent, MinidumpFile
from dumpscan.formats.minidump_streams import (
    CRASHPAD,
    CRASHPAD_LINK,
    CRASHPAD_MODULE,
    CRASHPAD_OBJECT,
    CRASHPAD_PAIR,
    U32,
    CrashpadInfo,
    CrashpadModule,
)
from dumpscan.model import Region

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,39}")


def annotation_claims(dump: MinidumpFile, stream: Extent) -> Iterator[Region]:
    """The strings that the CrashpadInfo stream points at, kind ``text``."""
    found = dump.record(CRASHPAD, stream.rva) if stream.size >= CRASHPAD.size else None
    if found is None:
        dump.miss(stream.rva, 0, f"{stream.label} needs {CRASHPAD.size} bytes")
        return
    info = CrashpadInfo(*found)
    yield from _pairs(dump, Extent(info.annotations_rva, info.annotations_size, "annotations"))
    links = Extent(info.modules_rva, info.modules_size, "module annotations")
    for size, rva in _table(dump, links, CRASHPAD_LINK):
        module = dump.record(CRASHPAD_MODULE, rva) if size >= CRASHPAD_MODULE.size else None
        if module is not None:
            yield from _module(dump, CrashpadModule(*module))


def _module(dump: MinidumpFile, module: CrashpadModule) -> Iterator[Region]:
    for (rva,) in _table(dump, Extent(module.list_rva, module.list_size, "annotation list"), U32):
        yield from _claim(dump, rva, "annotation")
    yield from _pairs(dump, Extent(module.simple_rva, module.simple_size, "module annotations"))
    objects = Extent(module.objects_rva, module.objects_size, "annotation objects")
    for key, value in _table(dump, objects, CRASHPAD_OBJECT):
        yield from _pair(dump, key, value)


def _pairs(dump: MinidumpFile, table: Extent) -> Iterator[Region]:
    for key, value in _table(dump, table, CRASHPAD_PAIR):
        yield from _pair(dump, key, value)


def _pair(dump: MinidumpFile, key: int, value: int) -> Iterator[Region]:
    yield from _claim(dump, key, "annotation keys")
    name = dump.text(key).decode("ascii", "replace")
    # a key that does not look like one may be anything, and names of regions are reported
    yield from _claim(dump, value, f"annotation {name}" if _PLAIN.fullmatch(name) else "annotation")


def _claim(dump: MinidumpFile, rva: int, name: str) -> Iterator[Region]:
    region = dump.string_claim(rva, "text", name)
    if region is not None:
        yield region


def _table(dump: MinidumpFile, table: Extent, shape: Struct) -> Iterator[tuple[Any, ...]]:
    """A counted table without pad, charged to the file's credit: any number of modules may point at one table."""
    if table.size < U32.size or not table.rva:
        return
    count = dump.count(table, U32.size, shape.size, dump.number(U32, table.rva))
    if dump.spend(count * shape.size):
        yield from dump.rows(shape, table.rva + U32.size, count)
