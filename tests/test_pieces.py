"""A dump in pieces, and two that are compared piece by piece."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dumpscan.errors import RedactionError
from dumpscan.model import Span
from dumpscan.pieces import pieces
from dumpscan.redact import compare, copy_sparse
from dumpscan.source import FileSource
from tests.makers.source import BytesSource

SIZE = (17 << 20) + 77
DATA = random.Random(1).randbytes(SIZE)
SPANS = (Span(0, 3), Span(100, 101), Span((1 << 19) - 2, (1 << 19) + 5), Span(2 << 20, 4 << 20), Span(SIZE - 1, SIZE))


@pytest.mark.parametrize("mapped", [False, True])
def test_pieces_are_all_of_it(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "dump"
    with path.open("wb") as out:
        out.write(DATA[: 16 << 20])
        out.truncate(48 << 20)
        out.seek(48 << 20)
        out.write(DATA)
    with FileSource(path) as source:
        assert b"".join(bytes(piece) for piece in pieces(source, mapped=mapped)) == path.read_bytes()
    assert b"".join(bytes(piece) for piece in pieces(BytesSource(DATA), mapped=mapped)) == DATA


def test_copies_may_differ_where_they_were_redacted() -> None:
    changed = bytearray(DATA)
    for span in SPANS:
        changed[span.start : span.end] = bytes(len(span))
    compare(BytesSource(DATA), BytesSource(bytes(changed)), SPANS)
    compare(BytesSource(DATA), BytesSource(DATA), SPANS)
    compare(BytesSource(DATA), BytesSource(DATA), ())


@pytest.mark.parametrize("at", sorted({at for span in SPANS for at in (span.start - 1, span.end) if 0 <= at < SIZE}))
def test_a_byte_that_differs_elsewhere_is_told(at: int) -> None:
    changed = bytearray(DATA)
    changed[at] ^= 1
    for spans in (SPANS, ()):
        with pytest.raises(RedactionError, match="differs from the dump"):
            compare(BytesSource(DATA), BytesSource(bytes(changed)), spans)
    with pytest.raises(RedactionError, match="bytes, the dump"):
        compare(BytesSource(DATA), BytesSource(DATA[:-1]), SPANS)


def test_a_copy_has_the_bytes_and_holes_for_zeros(tmp_path: Path) -> None:
    data = DATA[: 3 << 20] + bytes(20 << 20) + DATA[:4097]
    (tmp_path / "copy").touch()
    copy_sparse(BytesSource(data), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
