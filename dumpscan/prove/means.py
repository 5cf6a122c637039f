"""What a proof may use besides clues and public keys: the dump's bytes by file offset, and other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
_Item = TypeVar("_Item")


class Spread(Protocol):
    """Like :class:`map`: the results of picklable work, in the order of its tasks, from any number of processes."""

    def __call__(self, work: Callable[[Task], Result], tasks: Iterable[Task], /) -> Iterable[Result]: ...


def here(work: Callable[[Task], Result], tasks: Iterable[Task], /) -> Iterable[Result]:
    """All work in this process."""
    return map(work, tasks)


def nowhere(offset: int, before: int, after: int) -> tuple[bytes, bytes]:
    """A dump of which nothing can be read."""
    return b"", b""


@dataclass(frozen=True, slots=True)
class Means:
    """``around`` reads what stands before a file offset, and from it on: so many bytes of each at most. ``spread``
    hands out work."""

    around: Callable[[int, int, int], tuple[bytes, bytes]] = field(default=nowhere, repr=False)
    spread: Spread = here


def batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """``items`` in order, ``size`` of them at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
