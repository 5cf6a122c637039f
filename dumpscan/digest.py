"""SHA-256 of a dump: what the report names it by."""

from __future__ import annotations

import hashlib
import threading

from dumpscan.pieces import pieces
from dumpscan.source import Source
from dumpscan.workers import Aside

NO_DIGEST = Aside(str, bool)
"""What the report holds where nobody asked for it: an empty string, at once."""


def content_digest(source: Source, stopped: threading.Event | None = None, *, mapped: bool = False) -> str:
    """SHA-256 of the bytes of ``source``, in hexadecimal; if ``mapped``, of a file as the system keeps it, in a process
    that may die when the file shrinks."""
    digest = hashlib.sha256()
    for some in pieces(source, mapped=mapped):
        if stopped is not None and stopped.is_set():
            break
        digest.update(some)
    return digest.hexdigest()
