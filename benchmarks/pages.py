"""How many pages of a dump are zero, and how many of the others repeat one: what dropping repeated pages could save.

python -m benchmarks.pages FILE
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from dumpscan.windows import PAGE

_AT_ONCE = 4096
"""Pages."""


def main(path: Path) -> None:
    """Count the pages of the file at ``path``; pages with equal sums of products are taken for equal."""
    factors = np.frombuffer(os.urandom(PAGE), np.uint64) | np.uint64(1)
    zero, seen, repeated = 0, set[int](), 0
    with path.open("rb") as file:
        while len(data := file.read(_AT_ONCE * PAGE)) >= PAGE:
            pages = np.frombuffer(data[: len(data) // PAGE * PAGE], np.uint64).reshape(-1, PAGE // 8)
            for live, digest in zip(pages.any(axis=1).tolist(), (pages * factors).sum(axis=1).tolist(), strict=True):
                zero += not live
                repeated += live and digest in seen
                if live:
                    seen.add(digest)
    live_pages = len(seen) + repeated
    share = repeated / max(live_pages, 1)
    print(f"{zero} pages are zero; {live_pages} are not, and {repeated} of them ({share:.1%}) repeat another")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
