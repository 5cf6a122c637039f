"""The registers in the protobuf of a tombstone, as bytes, and where the memory in it lies.

Fields of AOSP's ``debuggerd/proto/tombstone.proto``: ``Tombstone`` has ``threads`` = 16 and ``guest_threads`` = 25,
maps from a number to ``Thread``: ``name`` = 2, ``registers`` = 3 (``Register``: ``name`` = 1, ``u64`` = 2),
``memory_dump`` = 5 (``MemoryDump``: ``register_name`` = 1, ``begin_address`` = 3, ``memory`` = 4). A register holds
a varint, seven bits a byte, the lowest first; a smaller value in as many bytes ends in zeros, which readers take.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from dumpscan.formats.cover import cover
from dumpscan.formats.printed_memory import PrintedMemory
from dumpscan.model import Layout, Region, Thread, Unread
from dumpscan.source import Source

MAX_THREADS = 1 << 14
MAX_THREAD = 16 << 20
"""Bytes of one thread that are looked into."""

MAX_FIELDS = 1 << 20

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ARCH, _THREADS, _GUEST_THREADS = 1, 16, 25
_NARROW = (0, 2)  # ARM32, which is not written, since it is 0; X86
_PLAIN = re.compile(rb"[a-z][a-z0-9]{0,7}")


class Field(NamedTuple):
    """A field of a message: its value is a number, or stands from ``start`` to ``end`` of what it was read from."""

    number: int
    wire: int
    value: int
    start: int
    end: int


def read_field(data: bytes, start: int) -> Field | None:
    """The field at ``start``; its value may end past ``data``. None where there is no field."""
    key, first = read_varint(data, start)
    wire, value, end = key & 7, 0, -1
    if first < 0:
        return None
    if wire == _VARINT:
        value, end = read_varint(data, first)
    elif wire == _BYTES:
        size, first = read_varint(data, first)
        end = first + size if first >= 0 else -1
    elif wire in (_FIXED64, _FIXED32):
        end = first + (8 if wire == _FIXED64 else 4)
    return Field(key >> 3, wire, value, first, end) if end >= 0 else None


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """A number and where it ends: -1 if it does not."""
    value = 0
    for count, byte in enumerate(data[start : start + 10]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value & ((1 << 64) - 1), start + count + 1
    return 0, -1


def _fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields of the message ``data[start:end]``, up to the first that does not fit into it."""
    while start < end:
        field = read_field(data, start)
        if field is None or field.end > end:
            return
        yield field
        start = field.end


class ProtoRegisters(PrintedMemory):
    """A tombstone and its registers."""

    is_text = False

    def __init__(self, base: Source) -> None:
        super().__init__(base, ProtoRegisters)
        self._threads: list[Thread] = []
        self._dumps: list[Region] = []
        self._unread: list[Unread] = []
        self._width, self._lengths = 4, array("B")
        self._read()
        registers = self.finish()
        whole = Region(0, base.size, name="tombstone")
        self.layout = Layout(
            "android-tombstone-proto",
            cover([*self._dumps, whole, *registers], self.size),
            pointer_size=self._width,
            threads=tuple(self._threads),
            unread=tuple(self._unread),
        )

    # ------------------------------------------------------------ reading

    def _read(self) -> None:
        """Follow the fields of the tombstone, and look into threads."""
        at, size = 0, self.base.size
        for _ in range(MAX_FIELDS):
            field = read_field(self.base.read(at, min(20, size - at)), 0) if at < size else None
            if field is None or self.full:
                break
            if field.number == _ARCH and field.wire == _VARINT:
                self._width = 4 if field.value in _NARROW else 8
            elif field.number in (_THREADS, _GUEST_THREADS) and field.wire == _BYTES:
                self._entry(at + field.start, min(at + field.end, size))
            at += field.end
        if at != size:
            self._unread.append(Unread(min(at, size), 0, f"the tombstone ends at {size:#x}, in its field at {at:#x}"))

    def _entry(self, start: int, end: int) -> None:
        """A number and the thread with it."""
        if end - start > MAX_THREAD or len(self._threads) >= MAX_THREADS:
            self._unread.append(Unread(start, 0, f"a thread of {end - start} bytes at {start:#x} is not looked into"))
            return
        data = self.base.read(start, end - start)
        entry = {field.number: field for field in _fields(data, 0, len(data))}
        number = entry[1].value if 1 in entry else 0
        if 2 not in entry or entry[2].wire != _BYTES:
            return
        parts = list(_fields(data, entry[2].start, entry[2].end))
        name = next((data[part.start : part.end] for part in parts if part.number == 2), b"")
        self._threads.append(Thread(number, name=name.decode("utf-8", "replace") or None))
        self.begin(None, "registers", "registers", number)
        for part in parts:
            if part.number == 3 and part.wire == _BYTES and not self.full:
                self._register(start, data, part)
            elif part.number == 5 and part.wire == _BYTES:
                self._dump(start, data, part, number)

    def _register(self, base: int, data: bytes, register: Field) -> None:
        """One register; a message leaves out a value of 0, but its neighbours are not next to one another for that."""
        for field in _fields(data, register.start, register.end):
            if field.number == 2 and field.wire == _VARINT:
                self._lengths.append(field.end - field.start)
                self.add((field.value % (1 << 8 * self._width)).to_bytes(self._width, "little"), base + field.start)
                self.taken(base + field.start, base + field.end)
                return
        self._lengths.append(0)
        self.add(bytes(self._width), 0)

    def _dump(self, base: int, data: bytes, dump: Field, thread: int) -> None:
        """Memory around what a register pointed to, which stands in the file as it is."""
        parts = {field.number: field for field in _fields(data, dump.start, dump.end)}
        if 4 not in parts or parts[4].wire != _BYTES:
            return
        name = data[parts[1].start : parts[1].end] if 1 in parts else b""
        near = f"memory near {name.decode()}" if _PLAIN.fullmatch(name) else "memory"
        address = parts[3].value if 3 in parts else 0
        size = min(parts[4].end - parts[4].start, (1 << 64) - address)
        self._dumps.append(Region(base + parts[4].start, size, address, "memory", near, None, thread))

    # ------------------------------------------------------------ writing

    def patches(self, index: int, place: int, old: bytes, new: bytes) -> Iterator[tuple[int, bytes]]:
        """See :meth:`PrintedMemory.patches`. A number keeps its length, and loses what does not fit into it."""
        length, value = self._lengths[index], int.from_bytes(new, "little")
        if length:
            groups = (value >> 7 * count & 0x7F | (0x80 if count + 1 < length else 0) for count in range(length))
            yield place, bytes(groups)
