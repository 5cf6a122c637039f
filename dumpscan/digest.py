"""SHA-256 of a dump: what the report names it by."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator

from dumpscan.source import FileSource, Source

_CHUNK = 512 << 10
"""Bytes that are read and then hashed while they are in the processor's cache."""

_PIECE = 16 << 20
"""Bytes that are mapped at a time, or are a hole."""


def no_digest(_stopped: threading.Event) -> str:
    """What the report holds where nobody asked for it."""
    return ""


def content_digest(source: Source, stopped: threading.Event | None = None, *, mapped: bool = False) -> str:
    """SHA-256 of the bytes of ``source``, in hexadecimal; if ``mapped``, of a file as the system keeps it, in a process
    that may die when the file shrinks."""
    digest = hashlib.sha256()
    for some in _contents(source, mapped):
        if stopped is not None and stopped.is_set():
            break
        digest.update(some)
    return digest.hexdigest()


def _contents(source: Source, mapped: bool) -> Iterator[memoryview]:
    """All bytes of ``source``, a piece at a time, which is valid till the next; holes of a file are not read."""
    file = source if isinstance(source, FileSource) else None
    buffer, zeros = (memoryview(bytearray(min(_CHUNK, source.size))) for _ in range(2))
    for offset in range(0, source.size, _PIECE):
        size = min(_PIECE, source.size - offset)
        hole = file is not None and file.is_hole(offset, size)
        found = file.map(offset, size) if file and mapped and not hole else None
        if found:
            with found[0] as content, memoryview(content) as view, view[found[1] :] as some:
                yield some
            continue
        for start in range(offset, offset + size, _CHUNK):
            some = (zeros if hole else buffer)[: min(_CHUNK, offset + size - start)]
            if not hole:
                source.readinto(start, some)
            yield some
