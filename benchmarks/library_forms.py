"""Which private part stands where in the dumps of real programs: ``python -m benchmarks.library_forms [LIBRARY...]``.

Prints the first table of docs/libraries.md, or the rows of the libraries whose names hold one of the words: by exact
search, without any part of dumpscan but its last column.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from dumpscan.model import DumpReport
from dumpscan.scan import Options, scan_path
from tests.makers.lib_keys import Held
from tests.makers.libraries import LIBRARIES, dump
from tests.makers.truth import Search, Sighting, forms
from tests.makers.wine import WINDOWS


def cell(sightings: list[Sighting]) -> str:
    """``LE: p 2, q 2; BE: d 1 (pieces: 3)`` for the places of one key."""
    whole: dict[str, Counter[str]] = {}
    for sighting in sightings:
        if sighting.whole:
            whole.setdefault(sighting.form.name, Counter())[sighting.form.component] += 1
    told = "; ".join(f"{name}: {', '.join(f'{c} {n}' for c, n in parts.items())}" for name, parts in whole.items())
    pieces = sum(not sighting.whole for sighting in sightings)
    return (told or "nothing in the clear") + (f" (pieces: {pieces})" if pieces else "")


def verdict(key: Held, sightings: list[Sighting], report: DumpReport) -> str:
    """What dumpscan says of the key; of an AES key, where it or its schedule stands."""
    if key.spki_sha256:
        mine = [f for f in report.findings if f.public.get("spki_sha256") == key.spki_sha256]
    else:
        places = {s.start for s in sightings if s.whole}
        mine = [f for f in report.findings if f.kind == "aes-key" and places & {o.offset for o in f.occurrences}]
    return max(f.confidence for f in mine).label if mine else "not found"


def main() -> None:
    """Print the table."""
    words = sys.argv[1:] or [""]
    print("| library | key | form: component and number of places | dumpscan |\n|---|---|---|---|")
    for library in (lib for lib in (*LIBRARIES, *WINDOWS) if any(word in lib.name for word in words)):
        with tempfile.TemporaryDirectory() as name:
            try:
                dumped = dump(library, Path(name))
            except pytest.skip.Exception as reason:
                print(f"| {library.name} | | not measured: {reason} | |")
                continue
            sightings = Search(f for key in dumped.held for f in forms(key.name, key.parts)).sightings(dumped.core)
            report = scan_path(str(dumped.core), Options()).report
        for key in dumped.held:
            mine = [s for s in sightings if s.form.key == key.name]
            print(f"| {library.name} | {key.name} | {cell(mine)} | {verdict(key, mine, report)} |", flush=True)


if __name__ == "__main__":
    main()
