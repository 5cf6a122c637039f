"""Windows minidumps and their kin: dbghelp's, Breakpad's, Crashpad's, lldb's; structures in ``minidump_streams``."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from struct import Struct
from typing import Any

from dumpscan.errors import FormatError
from dumpscan.formats import minidump_streams as md
from dumpscan.formats.cover import cover, renamed
from dumpscan.formats.memory_map import ADDRESS_SPACE, AddressMap
from dumpscan.formats.minidump_crashpad import annotation_claims
from dumpscan.formats.minidump_file import Extent, MinidumpFile, merge
from dumpscan.formats.windows_process import MAX_THREADS, parameters
from dumpscan.model import Layout, Module, Region, Thread
from dumpscan.source import Source

MOST_MAPS = 1 << 24
"""Bytes of LinuxMaps that are read for names and permissions of memory."""
_MAPS_LINE = re.compile(
    rb"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-][w-][x-])[ps] [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ \d+[ \t]*(.*)$", re.MULTILINE
)
_TEXT_FIRST = {"environment": 0, "command-line": 0, "text": 1, "stream": 2}


class Minidump:
    """A minidump; memory, registers and texts are regions of their own, whatever streams they hang on."""

    name = "minidump"
    title = "minidump (Windows, Breakpad, Crashpad)"
    handling = (
        "memory, stacks, registers, environment, comments, annotations and unknown streams are scanned; "
        "occurrences are overwritten in place"
    )

    def sniff(self, head: bytes) -> bool:
        return head.startswith(md.SIGNATURE)

    def layout(self, source: Source) -> Layout:
        dump = MinidumpFile(source)
        header, streams = _directory(dump)
        return _Reader(dump, header, streams).layout()


def _directory(dump: MinidumpFile) -> tuple[list[Region], list[tuple[int, Extent]]]:
    """The regions of header and directory, and the streams (number, where) that are not empty."""
    found = dump.record(md.HEADER, 0)
    if found is None:
        raise FormatError(f"minidump of {dump.size} bytes, shorter than its {md.HEADER.size} byte header")
    header = md.Header(*found)
    if header.signature != md.SIGNATURE:
        raise FormatError("no minidump signature")
    if header.streams and header.directory_rva + md.ENTRY.size > dump.size:
        raise FormatError(f"dump ends at {dump.size:#x}, its directory is at {header.directory_rva:#x}")
    table = Extent(header.directory_rva, header.streams * md.ENTRY.size, "directory")
    count = dump.count(table, 0, md.ENTRY.size, header.streams)
    regions = [
        Region(0, md.HEADER.size, kind="header", name="header"),
        Region(table.rva, count * md.ENTRY.size, kind="header", name="directory"),
    ]
    entries = (md.Entry(*row) for row in dump.rows(md.ENTRY, table.rva, count))
    streams = [(e.number, Extent(e.rva, e.size, _stream_name(e.number))) for e in entries if e.number and e.size]
    return regions, streams


def _stream_name(number: int) -> str:
    return md.STREAMS[number][0] if number in md.STREAMS else f"{number:#010x}"


@dataclass(slots=True)
class _Tally:
    """Counts what a list points at and the file does not hold: one remark for a list, not one for an entry."""

    label: str
    total: int = 0
    short: int = 0
    missing: int = 0

    def clip(self, dump: MinidumpFile, rva: int, size: int) -> int:
        """How much of ``size`` bytes at ``rva`` is there; none if they would lie in the header."""
        held = 0 if rva < md.HEADER.size else max(min(size, dump.size - rva), 0)
        self.total += 1
        self.short += held < size
        self.missing += size - held
        return held

    def report(self, dump: MinidumpFile) -> None:
        if self.short:
            dump.miss(
                dump.size,
                self.missing,
                f"{self.label}: {self.short} of {self.total} not or not wholly in the file, "
                f"which ends at {dump.size:#x}, {self.missing} bytes short",
            )


class _Intervals:
    """What is known of address ranges; neighbours that agree are one."""

    def __init__(self, ranges: Iterable[tuple[int, int, str]]) -> None:
        self._starts: list[int] = []
        self._rest: list[tuple[int, str]] = []
        for start, end, value in sorted(ranges):
            if self._rest and self._rest[-1] == (start, value):
                self._rest[-1] = (end, value)
            else:
                self._starts.append(start)
                self._rest.append((end, value))

    def of(self, region: Region) -> str | None:
        """What holds for the whole of ``region``, if one thing does."""
        if region.address is None:
            return None
        index = bisect_right(self._starts, region.address) - 1
        if index < 0 or region.address + region.size > self._rest[index][0]:
            return None
        return self._rest[index][1] or None


class _Reader:
    """Collects from the streams of one dump what makes its layout."""

    def __init__(self, dump: MinidumpFile, header: list[Region], streams: list[tuple[int, Extent]]) -> None:
        self.dump = dump
        self.header = header
        self.streams = streams
        self.architecture: str | None = None
        self.stacks: list[Region] = []
        self.absent_stacks: list[tuple[int, int]] = []  # address, size of stacks that are not in the thread list
        self.memory: list[Region] = []
        self.registers: list[Region] = []
        self.texts: list[Region] = []
        self.named: set[int] = set()  # rva of strings that are among ``texts``
        self.threads: dict[int, Thread] = {}
        self.tebs: list[int] = []
        self.modules: list[Module] = []
        self.perms: list[tuple[int, int, str]] = []
        self.mappings: list[tuple[int, int, str]] = []

    def layout(self) -> Layout:
        self._read_streams()
        claims = [*self.stacks, *self.memory, *self.registers, *self.header, *merge(self.texts)]
        layout = Layout(
            format=Minidump.name,
            regions=self._described(cover(claims + self._stream_claims(), self.dump.size)),
            architecture=self.architecture,
            pointer_size=4 if self.architecture in md.NARROW else 8,
            modules=tuple(sorted(self.modules, key=lambda module: module.start)),
            threads=tuple(self.threads.values()),
        )
        layout = self._with_parameters(self._with_stacks(layout))
        return replace(layout, unread=tuple(self.dump.unread))

    def _read_streams(self) -> None:
        # the system comes first: it says how to read contexts; names of threads need the threads
        readers: dict[int, Callable[[Extent], None]] = {
            md.SYSTEM_INFO: self._system_info,
            md.THREAD_LIST: lambda stream: self._threads(stream, md.THREAD),
            md.THREAD_EX_LIST: lambda stream: self._threads(stream, md.THREAD_EX),
            md.EXCEPTION: self._exception,
            md.THREAD_NAMES: self._thread_names,
            md.MEMORY_LIST: self._memory_list,
            md.MEMORY64_LIST: self._memory64_list,
            md.MODULE_LIST: self._module_list,
            md.UNLOADED_MODULE_LIST: self._unloaded_modules,
            md.HANDLE_DATA: self._handles,
            md.MEMORY_INFO_LIST: self._memory_info,
            md.LINUX_MAPS: self._linux_maps,
            md.CRASHPAD_INFO: lambda stream: self.texts.extend(annotation_claims(self.dump, stream)),
        }
        first: dict[int, Extent] = {}
        repeated = 0
        for number, stream in self.streams:
            if number in readers and first.setdefault(number, stream) != stream:
                repeated += 1
        if repeated:
            self.dump.miss(0, 0, f"{repeated} streams repeat the number of another and are not followed")
        for number, reader in readers.items():
            if number in first:
                reader(first[number])

    def _stream_claims(self) -> list[Region]:
        """The streams themselves, texts before tables; a table that is cut off says so."""
        claims = []
        tally = _Tally("streams")
        for number, stream in self.streams:
            held = tally.clip(self.dump, stream.rva, stream.size)
            kind = md.STREAMS[number][1] if number in md.STREAMS else "stream"
            claims.append(Region(stream.rva, held, kind=kind, name=stream.label))
        tally.report(self.dump)
        return sorted(claims, key=lambda claim: _TEXT_FIRST[claim.kind])

    # ------------------------------------------------------------ memory

    def _memory_claim(self, tally: _Tally, address: int, size: int, rva: int) -> Iterator[Region]:
        """The part of a range that is in the file and in the address space, if any."""
        held = min(tally.clip(self.dump, rva, size), ADDRESS_SPACE - address)
        if held:
            yield Region(rva, held, address=address, kind="memory")

    def _memory_list(self, stream: Extent) -> None:
        tally = _Tally("memory ranges")
        for row in self.dump.counted(stream, md.MEMORY):
            self.memory.extend(self._memory_claim(tally, *md.Memory(*row)))
        tally.report(self.dump)

    def _memory64_list(self, stream: Extent) -> None:
        """The ranges lie in the file back to back, in the order of the list."""
        head = self.dump.record(md.MEMORY64_HEAD, stream.rva)
        if head is None or stream.size < md.MEMORY64_HEAD.size:
            self.dump.miss(stream.rva, 0, f"{stream.label} needs {md.MEMORY64_HEAD.size} bytes")
            return
        claimed, base = head
        count = self.dump.count(stream, md.MEMORY64_HEAD.size, md.MEMORY64.size, claimed)
        tally = _Tally("memory ranges")
        for address, size in self.dump.rows(md.MEMORY64, stream.rva + md.MEMORY64_HEAD.size, count):
            self.memory.extend(self._memory_claim(tally, address, size, base))
            base += size
        tally.report(self.dump)

    def _sized_table(self, stream: Extent, head: Struct, shape: Struct) -> Iterator[tuple[Any, ...]]:
        """The entries of a table whose head states the sizes of head and entries (later versions append fields)."""
        found = self.dump.record(head, stream.rva)
        if found is None or stream.size < head.size:
            self.dump.miss(stream.rva, 0, f"{stream.label} needs {head.size} bytes")
            return
        start, stride, claimed = found
        if not head.size <= start <= 4096 or not shape.size <= stride <= 4096:
            self.dump.miss(stream.rva, 0, f"{stream.label} has a head of {start} bytes and entries of {stride}")
            return
        count = self.dump.count(stream, start, stride, claimed)
        yield from self.dump.rows(shape, stream.rva + start, count, stride)

    def _memory_info(self, stream: Extent) -> None:
        for row in self._sized_table(stream, md.MEMORY_INFO_HEAD, md.MEMORY_INFO):
            info = md.MemoryInfo(*row)
            if info.state == md.MEM_COMMIT:
                perms = md.PERMS.get(info.protect & 0xFF, "")
                self.perms.append((info.address, info.address + info.size, perms))

    def _linux_maps(self, stream: Extent) -> None:
        text = self.dump.read(stream.rva, min(stream.size, MOST_MAPS))
        for start, end, perms, path in _MAPS_LINE.findall(text):
            span = int(start, 16), int(end, 16)
            self.perms.append((*span, perms.decode()))
            self.mappings.append((*span, path.decode("utf-8", "replace").strip("[]")))

    # ------------------------------------------------------------ threads

    def _system_info(self, stream: Extent) -> None:
        number = self.dump.number(md.U16, stream.rva)
        self.architecture = md.ARCHITECTURES.get(number) if stream.size >= md.U16.size else None
        self._claim_name(self.dump.number(md.U32, stream.rva + 24) if stream.size >= 28 else 0, "system names")

    def _threads(self, stream: Extent, shape: Struct) -> None:
        contexts, stacks = _Tally("thread contexts"), _Tally("thread stacks")
        for row in self.dump.counted(stream, shape):
            entry = md.ThreadEntry(*row)
            held = contexts.clip(self.dump, entry.context_rva, entry.context_size)
            pointer = self._claim_context(entry.id, entry.context_rva, held, "context")
            self.threads.setdefault(entry.id, Thread(entry.id, pointer))
            if entry.teb and len(self.tebs) < MAX_THREADS:
                self.tebs.append(entry.teb)
            self._claim_stack(entry, stacks)
        contexts.report(self.dump)
        stacks.report(self.dump)

    def _claim_stack(self, entry: md.ThreadEntry, tally: _Tally) -> None:
        if not entry.stack_rva and entry.stack_size:
            # as dbghelp writes it beside a Memory64List, where the stack then is
            self.absent_stacks.append((entry.stack_address, entry.stack_size))
        elif entry.stack_size:
            for claim in self._memory_claim(tally, entry.stack_address, entry.stack_size, entry.stack_rva):
                self.stacks.append(replace(claim, name="stack", thread=entry.id))

    def _claim_context(self, thread: int, rva: int, size: int, name: str) -> int:
        """Claim the registers of a thread; returns its stack pointer, 0 if that is not known."""
        if not size:
            return 0
        self.registers.append(Region(rva, size, kind="registers", name=name, thread=thread))
        known = md.CONTEXTS.get(self.architecture or "")
        if known is None or size < known.minimum:
            return 0
        if not self.dump.number(md.U32, rva + known.flags_offset) & known.flag:
            return 0
        return self.dump.number(md.U64 if known.width == 8 else md.U32, rva + known.stack_pointer)

    def _exception(self, stream: Extent) -> None:
        found = self.dump.record(md.EXCEPTION_STREAM, stream.rva)
        if found is None or stream.size < md.EXCEPTION_STREAM.size:
            self.dump.miss(stream.rva, 0, f"{stream.label} needs {md.EXCEPTION_STREAM.size} bytes")
            return
        entry = md.ExceptionStream(*found)
        tally = _Tally("exception context")
        held = tally.clip(self.dump, entry.context_rva, entry.context_size)
        tally.report(self.dump)
        pointer = self._claim_context(entry.thread, entry.context_rva, held, "exception context")
        thread = self.threads.get(entry.thread)
        if thread is not None and not thread.stack_pointer:
            self.threads[thread.id] = replace(thread, stack_pointer=pointer)

    def _thread_names(self, stream: Extent) -> None:
        for number, rva in self.dump.counted(stream, md.THREAD_NAME):
            self._claim_name(rva, "thread names")
            thread = self.threads.get(number)
            if thread is not None and thread.name is None:
                self.threads[number] = replace(thread, name=self.dump.utf16(rva) or None)

    # ------------------------------------------------------------ names

    def _claim_name(self, rva: int, name: str) -> None:
        if rva in self.named:
            return
        self.named.add(rva)
        claim = self.dump.string_claim(rva, "names", name)
        if claim is not None:
            self.texts.append(claim)

    def _module_list(self, stream: Extent) -> None:
        for row in self.dump.counted(stream, md.MODULE):
            entry = md.ModuleEntry(*row)
            self._claim_name(entry.name_rva, "module names")
            for rva, size in ((entry.cv_rva, entry.cv_size), (entry.misc_rva, entry.misc_size)):
                if rva >= md.HEADER.size and 0 < size < self.dump.size - rva:
                    self.texts.append(Region(rva, size, kind="names", name="module debug records"))
            if entry.size:
                name = self.dump.utf16(entry.name_rva)
                self.modules.append(Module(name, entry.base, entry.base + entry.size))

    def _unloaded_modules(self, stream: Extent) -> None:
        for (rva,) in self._sized_table(stream, md.SIZED_HEAD, md.UNLOADED_NAME):
            self._claim_name(rva, "unloaded module names")

    def _handles(self, stream: Extent) -> None:
        for kind_rva, name_rva in self._sized_table(stream, md.SIZED_HEAD, md.HANDLE_NAMES):
            self._claim_name(kind_rva, "handle names")
            self._claim_name(name_rva, "handle names")

    # ------------------------------------------------------------ what regions are

    def _described(self, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        """Memory with the permissions and the mapped file that hold for the whole of a region."""
        perms, mappings = _Intervals(self.perms), _Intervals(self.mappings)
        modules = _Intervals((module.start, module.end, module.name) for module in self.modules)

        def describe(region: Region) -> Region:
            name = region.name or mappings.of(region) or modules.of(region)
            return replace(region, name=name, perms=perms.of(region))

        return tuple(describe(region) if region.kind == "memory" else region for region in regions)

    def _with_stacks(self, layout: Layout) -> Layout:
        """Name the regions that stack pointers point into; note stacks that are nowhere."""
        memory = AddressMap(layout)
        offsets = [region.offset for region in layout.regions]
        regions = list(layout.regions)
        for thread in layout.threads:
            offset = memory.offset_of(thread.stack_pointer) if thread.stack_pointer else None
            index = -1 if offset is None else bisect_right(offsets, offset) - 1
            if index >= 0 and regions[index].thread is None:
                regions[index] = replace(regions[index], name="stack", thread=thread.id)
        nowhere = [size for address, size in self.absent_stacks if memory.offset_of(address) is None]
        if nowhere:
            self.dump.miss(self.dump.size, sum(nowhere), f"{len(nowhere)} thread stacks are not in the file")
        return replace(layout, regions=tuple(regions))

    def _with_parameters(self, layout: Layout) -> Layout:
        """Name what a Windows process was started with, as far as it is in the dump."""
        memory = AddressMap(layout)
        blocks = parameters(partial(memory.read, self.dump.source), self.tebs, layout.pointer_size == 8)
        places = [(span, block.name) for block in blocks for span in memory.spans(block.address, block.size)]
        return replace(layout, regions=tuple(renamed(layout.regions, places))) if places else layout
