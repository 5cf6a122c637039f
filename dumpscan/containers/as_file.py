"""A source as a file for the standard library's readers of archives, and files as the chunks that writers take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dumpscan import as_file
from dumpscan.decoders import CHUNK, Damage
from dumpscan.source import Source

LONGEST_READ = 32 << 20
"""Bytes that a reader may ask for at once: more than the directory of an archive that is read at all."""


class SourceFile(as_file.SourceFile):
    """A source as a file. A reader that wants to read without bound is stopped by :class:`Damage`."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, LONGEST_READ, lambda size: Damage(f"states a directory or header of {size} bytes"))


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            yield data
