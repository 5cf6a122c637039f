"""One pass over bytes for thousands of literals: a kernel in C, Hyperscan, or YARA.

All engines give the same hits (a test holds them equal). Case matters; every occurrence is reported, overlapping ones
too. Which is the fastest depends on the processor and on how many literals there are: docs/performance.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import platform
from array import array
from collections.abc import Sequence
from functools import cache, partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dumpscan import kernel
from dumpscan.cache import kept

HIT_CAP = 100_000
"""Hits taken from one buffer. More means a buffer that is made of anchors; the rest is given up, and said."""

SHORTEST = 4
"""Bytes of a literal that the kernel looks for, at least; shorter ones are left to the others."""

_MOST_OF_KERNEL, _MOST = 1_000_000, 160_000
"""Literals that one search takes: 100 bytes each in the kernel's tables, and 2,500 in Hyperscan's database."""

_YARA_SET = 8_000
"""Strings in one YARA rule; YARA refuses rules with more than 10,000."""


class LiteralSearch(Protocol):
    """Finds every occurrence of a fixed set of literals."""

    def search(self, data: memoryview, cap: int = HIT_CAP) -> tuple[list[tuple[int, int]], bool]:
        """All hits as (index of the literal, start), sorted by start, and whether ``cap`` cut them off."""
        ...


class _Kernel:
    def __init__(self, literals: Sequence[bytes]) -> None:
        assert kernel.literals is not None
        self._find = kernel.literals.find
        self._table = kernel.literals.compile(b"".join(literals), array("I", map(len, literals)))

    def search(self, data: memoryview, cap: int = HIT_CAP) -> tuple[list[tuple[int, int]], bool]:
        found = np.empty((cap, 2), np.int64)
        count = self._find(self._table, data, found)
        hits = found[:count]
        hits = hits[np.lexsort((hits[:, 1], hits[:, 0]))]
        return list(zip(hits[:, 1].tolist(), hits[:, 0].tolist(), strict=True)), count > cap


_ESCAPED = [f"\\x{byte:02x}".encode() for byte in range(256)]


@cache
def _hyperscan() -> Any:
    """The module, or None: there is no wheel for each platform. It is imported where it is needed, as YARA is."""
    with contextlib.suppress(ImportError):
        return importlib.import_module("hyperscan")
    return None


def _cache_key(literals: Sequence[bytes]) -> str:
    """Changes with the literals, the engine and the processor that the database was compiled for."""
    lengths = array("I", map(len, literals))
    digest = hashlib.sha256(b"".join([lengths.tobytes(), *literals]))
    version = getattr(_hyperscan(), "__version__", "")
    return f"{digest.hexdigest()} {version} {platform.machine()} {_processor()}"


def _processor() -> str:
    """The processor's features, where the system tells them: a database may use any of them."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as info:
        return next((line for line in info if line.startswith(("flags", "Features"))), "")
    return platform.processor()


def _compiled(literals: Sequence[bytes]) -> Any:
    hyperscan = _hyperscan()
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    # Escaped regular expressions, not the literal API: its Python binding stops at a NUL byte.
    expressions = [b"".join(_ESCAPED[byte] for byte in literal) for literal in literals]
    database.compile(expressions=expressions, ids=list(range(len(literals))), elements=len(literals), flags=0)
    return database


def _loaded(stored: bytes) -> Any:
    hyperscan = _hyperscan()
    database = hyperscan.loadb(stored, hyperscan.HS_MODE_BLOCK)
    database.scratch = hyperscan.Scratch(database)
    return database


class _Hyperscan:
    def __init__(self, literals: Sequence[bytes], cached: bool) -> None:
        self._lengths = [len(literal) for literal in literals]
        compiled = partial(_compiled, literals)
        if cached:
            hyperscan = _hyperscan()
            self._database = kept(_cache_key(literals), compiled, hyperscan.dumpb, _loaded, (hyperscan.HyperscanError,))
        else:
            self._database = compiled()

    def search(self, data: memoryview, cap: int = HIT_CAP) -> tuple[list[tuple[int, int]], bool]:
        lengths = self._lengths
        hits: list[tuple[int, int]] = []
        add = hits.append

        def on_match(literal: int, _start: int, end: int, _flags: int, _context: Any) -> bool | None:
            add((literal, end - lengths[literal]))
            return True if len(hits) > cap else None

        with contextlib.suppress(_hyperscan().ScanTerminated):
            self._database.scan(data, match_event_handler=on_match)
        capped = len(hits) > cap
        del hits[cap:]
        hits.sort(key=_by_start)
        return hits, capped


class _Yara:
    def __init__(self, literals: Sequence[bytes]) -> None:
        import yara

        self._sets: list[Any] = []
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


def _is_there(engine: str) -> bool:
    """Asked of Hyperscan only where it may be used: to ask is to import it."""
    if engine == "kernel":
        return kernel.literals is not None
    return engine == "yara" or _hyperscan() is not None


def engines() -> tuple[str, ...]:
    """The engines that there are: ``kernel``, ``hyperscan``, ``yara``."""
    return tuple(filter(_is_there, ("kernel", "hyperscan", "yara")))


_COMPILED_FAST = 40_000
"""Literals from a dump that Hyperscan compiles in some three seconds; more are left to the kernel in any case."""


def _fastest(count: int, cached: bool) -> str:
    """The engine for so many literals. Once they are compiled Hyperscan is faster than a kernel without AVX-512."""
    order = ("kernel", "hyperscan", "yara")
    if kernel.literals is not None and kernel.literals.vectors() < 64 and (cached or count <= _COMPILED_FAST):
        order = ("hyperscan", "kernel", "yara")
    return next(filter(_is_there, order))


def most_literals() -> int:
    """How many literals from a dump can be looked for in bounded memory."""
    return _MOST if kernel.literals is None else _MOST_OF_KERNEL


def literal_search(literals: Sequence[bytes], engine: str | None = None, *, cached: bool = False) -> LiteralSearch:
    """Compile ``literals`` (none of them empty) for searching.

    ``engine`` is one of :func:`engines`, or by default the fastest. ``cached`` keeps what is compiled for the next run:
    never for literals that come from a dump.
    """
    if not literals:
        return _Nothing()
    engine = engine or _fastest(len(literals), cached)
    if engine == "kernel" and min(map(len, literals)) < SHORTEST:
        engine = engines()[1]
    if engine == "kernel":
        return _Kernel(literals)
    if engine == "hyperscan":
        return _Hyperscan(literals, cached)
    return _Yara(literals)
