"""What leads to a format, whose module is imported when it is met."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dumpscan.formats.avml import Avml
from dumpscan.formats.base import HEAD_SIZE, Format, LateFormat
from dumpscan.formats.elf_core import ElfCore
from dumpscan.formats.faulthandler_text import FaulthandlerText
from dumpscan.formats.flattened import Flattened
from dumpscan.formats.hprof import Hprof
from dumpscan.formats.kdump import Kdump
from dumpscan.formats.lime import Lime
from dumpscan.formats.macho_core import MachoCore
from dumpscan.formats.microdump import Microdump
from dumpscan.formats.minidump import Minidump
from dumpscan.formats.node_json import HeapSnapshot, NodeReport
from dumpscan.formats.raw import Raw
from dumpscan.formats.registry import ENTRIES, LATE, formats
from dumpscan.formats.tombstone import Tombstone, TombstoneProto
from dumpscan.formats.vmware import VMware
from dumpscan.formats.windows_kernel import WindowsKernel
from dumpscan.heap_values import HEAPS
from tests.makers.fuzzed import dumps

ALL: tuple[Format, ...] = (
    ElfCore(),
    Minidump(),
    Hprof(),
    MachoCore(),
    WindowsKernel(),
    Kdump(),
    Flattened(),
    Lime(),
    Avml(),
    VMware(),
    HeapSnapshot(),
    NodeReport(),
    Tombstone(),
    TombstoneProto(),
    Microdump(),
    FaulthandlerText(),
    Raw(),
)
"""Here the type checker sees that each is a format."""

_SHORT = (
    b"Fatal Python error: Segmentation fault\n\n",
    b"Current thread 0x00007f0b1c0d2740 (most recent call first):\n",
    b"Thread 0x00007f0b1c0d2740 [python] (most recent call first):\n",
    b"Timeout (0:00:01)!\nThread 0x00007f0b1c0d2740",
    b"\x12\x2dgoogle/sdk/generic:12/SE1A.220826/9:user/keys",
    b"AVML\2\0\0\0" + bytes(24),
    *(magic + bytes(8) + b"\4\0\0\0" for magic in (b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")),
    *(magic + bytes(8) + b"\0\0\0\4" for magic in (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf")),
    *(
        magic + bytes(4) + b"\1\0\0\0"
        for magic in (b"\xd0\xbe\xd2\xbe", b"\xd1\xba\xd1\xba", b"\xd2\xbe\xd2\xbe", b"\xd3\xbe\xd3\xbe")
    ),
)
HEADS = [*_SHORT, *(data[:HEAD_SIZE] for data in dumps().values())]


def test_every_format_is_led_to() -> None:
    assert [type(fmt) for fmt in formats()] == [type(fmt) for fmt in ALL]
    assert [entry for entry in ENTRIES if isinstance(entry.reader(), LateFormat)] == list(LATE)
    assert set(HEAPS) == {Hprof.name, HeapSnapshot.name}
    assert [entry.name for entry in ENTRIES if entry.may_take(b"")] == ["Raw"]


def _agrees(head: bytes) -> list[str]:
    taken = []
    for entry in ENTRIES:
        if entry.reader().sniff(head):
            assert entry.may_take(head), entry.name
            taken.append(entry.name)
    return taken


def test_no_head_that_a_format_takes_is_kept_from_it() -> None:
    assert all(_agrees(head)[0] != "Raw" for head in _SHORT)
    taken = {_agrees(head)[0] for head in HEADS}
    assert taken >= {type(fmt).__name__ for fmt in ALL}


@given(st.sampled_from(HEADS), st.integers(0, 600), st.binary(max_size=12))
def test_nor_one_that_is_damaged(head: bytes, at: int, other: bytes) -> None:
    _agrees(head[:at] + other + head[at + len(other) :])
    _agrees(head[:at] + other + head[at:])
