"""Physical memory as volatility3 reads it, in a Python of its own: its licence and its requirements are not ours."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from dumpscan.formats.registry import plain_view, read_layout
from dumpscan.source import FileSource
from tests.makers.programs import run

Range = tuple[int, int, str]
"""Address, length, and the SHA-256 of the memory there."""

_SCRIPT = """
import hashlib, json, sys
from volatility3.framework import contexts
from volatility3.framework.layers import avml, lime, physical
context = contexts.Context()
context.config["file.location"] = sys.argv[2]
context.add_layer(physical.FileLayer(context, "file", "file"))
context.config["image.base_layer"] = "file"
layer = {"lime": lime.LimeLayer, "avml": avml.AVMLLayer}[sys.argv[1]](context, "image", "image")
rows = []
for start, size, *_ in layer.mapping(0, layer.maximum_address + 1, ignore_errors=True):
    if rows and rows[-1][0] + rows[-1][1] == start:
        rows[-1][1] += size
    else:
        rows.append([start, size])
print(json.dumps([(a, n, hashlib.sha256(layer.read(a, n)).hexdigest()) for a, n in rows]))
"""


def seen_by_volatility(image: Path, layer: str) -> list[Range]:
    """The ranges, by the layer "lime" or "avml"; ``DUMPSCAN_VOLATILITY`` names a Python that has the package."""
    python = os.environ.get("DUMPSCAN_VOLATILITY")
    if not python:
        pytest.skip("no volatility3: name a Python that has it in DUMPSCAN_VOLATILITY")
    done = run(python, "-c", _SCRIPT, layer, image.as_uri())
    assert done.returncode == 0, done.stderr[-500:]
    return [(address, size, digest) for address, size, digest in json.loads(done.stdout)]


def seen_by_us(image: Path) -> list[Range]:
    """The ranges, as dumpscan reads them."""
    with FileSource(image) as source:
        view = plain_view(source)
        memory = [(r.address, view.read(r.offset, r.size)) for r in read_layout(view).regions if r.kind == "memory"]
    return [(address, len(data), hashlib.sha256(data).hexdigest()) for address, data in memory if address is not None]
