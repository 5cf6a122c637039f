"""The engines that look for literals, one processor each: ``python -m benchmarks.literals FILE``.

Prints, for the signatures' literals and for random ones of eight bytes, the time to compile them, what that takes of
memory for each, and nanoseconds for each byte of the pages of FILE that are not zero (64 MiB of them, evenly chosen)
and of random bytes. Of three runs the quickest.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil

from dumpscan import kernel
from dumpscan.literals import LiteralSearch, engines, literal_search
from dumpscan.matchers.registry import build_matchers
from dumpscan.windows import PAGE

SAMPLE = 64 << 20
WINDOW = 1 << 20


def sample(path: Path) -> bytes:
    """Pages of a file that are not all zero, evenly chosen."""
    pages = np.memmap(path, np.uint8, "r")[: path.stat().st_size // PAGE * PAGE].reshape(-1, PAGE)
    some = range(0, len(pages), 4096)
    live = np.concatenate([np.flatnonzero(pages[first : first + 4096].any(axis=1)) + first for first in some])
    data: bytes = pages[live[:: max(len(live) * PAGE // SAMPLE, 1)]].tobytes()
    return data


def quickest(work: Callable[[], object]) -> float:
    """Seconds of the quickest of three runs."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def searched(search: LiteralSearch, data: bytes) -> Callable[[], object]:
    """The search of all of ``data``, a window at a time."""
    view = memoryview(data)
    return lambda: [search.search(view[first : first + WINDOW]) for first in range(0, len(data), WINDOW)]


def row(title: str, literals: Sequence[bytes], engine: str, width: int, contents: Sequence[bytes]) -> None:
    """Measure one engine, in a process that has compiled nothing before, and print it."""
    if kernel.literals:
        kernel.literals.use_vectors(width)
    process = psutil.Process()
    before, started = process.memory_info().rss, time.perf_counter()
    search = literal_search(literals, engine)
    seconds, size = time.perf_counter() - started, process.memory_info().rss - before
    cells = [title, f"{engine}, {width} bytes at once" if engine == "kernel" else engine, f"{seconds:.2f}"]
    cells.append(f"{size / len(literals):,.0f}")
    cells += [f"{quickest(searched(search, data)) / len(data) * 1e9:.2f}" for data in contents]
    print("|", " | ".join(cells), "|", flush=True)


def main(path: Path) -> None:
    """Print the table."""
    contents = sample(path), np.random.default_rng(1).bytes(SAMPLE)
    anchors = {anchor for matcher in build_matchers() for anchor in matcher.anchors}
    sets = {f"{len(anchors):,} of the signatures": list(anchors)}
    sets |= {f"{count:,} random": list({os.urandom(8) for _ in range(count)}) for count in (5_000, 160_000)}
    widths = [width for width in (64, 32, 0) if kernel.literals and width <= kernel.literals.vectors()]
    kinds = [*(("kernel", width) for width in widths), *((name, 0) for name in engines() if name == "hyperscan")]
    heads = ("literals", "engine", "compiled, s", "bytes each", f"{path.name}, ns/byte", "random, ns/byte")
    print("|", " | ".join(heads), "|\n" + "|---" * len(heads) + "|", flush=True)
    for title, literals in sets.items():
        for engine, width in kinds:
            process = get_context("fork").Process(target=row, args=(title, literals, engine, width, contents))
            process.start()
            process.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
