"""One pass over bytes for thousands of literals: Hyperscan where it is installed, YARA elsewhere.

Both engines give the same hits (a test holds them equal). Hyperscan holds the GIL while it scans, so parallel
work needs processes. Case matters; every occurrence is reported, overlapping ones too.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
from array import array
from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import yara

from dumpscan import cache

try:
    import hyperscan
except ImportError:  # no wheel for this platform: slower, same findings
    hyperscan = None  # type: ignore[assignment]

HIT_CAP = 100_000
"""Hits taken from one buffer. More means a buffer that is made of anchors; the rest is given up, and said."""

_YARA_SET = 8_000
"""Strings in one YARA rule; YARA refuses rules with more than 10,000."""


class LiteralSearch(Protocol):
    """Finds every occurrence of a fixed set of literals."""

    def search(self, data: memoryview, cap: int = HIT_CAP) -> tuple[list[tuple[int, int]], bool]:
        """All hits as (index of the literal, start), sorted by start, and whether ``cap`` cut them off."""
        ...


_ESCAPED = [f"\\x{byte:02x}".encode() for byte in range(256)]


def _cache_key(literals: Sequence[bytes]) -> str:
    """Changes with the literals, the engine and the processor that the database was compiled for."""
    lengths = array("I", map(len, literals))
    digest = hashlib.sha256(b"".join([lengths.tobytes(), *literals]))
    version = getattr(hyperscan, "__version__", "")
    return f"{digest.hexdigest()} {version} {platform.machine()} {_processor()}"


def _processor() -> str:
    """The processor's features, where the system tells them: a database may use any of them."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as info:
        return next((line for line in info if line.startswith(("flags", "Features"))), "")
    return platform.processor()


def _compiled(literals: Sequence[bytes]) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    # Escaped regular expressions, not the literal API: its Python binding stops at a NUL byte.
    expressions = [b"".join(_ESCAPED[byte] for byte in literal) for literal in literals]
    database.compile(expressions=expressions, ids=list(range(len(literals))), elements=len(literals), flags=0)
    return database


def _loaded(stored: bytes) -> Any:
    database = hyperscan.loadb(stored, hyperscan.HS_MODE_BLOCK)
    database.scratch = hyperscan.Scratch(database)
    return database


class _Hyperscan:
    def __init__(self, literals: Sequence[bytes], cached: bool) -> None:
        self._lengths = [len(literal) for literal in literals]
        compiled = partial(_compiled, literals)
        if cached:
            self._database = cache.kept(
                _cache_key(literals), compiled, hyperscan.dumpb, _loaded, (hyperscan.HyperscanError,)
            )
        else:
            self._database = compiled()

    def search(self, data: memoryview, cap: int = HIT_CAP) -> tuple[list[tuple[int, int]], bool]:
        lengths = self._lengths
        hits: list[tuple[int, int]] = []
        add = hits.append

        def on_match(literal: int, _start: int, end: int, _flags: int, _context: Any) -> bool | None:
            add((literal, end - lengths[literal]))
            return True if len(hits) > cap else None

        with contextlib.suppress(hyperscan.ScanTerminated):
            self._database.scan(data, match_event_handler=on_match)
        capped = len(hits) > cap
        del hits[cap:]
        hits.sort(key=_by_start)
        return hits, capped


class _Yara:
    def __init__(self, literals: Sequence[bytes]) -> None:
        self._sets: list[yara.Rules] = []
        for first in range(0, len(literals), _YARA_SET):
            strings = "".join(
                f"$s{first + i} = {{ {literal.hex()} }}\n"
                for i, literal in enumerate(literals[first : first + _YARA_SET])
            )
            source = f"rule literals {{ strings:\n{strings} condition: any of them }}"
            self._sets.append(yara.compile(source=source, error_on_warning=False))

    def search(self, data: memoryview, cap: int = HIT_CAP) -> tuple[list[tuple[int, int]], bool]:
        hits: list[tuple[int, int]] = []
        for rules in self._sets:
            for match in rules.match(data=data):
                for string in match.strings:
                    literal = int(string.identifier[2:])
                    hits.extend((literal, instance.offset) for instance in string.instances)
        hits.sort(key=_by_start)
        capped = len(hits) > cap
        del hits[cap:]
        return hits, capped


_by_start = itemgetter(1, 0)


class _Nothing:
    def search(self, data: memoryview, cap: int = HIT_CAP) -> tuple[list[tuple[int, int]], bool]:
        return [], False


def engine_name() -> str:
    """``hyperscan`` or ``yara``: what :func:`literal_search` uses by default."""
    return "yara" if hyperscan is None else "hyperscan"


def literal_search(literals: Sequence[bytes], engine: str | None = None, *, cached: bool = False) -> LiteralSearch:
    """Compile ``literals`` (none of them empty) for searching.

    ``engine`` is ``hyperscan``, ``yara`` or the default. ``cached`` keeps what is compiled for the next run: never for
    literals that come from a dump.
    """
    if not literals:
        return _Nothing()
    if (engine or engine_name()) == "hyperscan":
        return _Hyperscan(literals, cached)
    return _Yara(literals)
