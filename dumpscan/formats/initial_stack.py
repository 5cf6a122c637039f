"""Arguments and environment of a process on Linux: strings at the top of its first stack.

As ``fs/exec.c`` and ``fs/binfmt_elf.c`` lay them out, from low to high addresses: the number of arguments, pointers to
them, NULL, pointers to the variables, NULL, the auxiliary vector; then the bytes that ``AT_RANDOM`` points to, the
arguments, the variables, and the path that ``AT_EXECFN`` points to. A program that sets its title writes over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dumpscan.model import COMMAND_LINE, ENVIRONMENT, Region
from dumpscan.source import Source

MAX_POINTERS = 1 << 16
"""Arguments and variables that are followed."""

_NEAR = 1 << 14  # from the auxiliary vector to where AT_RANDOM points: 8 KiB at random, the platform's name, padding


def settings(
    source: Source, stack: Region, auxv: bytes, random: int, path: int, word: int, order: str
) -> Iterator[Region]:
    """The parts of ``stack`` that hold the arguments and the environment.

    ``auxv`` is how the auxiliary vector begins, ``random`` and ``path`` are two addresses in it; a pointer has ``word``
    bytes in the byte order ``order``.
    """
    base = stack.address or 0
    top = random - base
    if not 0 <= top < path - base < min(stack.size, source.size - stack.offset):
        return
    low = max(top - _NEAR - MAX_POINTERS * word, 0)
    low += -(base + low) % word
    raw = source.read(stack.offset + low, top - low)
    at = raw.rfind(auxv[: 4 * word]) if len(auxv) >= 4 * word else -1
    if at < 0 or at % word:
        return
    words = np.frombuffer(raw[:at], f"{order}u{word}")[::-1][:MAX_POINTERS].tolist()
    variables, rest = _pointers(words, 0, random, path)
    arguments, rest = _pointers(words, rest, random, path)
    if not arguments and words[rest : rest + 1] == [len(variables)]:
        arguments, variables = variables, []
    between = min(variables, default=path)
    for start, end, name in ((min(arguments, default=between), between, COMMAND_LINE), (between, path, ENVIRONMENT)):
        if start < end:
            yield replace(stack, offset=stack.offset + start - base, size=end - start, address=start, name=name)


def _pointers(words: Sequence[int], index: int, low: int, high: int) -> tuple[list[int], int]:
    """The addresses between ``low`` and ``high`` after the zeros at ``index``, and where they end.

    More than one zero stands there after ``unsetenv``, which moves up what follows.
    """
    while index < len(words) and words[index] == 0:
        index += 1
    start = index
    while index < len(words) and low < words[index] < high:
        index += 1
    return list(words[start:index]), index
