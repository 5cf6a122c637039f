"""Every key of every library: found in a core of a real program, and gone from the redacted copy.

What has to be found is computed here by exact search for the keys' numbers in all forms (:mod:`tests.makers.truth`).
``python -m pytest -m heavy tests/real`` runs the libraries that are not in every run.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dumpscan.model import Confidence, Finding
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from tests.makers.lib_keys import Held
from tests.makers.libraries import LIBRARIES, Library, dump
from tests.makers.readers import backtraces
from tests.makers.truth import Search, Sighting, forms, span_is_covered
from tests.makers.wine import WINDOWS

MARKED = [
    pytest.param(lib, id=lib.name, marks=[pytest.mark.heavy] if lib.heavy else []) for lib in (*LIBRARIES, *WINDOWS)
]


@pytest.mark.parametrize("library", MARKED)
def test_keys_are_proven_and_redacted(library: Library, tmp_path: Path) -> None:
    dumped = dump(library, tmp_path)
    search = Search(form for key in dumped.held for form in forms(key.name, key.parts))
    sightings = search.sightings(dumped.core)
    report = scan_path(str(dumped.core), Options(jobs=1)).report
    assert report.verdict == "findings"
    assert report.coverage.limits == ()
    for key in dumped.held:
        mine = [s for s in sightings if s.form.key == key.name]
        assert any(s.whole for s in mine) != (key.name in library.sealed)
        assert_found(key, mine, report.findings)
    copy = tmp_path / "copy"
    redact_path(str(dumped.core), copy, Options(jobs=1))
    assert copy.stat().st_size == dumped.core.stat().st_size
    assert [describe(s) for s in search.sightings(copy)] == []
    assert backtraces(dumped.executable, copy) == backtraces(dumped.executable, dumped.core)


def assert_found(key: Held, sightings: list[Sighting], findings: tuple[Finding, ...]) -> None:
    """A private key is proven, an AES schedule a finding; every sighting lies in an occurrence of some finding."""
    if key.spki_sha256:
        proven = [f for f in findings if f.public.get("spki_sha256") == key.spki_sha256]
        assert [(f.kind, f.confidence) for f in proven] == [(key.kind, Confidence.PROVEN)], key.name
    covered = [(o.offset, o.offset + o.length) for f in findings for o in f.occurrences]
    missed = [describe(s) for s in sightings if not span_is_covered(s.start, s.end, covered)]
    assert missed == []


def describe(sighting: Sighting) -> str:
    """A sighting without its bytes."""
    form = sighting.form
    piece = "" if sighting.whole else f", {sighting.end - sighting.start} bytes of {len(form.data)}"
    return f"{form.key} {form.component} as {form.name} at {sighting.start:#x}{piece}"
