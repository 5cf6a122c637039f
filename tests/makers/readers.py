"""What others see of a dump: gdb, lldb, Breakpad's minidump_stackwalk, and the package ``minidump``."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

from minidump.constants import MINIDUMP_STREAM_TYPE
from minidump.minidumpfile import MinidumpFile

from tests.makers.programs import need, run

_STREAMS = {stream.value for stream in MINIDUMP_STREAM_TYPE}


def is_minidump(dump: Path) -> bool:
    """Whether ``dump`` begins like a minidump."""
    with dump.open("rb") as file:
        return file.read(4) == b"MDMP"


def backtraces(executable: str, dump: Path) -> str:
    """What the debugger of its format shows of the threads of ``dump``."""
    return by_lldb(dump) if is_minidump(dump) else by_gdb(executable, dump)


def by_gdb(executable: str, core: Path) -> str:
    """gdb's threads and backtraces."""
    need("gdb")
    arguments = [part for command in ("info threads", "thread apply all bt") for part in ("-ex", command)]
    done = run("gdb", "-nx", "-batch", *arguments, executable, core)
    assert "#0 " in done.stdout
    return done.stdout.replace(str(core), "CORE")


def by_lldb(dump: Path) -> str:
    """lldb's threads, modules, registers and backtraces."""
    seen = whatever_lldb_sees(dump)
    assert "frame #0: 0x" in seen
    return seen


def whatever_lldb_sees(dump: Path) -> str:
    """As :func:`by_lldb`, also of a dump that it does not read."""
    need("lldb-14")
    commands = ("thread list", "thread backtrace all", "register read", "image list")  # it stops where it lists nothing
    arguments = [part for command in commands for part in ("-o", command)]
    modules = "PYTHONPATH=/usr/lib/llvm-14/lib/python3.11/dist-packages"  # without them it runs no command
    done = run("env", modules, "lldb-14", "--no-lldbinit", "-b", "-o", f"target create -c {dump}", *arguments)
    return done.stdout.replace(str(dump), "DUMP")


def by_stackwalk(dump: Path) -> str:
    """The report of Breakpad's minidump_stackwalk, which is in ``bin/linux-x64`` of the npm package ``minidump``."""
    need("minidump_stackwalk")
    done = run("minidump_stackwalk", dump)
    assert "Thread 0" in done.stdout
    return done.stdout


def by_package(dump: Path) -> dict[str, Any] | None:
    """Threads, modules and memory ranges as the package ``minidump`` reads them; None where it fails."""
    with contextlib.suppress(Exception):
        other = MinidumpFile.parse_bytes(_with_known_streams(dump.read_bytes()))
        return {
            "threads": [(t.ThreadId, t.Teb) for t in other.threads.threads] if other.threads else [],
            "modules": [(m.name, m.baseaddress, m.size) for m in other.modules.modules] if other.modules else [],
            "ranges": [
                (s.start_virtual_address, s.start_file_address, s.size) for s in other.get_reader().memory_segments
            ],
        }
    return None


def _with_known_streams(data: bytes) -> bytes:
    """The package fails on a stream whose number it does not know, as Wine's 0xfff0: such are marked unused."""
    known = bytearray(data)
    count, directory = struct.unpack_from("<II", data, 8)
    for entry in range(directory, directory + 12 * count, 12):
        if struct.unpack_from("<I", known, entry)[0] not in _STREAMS:
            struct.pack_into("<I", known, entry, 0)
    return bytes(known)
