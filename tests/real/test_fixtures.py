"""Every real dump is recognised as what its manifest says, and scanned without an error."""

from __future__ import annotations

import pytest

from tests.makers.fixtures import Row, manifest
from tests.real.fixtures_table import scanned

EXPECTED = {
    "minidump": "minidump",
    "hprof": "hprof",
    "elfcore": "elf-core",
    "microdump": "breakpad-microdump",
}


def expected(stated: str) -> str:
    """The name of the format that a manifest states; recipes are raw."""
    inner = stated.rpartition(">")[2]
    return next((name for start, name in EXPECTED.items() if inner.startswith(start)), "raw")


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.id) for row in manifest()]
    or [pytest.param(None, marks=pytest.mark.skip(reason="no fixture directory: set DUMPSCAN_FIXTURES"))],
)
def test_real_dumps_are_recognised(row: Row) -> None:
    report = scanned(str(row.file))
    assert report.format == expected(row.format)
    promises = not row.path.endswith(("invalid-range.dmp", "invalid-record-count.dmp"))
    assert (report.verdict == "inconclusive") != promises
    assert report.coverage.limits == ()
    assert not [f for f in report.findings if f.confidence.label == "proven" and f.severity.label != "info"]
