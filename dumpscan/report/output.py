"""Where a report is written to."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dumpscan.errors import RedactionError
from dumpscan.parts import create_private, part_beside

_OPEN_FILES = re.compile(r"/dev/(stdout|stderr|fd/)|/proc/")
"""How the paths begin that name what a process has open; it may be a file that somebody else has open too."""

_MOST_LINKS = 40


@contextmanager
def report_output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that gets its name only when it is complete.

    What is no ordinary file (a device, a pipe, what the process has open as ``/dev/stdout``) stays what it is: the
    complete report is written to it. Of a symbolic link the file that it leads to is replaced.
    """
    if path is None:
        out = io.StringIO()
        out.isatty = sys.stdout.isatty  # type: ignore[method-assign]
        yield out
        sys.stdout.write(out.getvalue())
        sys.stdout.flush()
        return
    try:
        target = _ordinary(path)
        if target is None:
            out = io.StringIO()
            yield out
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "w", encoding="utf-8") as file:
                file.write(out.getvalue())
            return
        with part_beside(target) as part:
            with os.fdopen(create_private(part), "w", encoding="utf-8") as file:
                yield file
            part.replace(target)
    except OSError as error:
        raise RedactionError(f"cannot write {path}: {error.strerror}") from None


def _ordinary(path: Path) -> Path | None:
    """The ordinary file that ``path`` is, or leads to, or will be; None if it is something else."""
    target = path.absolute()
    for _ in range(_MOST_LINKS):
        if _OPEN_FILES.match(target.as_posix()):
            return None
        if not target.is_symlink():
            return target if target.is_file() or not target.exists() else None
        target = target.parent / target.readlink()
    return None
