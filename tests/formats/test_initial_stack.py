"""Arguments and environment on the first stack of Linux processes: of either width and order, and of real ones."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.elf_core import ElfCore
from dumpscan.formats.registry import read_layout
from dumpscan.model import Confidence, Layout
from dumpscan.source import FileSource
from tests.makers.elf import Core, Segment
from tests.makers.programs import gcore, running
from tests.makers.redacting import redacted
from tests.makers.source import covering_layout

ARGUMENTS = [b"prog", b"--password", b"tr0ubad", b"-v"]
VARIABLES = [b"HOME=/root", b"Odd_PassWord_Dev=Kx7 Lp4", b"LAST=1"]
MACHINES = [(64, "<", 62), (32, "<", 3), (32, ">", 20), (64, ">", 22)]
BASE = 0x7FFF0000


def core_of(
    bits: int = 64, order: str = "<", machine: int = 62, *,
    arguments: list[bytes] = ARGUMENTS, variables: list[bytes] = VARIABLES, unset: int = 0, count: int = -1,
) -> bytes:  # fmt: skip
    """A core whose stack the kernel would have left so; ``unset`` pointers of the last variables are gone again."""
    core = Core(bits, order, machine)
    word = bits // 8
    stack = bytearray(0x3000)
    at = random = 0x2000
    at += 16
    pointers = []
    for text in (*arguments, *variables, b"/usr/bin/prog"):
        pointers.append(BASE + at)
        stack[at : at + len(text) + 1] = text + b"\0"
        at += len(text) + 1
    *rest, path = pointers
    split = len(arguments)
    kept = rest[split : len(rest) - unset]
    count = split if count < 0 else count
    words = [count, *rest[:split], 0, *kept, *[0] * unset, 0, 3, 0x1000, 25, BASE + random, 31, path, 0, 0]
    table = b"".join(core.pack("L", value) for value in words)
    stack[0x1E00 - len(table) // word * word : 0x1E00] = table
    core.segments = [Segment(0x1000, b"code" * 8, 5), Segment(BASE, bytes(stack)), Segment(0x90000000, b"z" * 64)]
    core.notes = [core.auxv(phdr=0x1000, random=BASE + random, execfn=path)]
    return core.build()


def layout_of(data: bytes) -> Layout:
    return covering_layout(ElfCore(), data)


def held(data: bytes, name: str) -> list[bytes]:
    regions = [r for r in layout_of(data).regions if r.name == name]
    assert all(region.kind == "memory" for region in regions)
    return [part for r in regions for part in data[r.offset : r.end].split(b"\0")[:-1]]


@pytest.mark.parametrize(("bits", "order", "machine"), MACHINES)
def test_parts_are_named(bits: int, order: str, machine: int) -> None:
    data = core_of(bits, order, machine)
    assert held(data, "command line") == ARGUMENTS
    assert held(data, "environment") == VARIABLES
    (region,) = (r for r in layout_of(data).regions if r.name == "environment")
    (stack,) = (r for r in layout_of(data).regions if r.name == "stack" and (r.address or 0) == BASE)
    assert (region.address or 0) - BASE == region.offset - stack.offset


def test_variables_that_were_unset_are_still_there() -> None:
    assert held(core_of(unset=2), "environment") == VARIABLES


def test_no_environment() -> None:
    data = core_of(variables=[])
    assert held(data, "command line") == ARGUMENTS
    assert held(data, "environment") == []


def test_no_arguments() -> None:
    data = core_of(arguments=[])
    assert held(data, "command line") == []
    assert held(data, "environment") == VARIABLES


def test_values_are_certain(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(core_of(variables=VARIABLES[1:2]))
    report, _ = redacted(path)
    assert {(f.public["name"], f.confidence) for f in report.findings} == {
        ("--password", Confidence.VALIDATED),
        ("Odd_PassWord_Dev", Confidence.VALIDATED),
    }
    assert {o.region for f in report.findings for o in f.occurrences} == {"command line", "environment"}


def test_a_real_process(tmp_path: Path) -> None:
    environment = {"ONE": "1", "Odd_PassWord_Dev": "Kx7 Lp4", "TWO": "2"}
    with running(["/bin/sleep", "1000"], env=environment) as process:
        core = gcore(process.pid, tmp_path)
    check_real(core, ["/bin/sleep", "1000"], environment)


def test_a_core_of_the_kernel(tmp_path: Path) -> None:
    """As the kernel writes it, where cores are written to the current folder."""
    if Path("/proc/sys/kernel/core_pattern").read_text().strip() != "core":
        pytest.skip("cores do not go to the current folder here")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("cores are forbidden here")
    script = "ulimit -c unlimited && exec /bin/sleep 1000"
    environment = {"Odd_PassWord_Dev": "Kx7 Lp4"}
    with running(["/bin/sh", "-c", script], env=environment, cwd=tmp_path) as process:
        for _ in range(1000):
            if Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"/bin/sleep"):
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGSEGV)
        process.wait()
    (core,) = tmp_path.glob("core*")
    check_real(core, ["/bin/sleep", "1000"], environment)


def check_real(core: Path, arguments: list[str], environment: dict[str, str]) -> None:
    source = FileSource(str(core))
    try:
        regions = {r.name: r for r in read_layout(source).regions if r.name in ("command line", "environment")}
        parts = {name: source.read(r.offset, r.size).decode().split("\0")[:-1] for name, r in regions.items()}
    finally:
        source.close()
    assert parts["command line"] == arguments
    assert sorted(v for v in parts["environment"] if not v.startswith(("PWD=", "_=", "SHLVL="))) == sorted(
        f"{name}={value}" for name, value in environment.items()
    )
    report, _ = redacted(core)
    assert "Odd_PassWord_Dev" in {f.public.get("name") for f in report.findings}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0x1800, 0x2200), st.integers(0, 255)), max_size=20), st.integers(0, 0x3400))
def test_damage_is_survived(edits: list[tuple[int, int]], keep: int) -> None:
    data = bytearray(core_of())
    for place, value in edits:
        data[place] = value
    with contextlib.suppress(FormatError):
        layout_of(bytes(data[: max(keep, 64)]))
