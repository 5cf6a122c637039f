"""Which private part stands where in the cores of real programs: ``python -m benchmarks.library_forms``.

Prints the first table of docs/libraries.md: by exact search, without any part of dumpscan but its last column.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest

from dumpscan.model import DumpReport
from dumpscan.scan import Options, scan_path
from tests.makers.lib_keys import Held
from tests.makers.libraries import LIBRARIES, dump
from tests.makers.truth import Search, Sighting, forms


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
    """What dumpscan says of the key; of an AES key, where its schedule stands."""
    if key.spki_sha256:
        mine = [f for f in report.findings if f.public.get("spki_sha256") == key.spki_sha256]
    else:
        places = {s.start for s in sightings if s.whole and s.form.component == "schedule"}
        mine = [f for f in report.findings if f.kind == "aes-key" and places & {o.offset for o in f.occurrences}]
    return mine[0].confidence.label if mine else "not found"


def main() -> None:
    """Print the table."""
    print("| library | key | form: component and number of places | dumpscan |\n|---|---|---|---|")
    for library in LIBRARIES:
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
