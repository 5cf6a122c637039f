"""All writers by the name that ``-f`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TextIO

from dumpscan.model import Report

Writer = Callable[[Report, TextIO], None]
"""Writes a report to a text stream and leaves the stream open."""


def _of(name: str) -> Writer:
    """The writer of a module, which is imported when there is something to write."""

    def write(report: Report, out: TextIO) -> None:
        import_module(f"dumpscan.report.as_{name}").write(report, out)

    return write


WRITERS: Mapping[str, Writer] = MappingProxyType(
    {name: _of(name) for name in ("text", "json", "jsonl", "sarif", "html")}
)
