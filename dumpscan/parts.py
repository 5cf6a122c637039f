"""Files and folders of ours that are private, and gone again whatever happens."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FLAGS = os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


def create_private(path: Path) -> int:
    """Make the file ``path``, mode 0600, and return a descriptor to write and read it; OSError if it exists."""
    return os.open(path, _FLAGS | os.O_RDWR, 0o600)


def unused_name(folder: Path, prefix: str, suffix: str = "") -> Path:
    """A name in ``folder`` that nothing has.

    Who chooses the name before the file is made can promise its removal before it is made, too. After
    :func:`tempfile.mkstemp` a signal may come between the two.
    """
    return folder / f"{prefix}{secrets.token_hex(8)}{suffix}"


@contextmanager
def part_beside(path: Path) -> Iterator[Path]:
    """A name beside ``path`` for what is to become it; nothing has it yet, and what has it afterwards is removed."""
    part = unused_name(path.parent, f".{path.name}.", ".part")
    try:
        yield part
    finally:
        remove(part)


def remove(path: Path) -> None:
    """Remove the file or the folder ``path``, as far as it is there and that can be done."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
