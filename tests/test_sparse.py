"""A copy of a sparse dump is as sparse: holes are not written."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpscan.redact import _runs
from dumpscan.redact_container import redact_any
from tests.makers.elf import Core, Segment
from tests.makers.planted import github_token
from tests.makers.redacting import options, redacted

PAGE, SIZE = 4096, 4 << 20
TOKEN = github_token(random.Random(3)).encode()
pytestmark = pytest.mark.skipif(not hasattr(os.stat_result, "st_blocks"), reason="no holes here")


def sparse_core(path: Path) -> Path:
    """A core of 4 MiB that stores one page in each 128 KiB, and a token in one of them."""
    data = bytearray(SIZE)
    for at in range(0, SIZE, 128 << 10):
        data[at : at + 100] = b"\1" * 100
    data[SIZE // 2 : SIZE // 2 + len(TOKEN)] = TOKEN
    whole = Core(segments=[Segment(0x10000, bytes(data))]).build()
    with path.open("wb") as file:
        for at in range(0, len(whole), PAGE):
            if any(page := whole[at : at + PAGE]):
                file.seek(at)
                file.write(page)
        file.truncate(len(whole))
    assert stored(path) < SIZE // 8
    return path


def stored(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_holes_stay_holes(tmp_path: Path) -> None:
    dump = sparse_core(tmp_path / "core")
    _, copy = redacted(dump)
    assert stored(copy) <= stored(dump) + 4 * PAGE


def test_holes_stay_holes_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "crash").mkdir()
    dump, copy = sparse_core(tmp_path / "crash" / "core"), tmp_path / "copy"
    (tmp_path / "crash" / "empty").touch()
    redact_any(str(dump.parent), copy, options())
    assert TOKEN not in (copy / "core").read_bytes()
    assert stored(copy / "core") < SIZE // 4
    assert (copy / "empty").read_bytes() == b""


@given(st.lists(st.tuples(st.integers(0, 5 * PAGE), st.binary(min_size=1, max_size=9))), st.integers(1, 5 * PAGE))
def test_what_is_not_zero_lies_in_runs_of_pages(pieces: list[tuple[int, bytes]], size: int) -> None:
    data = bytearray(6 * PAGE)
    for at, piece in pieces:
        data[at : at + len(piece)] = piece
    del data[size:]
    copy = bytearray(size)
    for run in _runs(memoryview(bytes(data))):
        assert run.start % PAGE == 0
        assert all(any(data[at : min(at + PAGE, run.end)]) for at in range(run.start, run.end, PAGE))
        copy[run.start : run.end] = data[run.start : run.end]
    assert copy == data
