"""What stands in a minidump: stream numbers, records, register contexts. No logic.

Little-endian throughout. ``rva`` is an offset from the start of the file, 32 bits wide but for ``Memory64List``.
Sources: ``minidumpapiset.h`` and ``winnt.h`` of the Windows SDK (documented under "MINIDUMP_STREAM_TYPE" and its
neighbours), Breakpad's ``minidump_format.h`` (streams 0x4767xxxx), Crashpad's ``minidump_extensions.h``
(0x4350xxxx), Mozilla's (0x4d7axxxx).
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

SIGNATURE = b"MDMP"

# ---------------------------------------------------------------- stream numbers

THREAD_LIST = 3
MODULE_LIST = 4
MEMORY_LIST = 5
EXCEPTION = 6
SYSTEM_INFO = 7
THREAD_EX_LIST = 8
MEMORY64_LIST = 9
HANDLE_DATA = 12
UNLOADED_MODULE_LIST = 14
MEMORY_INFO_LIST = 16
THREAD_NAMES = 24
CRASHPAD_INFO = 0x43500001
LINUX_MAPS = 0x47670009
DUMPSCAN_MARK = 0x64730001
"""What was redacted, as text: a user stream, above LastReservedStream (0xFFFF)."""

STREAMS: dict[int, tuple[str, str]] = {
    THREAD_LIST: ("ThreadList", "stream"),
    MODULE_LIST: ("ModuleList", "stream"),
    MEMORY_LIST: ("MemoryList", "stream"),
    EXCEPTION: ("Exception", "stream"),
    SYSTEM_INFO: ("SystemInfo", "stream"),
    THREAD_EX_LIST: ("ThreadExList", "stream"),
    MEMORY64_LIST: ("Memory64List", "stream"),
    10: ("CommentA", "text"),
    11: ("CommentW", "text"),
    HANDLE_DATA: ("HandleData", "stream"),
    13: ("FunctionTable", "stream"),
    UNLOADED_MODULE_LIST: ("UnloadedModuleList", "stream"),
    15: ("MiscInfo", "stream"),
    MEMORY_INFO_LIST: ("MemoryInfoList", "stream"),
    17: ("ThreadInfoList", "stream"),
    18: ("HandleOperationList", "stream"),
    19: ("Token", "stream"),
    20: ("JavaScriptData", "stream"),
    21: ("SystemMemoryInfo", "stream"),
    22: ("ProcessVmCounters", "stream"),
    23: ("IptTrace", "stream"),
    THREAD_NAMES: ("ThreadNames", "stream"),
    CRASHPAD_INFO: ("CrashpadInfo", "stream"),
    0x47670001: ("BreakpadInfo", "stream"),
    0x47670002: ("AssertionInfo", "text"),
    0x47670003: ("LinuxCpuInfo", "text"),
    0x47670004: ("LinuxProcStatus", "text"),
    0x47670005: ("LinuxLsbRelease", "text"),
    0x47670006: ("LinuxCmdLine", "command-line"),
    0x47670007: ("LinuxEnviron", "environment"),
    0x47670008: ("LinuxAuxv", "stream"),
    LINUX_MAPS: ("LinuxMaps", "text"),
    0x4767000A: ("LinuxDsoDebug", "stream"),
    DUMPSCAN_MARK: ("DumpscanMark", "stream"),
    0x4D7A0001: ("MozMacosCrashInfo", "text"),
    0x4D7A0002: ("MozMacosBootargs", "text"),
    0x4D7A0003: ("MozLinuxLimits", "text"),
    0x4D7A0004: ("MozSoftErrors", "text"),
}
"""Number -> name and kind of the region that holds the stream itself."""

# ---------------------------------------------------------------- records


class Header(NamedTuple):
    """MINIDUMP_HEADER, without version, checksum (0 in practice), time and flags."""

    signature: bytes
    streams: int
    directory_rva: int


HEADER = Struct("<4s4xII16x")


class Entry(NamedTuple):
    """MINIDUMP_DIRECTORY: one stream."""

    number: int
    size: int
    rva: int


ENTRY = Struct("<III")


class Memory(NamedTuple):
    """MINIDUMP_MEMORY_DESCRIPTOR."""

    address: int
    size: int
    rva: int


MEMORY = Struct("<QII")
MEMORY64 = Struct("<QQ")
MEMORY64_HEAD = Struct("<QQ")


class ThreadEntry(NamedTuple):
    """MINIDUMP_THREAD and the same fields of MINIDUMP_THREAD_EX."""

    id: int
    teb: int
    stack_address: int
    stack_size: int
    stack_rva: int
    context_size: int
    context_rva: int


THREAD = Struct("<I12xQQIIII")
THREAD_EX = Struct("<I12xQQIIII16x")


class ModuleEntry(NamedTuple):
    """MINIDUMP_MODULE. The CodeView record holds the path of the PDB file or an ELF build id."""

    base: int
    size: int
    name_rva: int
    cv_size: int
    cv_rva: int
    misc_size: int
    misc_rva: int


MODULE = Struct("<QI8xI52xIIII16x")

SIZED_HEAD = Struct("<III")
MEMORY_INFO_HEAD = Struct("<IIQ")
"""Heads of tables that state the size of head and entry, then how many there are."""

UNLOADED_NAME = Struct("<20xI")
HANDLE_NAMES = Struct("<8xII")
THREAD_NAME = Struct("<IQ")


class MemoryInfo(NamedTuple):
    """MINIDUMP_MEMORY_INFO: what VirtualQuery says of a range."""

    address: int
    size: int
    state: int
    protect: int


MEMORY_INFO = Struct("<Q16xQII8x")
MEM_COMMIT = 0x1000
PERMS = {1: "---", 2: "r--", 4: "rw-", 8: "rw-", 0x10: "--x", 0x20: "r-x", 0x40: "rwx", 0x80: "rwx"}
"""PAGE_* constants (low byte of the protection) as permissions; copy-on-write counts as writable."""


class ExceptionStream(NamedTuple):
    """MINIDUMP_EXCEPTION_STREAM: the thread, and the registers at the moment of the exception."""

    thread: int
    context_size: int
    context_rva: int


EXCEPTION_STREAM = Struct("<I156xII")

U16 = Struct("<H")
U32 = Struct("<I")
U64 = Struct("<Q")

# ---------------------------------------------------------------- Crashpad


class CrashpadInfo(NamedTuple):
    """MinidumpCrashpadInfo, version 1, from its first location on (two UUIDs stand before)."""

    annotations_size: int
    annotations_rva: int
    modules_size: int
    modules_rva: int


CRASHPAD = Struct("<36xIIII")
CRASHPAD_LINK = Struct("<4xII")
"""Module index (skipped), size, rva of the module's own record."""


class CrashpadModule(NamedTuple):
    """MinidumpModuleCrashpadInfo: three generations of annotations."""

    list_size: int
    list_rva: int
    simple_size: int
    simple_rva: int
    objects_size: int
    objects_rva: int


CRASHPAD_MODULE = Struct("<4xIIIIII")
CRASHPAD_PAIR = Struct("<II")
CRASHPAD_OBJECT = Struct("<I4xI")

# ---------------------------------------------------------------- processors

ARCHITECTURES = {
    0: "x86",
    1: "mips",
    2: "alpha",
    3: "ppc",
    5: "arm",
    6: "ia64",
    9: "x86_64",
    12: "aarch64",
    0x8001: "sparc",
    0x8002: "ppc64",
    0x8003: "aarch64",
    0x8004: "mips64",
    0x8005: "riscv32",
    0x8006: "riscv64",
}
"""PROCESSOR_ARCHITECTURE_* of SystemInfo; from 0x8000 on Breakpad's own."""

NARROW = frozenset({"x86", "mips", "ppc", "arm", "sparc", "riscv32"})
"""Architectures with 4-byte pointers."""


class Context(NamedTuple):
    """Where a CONTEXT keeps its flags, which flag names the processor, and where the stack pointer is.

    Offsets and sizes in bytes; ``minimum`` is the smallest context that holds the stack pointer.
    """

    flags_offset: int
    flag: int
    stack_pointer: int
    width: int
    minimum: int


CONTEXTS = {
    "x86_64": Context(0x30, 0x00100000, 0x98, 8, 0xA0),
    "x86": Context(0, 0x00010000, 0xC4, 4, 0xC8),
    # Windows says 0x00400000; Breakpad's older layout says 0x80000000, and has the stack pointer at the same place
    "aarch64": Context(0, 0x80400000, 0x100, 8, 0x108),
    # Windows says 0x00200000, Breakpad 0x40000000; the first 68 bytes are the same
    "arm": Context(0, 0x40200000, 0x38, 4, 0x3C),
    "mips": Context(0, 0x00040000, 0xF0, 4, 0xF8),
    "mips64": Context(0, 0x00080000, 0xF0, 8, 0xF8),
}
