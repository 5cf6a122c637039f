"""All writers by the name that ``-f`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TextIO

from dumpscan.model import Report
from dumpscan.report import as_html, as_json, as_jsonl, as_sarif, as_text

Writer = Callable[[Report, TextIO], None]
"""Writes a report to a text stream and leaves the stream open."""

WRITERS: Mapping[str, Writer] = MappingProxyType(
    {
        "text": as_text.write,
        "json": as_json.write,
        "jsonl": as_jsonl.write,
        "sarif": as_sarif.write,
        "html": as_html.write,
    }
)
