"""Others' ELF cores of many machines, with a token put in: LLDB sees the same in the redacted copy."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dumpscan.formats.registry import read_layout
from dumpscan.redact import redact_path
from dumpscan.scan import Options
from dumpscan.source import FileSource
from tests.makers.fixtures import Row, manifest
from tests.makers.planted import github_token
from tests.makers.readers import whatever_lldb_sees

TOKEN = github_token(random.Random(6)).encode()
ROWS = [row for row in manifest() if row.format.startswith("elfcore")]


@pytest.mark.heavy
@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.id) for row in ROWS]
    or [pytest.param(None, marks=pytest.mark.skip(reason="no fixture directory: set DUMPSCAN_FIXTURES"))],
)
def test_lldb_sees_the_same(row: Row, tmp_path: Path) -> None:
    with FileSource(row.file) as source:
        room = [r for r in read_layout(source).regions if r.kind == "memory" and r.size >= 256]
    if not room:
        pytest.skip("no memory in it")
    at = room[-1].offset + 96
    data = bytearray(row.file.read_bytes())
    data[at - 8 : at + len(TOKEN) + 8] = bytes(8) + TOKEN + bytes(8)
    dump, copy = tmp_path / "dump", tmp_path / "copy"
    dump.write_bytes(data)
    before = whatever_lldb_sees(dump)
    if "frame #0: 0x" not in before:
        pytest.skip("LLDB does not read it as it stands")
    redact_path(str(dump), copy, Options(jobs=1), accept_incomplete=True)
    assert TOKEN[4:] not in copy.read_bytes()
    assert whatever_lldb_sees(copy) == before
