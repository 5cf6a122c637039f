"""Builds minidumps from the documented layouts, with numbers of its own: nothing is shared with the reader.

>>> dump = MinidumpMaker().system(9).memory((0x1000, b"abc")).build()
"""

from __future__ import annotations

import struct

Ranges = tuple[int, bytes]


class MinidumpMaker:
    """Collects streams; :meth:`build` gives the file. Data goes behind header and directory, 8-byte aligned.

    Room for ``slots`` directory entries is kept; the directory holds those that were used.
    """

    def __init__(self, slots: int = 24) -> None:
        self._body = bytearray(32 + 12 * slots)
        self._directory: list[tuple[int, int, int]] = []

    # ------------------------------------------------------------ building blocks

    def place(self, data: bytes, align: int = 8) -> int:
        """Append ``data``; returns its rva."""
        self._body += bytes(-len(self._body) % align)
        rva = len(self._body)
        self._body += data
        return rva

    def stream(self, number: int, data: bytes) -> MinidumpMaker:
        """Any stream."""
        return self.point(number, len(data), self.place(data))

    def point(self, number: int, size: int, rva: int) -> MinidumpMaker:
        """A directory entry, true or not."""
        self._directory.append((number, size, rva))
        return self

    def wide(self, text: str) -> int:
        """A MINIDUMP_STRING."""
        data = text.encode("utf-16-le")
        return self.place(struct.pack("<I", len(data)) + data + b"\0\0")

    def narrow(self, data: bytes) -> int:
        """A MinidumpUTF8String or a ByteArray."""
        return self.place(struct.pack("<I", len(data)) + data + b"\0")

    def build(self) -> bytes:
        body = bytearray(self._body)
        struct.pack_into("<4sIIIIIQ", body, 0, b"MDMP", 0x1234A793, len(self._directory), 32, 0, 1_600_000_000, 0)
        for index, entry in enumerate(self._directory):
            struct.pack_into("<III", body, 32 + 12 * index, *entry)
        return bytes(body)

    # ------------------------------------------------------------ streams

    def system(self, processor: int) -> MinidumpMaker:
        """SystemInfo; ``processor`` 0 x86, 5 ARM, 9 AMD64, 12 ARM64."""
        pack = self.wide("Service Pack 1")
        return self.stream(7, struct.pack("<HHHBBIIIIIHH24x", processor, 6, 1, 4, 1, 10, 0, 19041, 2, pack, 0, 0))

    def memory(self, *ranges: Ranges, pad: bool = False) -> MinidumpMaker:
        """MemoryList, with macOS Breakpad's pad after the count if wanted."""
        rows = b"".join(struct.pack("<QII", va, len(data), self.place(data)) for va, data in ranges)
        return self.stream(5, struct.pack("<I", len(ranges)) + (b"\0\0\0\0" if pad else b"") + rows)

    def memory64(self, *ranges: Ranges) -> MinidumpMaker:
        """Memory64List; call it last if its data is to end the file."""
        size = 16 + 16 * len(ranges)
        table = self.place(bytes(size))
        base = self.place(b"".join(data for _, data in ranges))
        rows = b"".join(struct.pack("<QQ", va, len(data)) for va, data in ranges)
        self._body[table : table + size] = struct.pack("<QQ", len(ranges), base) + rows
        return self.point(9, size, table)

    def thread(self, number: int, stack: tuple[int, int, int], context: bytes, teb: int = 0x7FF0_0000) -> bytes:
        """One MINIDUMP_THREAD; ``stack`` is (address, size, rva)."""
        place = self.place(context)
        return struct.pack("<IIIIQQIIII", number, 0, 32, 8, teb, *stack, len(context), place)

    def threads(self, *rows: bytes) -> MinidumpMaker:
        return self.stream(3, struct.pack("<I", len(rows)) + b"".join(rows))

    def threads_ex(self, *rows: bytes) -> MinidumpMaker:
        return self.stream(8, struct.pack("<I", len(rows)) + b"".join(row + bytes(16) for row in rows))

    def thread_names(self, names: dict[int, str]) -> MinidumpMaker:
        rows = b"".join(struct.pack("<IQ", number, self.wide(name)) for number, name in names.items())
        return self.stream(24, struct.pack("<I", len(names)) + rows)

    def modules(self, *modules: tuple[int, int, str]) -> MinidumpMaker:
        """ModuleList of (base, size, path), each with a CodeView record."""
        rows = b""
        for base, size, path in modules:
            record = b"RSDS" + bytes(range(16)) + struct.pack("<I", 1) + b"c:\\build\\it.pdb\0"
            place = self.place(record)
            rows += struct.pack("<QIIII52x", base, size, 0, 0, self.wide(path))
            rows += struct.pack("<IIII16x", len(record), place, 0, 0)
        return self.stream(4, struct.pack("<I", len(modules)) + rows)

    def unloaded(self, *modules: tuple[int, int, str]) -> MinidumpMaker:
        rows = b"".join(struct.pack("<QIIII", base, size, 0, 0, self.wide(path)) for base, size, path in modules)
        return self.stream(14, struct.pack("<III", 12, 24, len(modules)) + rows)

    def exception(self, thread: int, context: bytes) -> MinidumpMaker:
        place = self.place(context)
        record = struct.pack("<IIQQII", 0xC0000005, 0, 0, 0x401000, 0, 0) + bytes(120)
        return self.stream(6, struct.pack("<II", thread, 0) + record + struct.pack("<II", len(context), place))

    def handles(self, *handles: tuple[str, str]) -> MinidumpMaker:
        """HandleData (second version, 40-byte descriptors) of (type, name)."""
        rows = b"".join(
            struct.pack("<QIIIIIIII", 4 * i, self.wide(kind), self.wide(name), 0, 0, 1, 1, 0, 0)
            for i, (kind, name) in enumerate(handles)
        )
        return self.stream(12, struct.pack("<IIII", 16, 40, len(handles), 0) + rows)

    def memory_info(self, *ranges: tuple[int, int, int]) -> MinidumpMaker:
        """MemoryInfoList of committed ranges (address, size, protection)."""
        rows = b"".join(
            struct.pack("<QQIIQIIII", va, va, 4, 0, size, 0x1000, protect, 0x20000, 0) for va, size, protect in ranges
        )
        return self.stream(16, struct.pack("<IIQ", 16, 48, len(ranges)) + rows)

    def crashpad(self, simple: dict[bytes, bytes], objects: dict[bytes, bytes], listed: list[bytes]) -> MinidumpMaker:
        """CrashpadInfo: process annotations, and one module with annotation objects and an annotation list."""
        first = self._table([struct.pack("<II", self.narrow(k), self.narrow(v)) for k, v in simple.items()])
        second = self._table([struct.pack("<IHHI", self.narrow(k), 1, 0, self.narrow(v)) for k, v in objects.items()])
        third = self._table([struct.pack("<I", self.narrow(v)) for v in listed])
        module = struct.pack("<I6I", 1, *third, 0, 0, *second)
        link = self._table([struct.pack("<III", 0, len(module), self.place(module))])
        return self.stream(0x43500001, struct.pack("<I32xIIII", 1, *first, *link))

    def _table(self, rows: list[bytes]) -> tuple[int, int]:
        data = struct.pack("<I", len(rows)) + b"".join(rows)
        return len(data), self.place(data)


def context(processor: int, stack_pointer: int) -> bytes:
    """A CONTEXT of processor 0, 5, 9 or 12 in which only flags and stack pointer are set."""
    size, flags_at, flags, pointer_at, code = {
        0: (716, 0, 0x1003F, 196, "<I"),
        5: (416, 0, 0x20000F, 56, "<I"),
        9: (1232, 48, 0x10001F, 152, "<Q"),
        12: (912, 0, 0x40000F, 256, "<Q"),
    }[processor]
    data = bytearray(size)
    struct.pack_into("<I", data, flags_at, flags)
    struct.pack_into(code, data, pointer_at, stack_pointer)
    return bytes(data)


def full_dump(processor: int = 9) -> bytes:
    """A dump with everything that the maker knows."""
    maker = MinidumpMaker().system(processor)
    stack = maker.place(b"stack of thread seven".ljust(64, b"."))
    rows = [
        maker.thread(7, (0x7000_0000, 64, stack), context(processor, 0x7000_0010)),
        maker.thread(8, (0x6000_0000, 0, 0), context(processor, 0x6000_0020)),
    ]
    maker.threads(*rows).threads_ex(*rows).thread_names({7: "main", 8: "wörker"})
    maker.modules((0x40_0000, 0x5000, "C:\\app\\leak.exe"), (0x7700_0000, 0x1000, "C:\\Windows\\System32\\ntdll.dll"))
    maker.unloaded((0x5000_0000, 0x1000, "gone.dll")).exception(7, context(processor, 0x7000_0010))
    maker.handles(("File", "\\Device\\secret.txt"), ("Event", "ready"))
    maker.memory_info((0x10_0000, 0x1000, 4), (0x6000_0000, 0x1000, 4), (0x40_0000, 0x1000, 0x20))
    maker.crashpad({b"url": b"https://example.test/"}, {b"user-id": b"u-17"}, [b"plain annotation"])
    maker.stream(10, b"a comment").stream(11, "wide comment".encode("utf-16-le")).stream(15, bytes(24))
    maker.stream(0x47670006, b"leak\0--token\0").stream(0x47670007, b"HOME=/root\0KEY=1\0").stream(0xABCD0001, b"mine")
    maker.memory((0x10_0000, b"heap" * 64), (0x6000_0000, b"S" * 128), (0x40_0000, b"code" * 16))
    return maker.memory64((0x9000_0000, b"m" * 100), (0x8000_0000, b"n" * 50)).build()
