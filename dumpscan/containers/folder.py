"""A folder: a crash report of Windows (WER), of ABRT, of systemd, or any other. Links in it are not followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from dumpscan.containers.base import Item
from dumpscan.decoders import Damage

NAME = "folder"
_DEEPEST = 64


def folder_items(root: Path) -> Iterator[Item]:
    """Everything below ``root``, sorted by name; raises :class:`Damage` after the rest if a part cannot be listed."""
    unlisted: list[str] = []
    yield from _below(root, "", unlisted, 0)
    if unlisted:
        raise Damage(f"has {len(unlisted)} folders that cannot be listed, the first: {unlisted[0]}")


def _below(folder: Path, prefix: str, unlisted: list[str], depth: int) -> Iterator[Item]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        entries = []
        unlisted.append(prefix or ".")
    for entry in entries:
        name = prefix + entry.name
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            yield Item(name, None, problem=f"cannot be read: {error.strerror}")
            continue
        if stat.S_ISDIR(status.st_mode):
            yield Item(name + "/", status)
            if depth < _DEEPEST:
                yield from _below(Path(entry.path), name + "/", unlisted, depth + 1)
            else:
                unlisted.append(name)
        elif stat.S_ISREG(status.st_mode):
            yield Item(name, status, path=Path(entry.path))
        elif stat.S_ISLNK(status.st_mode):
            yield Item(name, status)
        else:
            yield Item(name, status, problem="is not a file")
