"""The command ``dumpscan``, and ``python -m dumpscan``: what is set before anything large is imported, and the end."""

from __future__ import annotations

import atexit
import gc
import os
import sys

_THRESHOLD = 100_000
"""Objects allocated between two collections of garbage. Some 40,000 are made at the start, and stay."""


def main() -> None:
    """Run the command line; see :mod:`dumpscan.cli`."""
    gc.set_threshold(_THRESHOLD)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads for matrices, which nobody asks for any
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")  # of many large arrays little is used, and 2 MiB were cleared
    from dumpscan.cli import main as run

    try:
        run()
    except SystemExit as end:
        _leave(end.code)
        raise


def _leave(code: object) -> None:
    """End the process, with what was registered for its end; returns if an orderly end has something to complain of.

    To take all modules and objects apart, as Python does then, is a tenth of the time that a small dump takes.
    """
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    if isinstance(code, int):
        os._exit(code)


if __name__ == "__main__":
    main()
