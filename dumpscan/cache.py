"""Compiled rules kept between runs, in the user's cache folder.

Only what is the same for everybody is kept: never anything that was made from a dump. A cache that cannot be read or
written, or that belongs to somebody else, is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dumpscan.parts import create_private, part_beside

_Made = TypeVar("_Made")

_KEPT = 18
"""Entries that stay, four for each set of signatures (one more after a big-endian dump, and for each large file of a
user); older ones are removed when a new one is written."""

NOT_MARSHALLED = (ValueError, TypeError, LookupError, EOFError)
"""What is raised where bytes are not what :mod:`marshal` made, or not of the shape that is asked for."""

WORTH_KEEPING = 100
"""Signatures from which what is made of them is kept: fewer are compiled as fast as they are read."""


def cache_folder() -> Path | None:
    """``DUMPSCAN_CACHE`` (empty: no cache), or ``dumpscan`` in the platform's folder for caches."""
    if (named := os.environ.get("DUMPSCAN_CACHE")) is not None:
        return Path(named) if named else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / "dumpscan" / "cache" if base else None
    home = Path("~").expanduser()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "dumpscan"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "dumpscan"


def load(key: str) -> bytes | None:
    """What was stored under ``key``; ``None`` if nothing usable is there."""
    path = _path(key)
    if path is None:
        return None
    try:
        with path.open("rb", buffering=0) as file:  # some megabytes, not to be copied
            status = os.fstat(file.fileno())
            if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
                return None
            digest, body = file.read(32), file.read()
    except OSError:
        return None
    return body if hmac.compare_digest(hashlib.sha256(body).digest(), digest) else None


def kept(
    key: str,
    make: Callable[[], _Made],
    dump: Callable[[_Made], bytes],
    restore: Callable[[bytes], _Made],
    unusable: tuple[type[Exception], ...],
) -> _Made:
    """What an earlier run kept under ``key``. Where there is none, or ``restore`` raises ``unusable``, it is made."""
    stored = load(key)
    if stored is not None:
        with contextlib.suppress(*unusable):
            return restore(stored)
    made = make()
    store(key, dump(made))
    return made


def store(key: str, body: bytes) -> None:
    """Keep ``body`` under ``key``, if that can be done."""
    path = _path(key)
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part_beside(path) as part:
            with os.fdopen(create_private(part), "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            part.replace(path)
        entries = sorted(path.parent.glob("*.rules"), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in entries[_KEPT:]:
            entry.unlink()


def _path(key: str) -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.rules"
