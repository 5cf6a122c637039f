from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from dumpscan.containers.opening import OpenedContainer, kinds, open_any, troubles
from dumpscan.formats.registry import formats, recognise
from dumpscan.source import FileSource
from tests.fuzz import cases, scanned
from tests.makers.fuzzed import archives, dumps


def test_a_dump_of_every_format_is_damaged(tmp_path: Path) -> None:
    named = set()
    for data in dumps().values():
        path = tmp_path / "dump"
        path.write_bytes(data)
        source = FileSource(str(path))
        named.add(recognise(source).name)
        source.close()
    assert named | {"avml"} == {fmt.name for fmt in formats()}  # AVML needs a library that is optional


def test_a_container_of_every_kind_is_damaged(tmp_path: Path) -> None:
    named = set()
    for data in archives().values():
        path = tmp_path / "archive"
        path.write_bytes(data)
        with open_any(str(path)) as opened:
            assert isinstance(opened, OpenedContainer)
            assert not list(troubles(opened.container))
            named.add(opened.container.kind)
    assert named == {kind.name for kind in kinds()}


@pytest.mark.parametrize("seed", range(8))
def test_damaged_dumps_get_a_verdict_or_a_clear_error(seed: int, tmp_path: Path) -> None:
    for _, data in islice(cases(seed), 100):
        scanned(data, tmp_path)
