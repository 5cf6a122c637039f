"""Damages small dumps of every format at random and scans them: a verdict or a clear error, and nothing else.

    python -m tests.fuzz [SECONDS [SEED]]

runs for a while and says which seed failed. A short run is a test (test_fuzz.py).
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dumpscan.errors import DumpscanError
from dumpscan.scan import Options
from dumpscan.scan_container import scan_any
from tests.makers.fixtures import manifest
from tests.makers.fuzzed import archives, dumps
from tests.makers.seven_zip import resealed

LARGEST = 128 << 10
"""Bytes of the fixtures that are damaged, besides the made ones."""

_NUMBERS = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1, (1 << 64) - 4096)


def seeds() -> dict[str, bytes]:
    """Whole dumps by name: one made of each format, containers of each kind, and small real ones where they are."""
    real = {row.id: row.file.read_bytes() for row in manifest() if row.size <= LARGEST}
    return dumps() | archives() | real


def damaged(whole: bytes, source: random.Random) -> bytes:
    """``whole`` with a few fields overwritten, bytes flipped, pieces cut out, doubled or lost at the end."""
    data = bytearray(whole)
    for _ in range(source.randint(1, 6)):
        if not data:
            break
        near_start = source.random() < 0.7
        at = source.randrange(min(len(data), 4096) if near_start else len(data))
        match source.randrange(6):
            case 0:
                data[at] ^= 1 << source.randrange(8)
            case 1 | 2:
                order, width = source.choice("<>"), source.choice("HIQ")
                field = struct.pack(order + width, source.choice(_NUMBERS) & ((1 << 8 * struct.calcsize(width)) - 1))
                data[at : at + len(field)] = field
            case 3:
                del data[at:]
            case 4:
                del data[at : at + source.randint(1, 64)]
            case _:
                data[at:at] = data[at : at + source.randint(1, 256)]
    return bytes(data)


def scanned(data: bytes, folder: Path) -> str:
    """The verdict on ``data``, or the type of the error that was said."""
    path = folder / "dump"
    path.write_bytes(data)
    try:
        report = scan_any(str(path), Options(jobs=1, now=0)).report
    except DumpscanError as error:
        assert "\n" not in str(error)
        return type(error).__name__
    assert report.verdict in ("clean", "findings", "inconclusive")
    return report.verdict


def cases(seed: int) -> Iterator[tuple[str, bytes]]:
    """Endless damaged dumps: (name of what was damaged, bytes)."""
    source = random.Random(seed)
    whole = seeds()
    names = sorted(whole)
    while True:
        name = names[source.randrange(len(names))]
        data = damaged(whole[name], source)
        if name.startswith("7z") and source.random() < 0.8:  # or no damage gets past the checksums of its headers
            data = resealed(data)
        yield name, data


def main() -> None:
    """Fuzz for as long as the first argument says."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    end, done = time.monotonic() + seconds, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, data in cases(seed):
            if time.monotonic() > end:
                break
            try:
                started = time.monotonic()
                scanned(data, Path(folder))
                assert time.monotonic() - started < 30, "too slow"
            except Exception:
                Path("fuzz-failure").write_bytes(data)
                print(f"seed {seed}, case {done}, of {name}: written to fuzz-failure", file=sys.stderr)
                raise
            done += 1
    print(f"{done} cases of seed {seed}")


if __name__ == "__main__":
    main()
