"""Dumps of machines in ELF: /proc/vmcore, QEMU, VirtualBox; secrets across page borders of virtual memory."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from dumpscan.formats.elf_core import ElfCore
from dumpscan.formats.vmcore import linux_root, parse_vmcoreinfo, qemu_root
from tests.makers.elf import Core, Segment
from tests.makers.paging import Machine
from tests.makers.planted import RSA_KEY, filler, github_token, spki
from tests.makers.redacting import found, redacted
from tests.makers.source import BytesSource

KERNEL = 0xFFFFFFFF80000000
USER = 0x7F1234560000
PRIMES = RSA_KEY.private_numbers()


def vmcoreinfo(machine: Machine, base: int = 0x3000000) -> bytes:
    lines = ("OSRELEASE=6.1.0", "NUMBER(pgtable_l5_enabled)=0", f"NUMBER(phys_base)={base}")
    return "\n".join((*lines, f"SYMBOL(swapper_pg_dir)={KERNEL + machine.root - base:x}\n")).encode()


def qemu_state(machine: Machine) -> bytes:
    return struct.pack("<II", 1, 440) + bytes(384) + struct.pack("<6Q", 1 << 31, 0, 0, machine.root | 5, 1 << 5, 0)


def scattered(seed: int = 3) -> tuple[Machine, str, bytes]:
    """A machine in whose user memory p and a token run over page borders, the pages far apart and backwards."""
    rng = random.Random(seed)
    machine = Machine(256)
    machine.put(0x20000, bytes(filler(rng, 0x60000)))
    token = github_token(rng)
    block = bytearray(filler(rng, 6 * 4096))
    p = PRIMES.p.to_bytes(128, "little")
    for at, secret in (
        (4096 - 64, p),
        (2 * 4096 - 17, token.encode()),
        (4 * 4096 + 512, PRIMES.q.to_bytes(128, "little")),
    ):
        block[at - 16 : at + len(secret) + 16] = bytes(16) + secret + bytes(16)
    block[3 * 4096 - 150 : 3 * 4096 - 150 + len(spki(RSA_KEY))] = spki(RSA_KEY)
    machine.put(0xB0000 - 1, bytes([p[63] ^ 0xFF]))  # what stands before the page by chance does not continue p
    machine.write(USER, bytes(block), [0xF0000, 0xB0000, 0xE0000, 0xC5000, 0xA3000, 0xD1000])
    return machine, token, p


def test_vmcoreinfo_names_the_kernels_table() -> None:
    info = parse_vmcoreinfo(
        b"PAGESIZE=4096\nSYMBOL(swapper_pg_dir)=ffffffff8b80a000\nNUMBER(phys_base)=-4096\n\0junk=1"
    )
    assert "junk" not in info
    root = linux_root(info, "x86_64")
    assert root is not None
    assert root.table == 0xB809000
    arm = {"SYMBOL(swapper_pg_dir)": "ffff800008a00000", "NUMBER(kimage_voffset)": "0xffff7fffc8000000"}
    arm |= {"NUMBER(VA_BITS)": "48", "PAGESIZE": "4096"}
    root = linux_root(arm, "aarch64")
    assert root is not None
    assert root.table == 0x40A00000
    root = linux_root({**arm, "PAGESIZE": "65536"}, "aarch64")
    assert root is not None
    assert (root.paging.page, root.paging.root) == (65536, 64)


@pytest.mark.parametrize("value", ["", "zz", "-1", "ffffffff8b80a001", "0"])
def test_nonsense_names_no_table(value: str) -> None:
    assert linux_root({"SYMBOL(swapper_pg_dir)": value}, "x86_64") is None
    assert linux_root({"SYMBOL(swapper_pg_dir)": value, "PAGESIZE": "x"}, "aarch64") is None
    assert qemu_root(value.encode(), "x") is None


@pytest.mark.parametrize("source", ["vmcoreinfo", "qemu"])
def test_secrets_across_page_borders(source: str, tmp_path: Path) -> None:
    machine, token, p = scattered()
    memory = bytes(machine.memory)
    core = Core(segments=[Segment(0, memory[:0x80000], physical=0x0), Segment(0, memory[0x80000:], physical=0x80000)])
    core.segments[0].physical, core.segments[1].physical = 0, 0x80000
    core.notes = [core.prstatus(1, [0] * 27)]
    core.notes += (
        [core.note(b"VMCOREINFO", 0, vmcoreinfo(machine))]
        if source == "vmcoreinfo"
        else [core.note(b"QEMU", 0, qemu_state(machine))]
    )
    data = core.build()
    start = data.index(memory[0x20000:0x20800]) - 0x20000
    layout = ElfCore().layout(BytesSource(data))
    assert [space.name for space in layout.spaces] == ["kernel" if source == "vmcoreinfo" else "processor 0"]
    assert [r.address for r in layout.regions if r.kind == "memory"] == [0, 0x80000]
    dump = tmp_path / "vmcore"
    dump.write_bytes(data)
    report, copy = redacted(dump)
    kinds = {finding.kind for finding in report.findings}
    assert {"rsa-private-key", "github-token"} <= kinds
    after = copy.read_bytes()
    for at, piece in (
        (0xF0000 + 4096 - 64, p[:64]),
        (0xB0000, p[64:]),
        (0xB0000 + 4096 - 17, token.encode()[:17]),
        (0xE0000, token.encode()[17:]),
    ):
        assert data[start + at : start + at + len(piece)] == piece
        assert not any(bytes(a for a in after[start + at : start + at + len(piece)] if a != ord("X")))
    for place in found(report):
        assert place.address == place.offset - start
        assert place.virtual is not None
    assert {o.virtual for f in report.findings if f.kind == "github-token" for o in f.occurrences} == {
        USER + 2 * 4096 - 17,
        USER + 2 * 4096,
    }


def test_segments_give_virtual_addresses_where_no_table_does() -> None:
    direct = 0xFFFF888000000000
    core = Core(segments=[Segment(direct + 0x1000, b"a" * 4096, physical=0x1000)])
    core.notes = [core.note(b"VMCOREINFO", 0, b"OSRELEASE=6.1\n")]
    data = core.build()
    layout = ElfCore().layout(BytesSource(data))
    (region,) = [r for r in layout.regions if r.kind == "memory"]
    assert region.address == 0x1000
    assert layout.spaces[0].at(direct + 0x1001) == (region.offset + 1, 4095)


def test_virtualbox_notes_are_registers() -> None:
    core = Core(segments=[Segment(0, b"a" * 4096, physical=0x1000), Segment(0, b"b" * 4096, physical=0x100000)])
    core.notes = [core.note(b"VBCORE", 0xB00, bytes(24)), core.note(b"VBCPU", 0xB01, bytes(800))]
    layout = ElfCore().layout(BytesSource(core.build()))
    assert [r.address for r in layout.regions if r.kind == "memory"] == [0x1000, 0x100000]
    assert [r.name for r in layout.regions if r.kind == "registers"] == ["VBCPU note 0xb01"]
