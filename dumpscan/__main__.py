"""The command ``dumpscan``, and ``python -m dumpscan``: what has to be set before anything large is imported."""

from __future__ import annotations

import gc
import os

_THRESHOLD = 100_000
"""Objects allocated between two collections of garbage. Some 400,000 are made at the start, and stay."""


def main() -> None:
    """Run the command line; see :mod:`dumpscan.cli`."""
    gc.set_threshold(_THRESHOLD)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads for matrices, which nobody asks for any
    from dumpscan.cli import leave
    from dumpscan.cli import main as run

    try:
        run()
    except SystemExit as end:  # to take apart what was made would take a tenth of a second
        leave(int(end.code or 0))


if __name__ == "__main__":
    main()
