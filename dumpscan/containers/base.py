"""What a container is: files in one file, or in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from dumpscan.source import Source


@dataclass(frozen=True, slots=True)
class Item:
    """A member while a container is read: ``data`` is ``None`` for a directory, a link or the like.

    ``meta`` is what the container's writer needs to write it again; ``problem`` says why its bytes cannot be read.
    ``path`` is where they lie already, for a folder's. A ``leaf`` is not looked into.
    """

    name: str
    meta: Any
    data: Iterator[bytes] | None = None
    problem: str = ""
    path: Path | None = None
    leaf: bool = False


@dataclass(slots=True)
class Member:
    """A member that was read. Its plain bytes lie at ``path``; ``None`` where it has none.

    ``packed`` are its bytes with everything still on, ``wrapper`` is what was taken off (``inside`` the name in a zip),
    ``inner`` what it holds if it is a container itself. ``lost`` says that bytes of it could not be looked at.
    """

    name: str
    meta: Any
    path: Path | None = None
    packed: Path | None = None
    wrapper: str = ""
    inside: str = ""
    inner: Container | None = None
    problems: list[str] = field(default_factory=list)
    lost: bool = False


@dataclass(slots=True)
class Container:
    """A container that was read, in the order of its members. ``complete`` unless reading stopped at a limit."""

    kind: str
    members: list[Member] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    complete: bool = True


Content = Callable[[Member], Path | None]
"""The packed bytes of a member, as a file; ``None`` for a directory, a link or the like."""


class Kind(Protocol):
    """A kind of container.

    ``items`` yields members whose data is to be read before the next is asked for, and raises
    :class:`dumpscan.decoders.Damage` after the last that can be read. ``write`` makes such a container again, with
    the same members in the same order, the same names, modes and times. ``unread`` names what is not read in one.
    """

    name: str
    title: str
    unread: str

    def sniff(self, source: Source) -> bool: ...

    def items(self, source: Source) -> Iterator[Item]: ...

    def write(self, members: Sequence[Member], out: BinaryIO, content: Content) -> None: ...
