"""A small whole dump of every format, and container of every kind, with secrets in it, for damaging."""

from __future__ import annotations

import contextlib
import random

from tests.formats.test_app_formats import FILES
from tests.formats.test_microdump import microdump
from tests.formats.test_tombstone_proto import thread, tombstone
from tests.makers import cab, containers, elf, hprof, images, kdump, macho, seven_zip, windows_kernel
from tests.makers.minidump import MinidumpMaker
from tests.makers.planted import github_token
from tests.makers.windows_process import Started


def _memory() -> bytes:
    source = random.Random(3)
    token = github_token(source).encode()
    return b"".join(source.randbytes(700) + b"x-token: " + token + bytes(300) for _ in range(12)).ljust(16384, b"\0")


def _minidump(memory: bytes) -> bytes:
    maker = MinidumpMaker().system(9)
    started = Started(["A_SECRET=zq9Vt2", "B=2"], "app.exe --password zq9Vt2")
    row = maker.thread(7, (0x1000, 4096, maker.place(memory[:4096])), bytes(1232), started.teb)
    maker.threads(row).modules((0x400000, 0x1000, "c:\\app.exe")).memory((0x10000, memory), *started.ranges())
    return maker.build()


def dumps() -> dict[str, bytes]:
    """The dumps by name; those whose writer's library is missing are left out."""
    memory = _memory()
    pages = {1 + i: memory[4096 * i : 4096 * i + 4096] for i in range(4)}
    heap = hprof.Dump()
    heap.kind("com.example.Config", [("password", "ref")])
    heap.string(memory[700:800].decode("latin-1"))
    made = {
        "elf-core": elf.Core(segments=[elf.Segment(0x400000, memory), elf.Segment(0x404000, memory)]).build(),
        "elf-core, 32 bits": elf.Core(bits=32, order=">", machine=20, segments=[elf.Segment(0x1000, memory)]).build(),
        "minidump": _minidump(memory),
        "hprof": heap.build(),
        "macho-core": macho.Core(segments=[macho.Segment(0x1000, memory)]).build(),
        "windows-kernel": windows_kernel.dump(5, pages),
        "windows-kernel, 32 bits": windows_kernel.narrow_dump(2, pages),
        "windows-kernel, triage": windows_kernel.narrow_triage([(0x1000, memory)], (0x9000, b"s" * 64), (0xA000, b"p")),
        "breakpad-microdump": microdump(memory[:4096], memory[:700]).encode(),
        "android-tombstone-proto, registers": tombstone(
            thread(7, b"main", [5, 1 << 60], ("x1", 0x1000, memory[:4096]))
        ),
        "kdump": kdump.kdump(pages),
        "flattened": kdump.flattened(kdump.kdump(pages)),
        "lime": images.lime((0x1000, memory), (0x100000, memory)),
        "vmware": images.vmss(memory, [(0, 0, 4)])[0],
        "raw": memory,
        **FILES,
    }
    with contextlib.suppress(ImportError):
        made["avml"] = images.avml((0x1000, memory))
    return made


def archives() -> dict[str, bytes]:
    """Containers of every kind by name."""
    memory = _memory()
    members = {
        "core": elf.Core(segments=[elf.Segment(0x400000, memory)]).build(),
        "a.log": memory[600:900],
        "none": b"",
    }
    return {
        "zip": containers.zipped(members),
        "tar": containers.tar(members),
        "apport-crash": containers.apport(members["core"], {"Environment": "A=b"}),
        "7z": seven_zip.seven_zip(members),
        "7z, directory packed": seven_zip.seven_zip(members, encoded=True),
        "7z, stored": seven_zip.seven_zip(members, packed=False),
        "cab": cab.cabinet([members, {"b": memory}]),
        "cab, stored": cab.cabinet([members], 0, reserved=True),
    }
