"""Reading containers, in containers, within bounds.

Members are copied to private temporary files that are named by dumpscan: a name from an archive is never a path. Work,
memory and disk are bounded by :class:`Bounds`; what goes past them is stated, and the container is then incomplete.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dumpscan.containers.base import Container, Item, Kind, Member
from dumpscan.containers.folder import NAME as FOLDER
from dumpscan.containers.folder import folder_items
from dumpscan.decoders import Damage, recognise
from dumpscan.entry import Entry
from dumpscan.errors import SourceError
from dumpscan.model import Unread
from dumpscan.source import FileSource, Source, Spool
from dumpscan.wrappers import Limits, Opened, open_source

ENTRIES: tuple[Entry[Kind], ...] = (
    Entry("dumpscan.containers.apport", "Apport", (b"ProblemType:",)),
    Entry("dumpscan.containers.zips", "Zip", (b"PK",)),
    Entry("dumpscan.containers.tar", "Tar"),
    Entry("dumpscan.containers.seven_zip", "SevenZip", (b"7z",)),
    Entry("dumpscan.containers.cab", "Cabinet", (b"MSCF",)),
)
UNREAD = {b"Rar!\x1a\x07": "rar"}
"""Archives that are recognised, and not read: nothing but RAR's own program may write them."""

_HEAD = 16
"""Bytes of a file that tell which kinds it may be."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where reading stops: members of all containers together, containers in one another, and the wrappers' limits."""

    members: int = 50_000
    depth: int = 3
    wrappers: Limits = field(default_factory=Limits)


class _Stop(Exception):  # noqa: N818
    """A bound was reached; the text says which."""


@dataclass(slots=True)
class _Budget:
    bounds: Bounds
    outermost: int
    members: int = 0
    size: int = 0
    stored: int = 0

    def member(self) -> None:
        self.members += 1
        if self.members > self.bounds.members:
            raise _Stop(f"more than {self.bounds.members} members")

    def check(self, size: int, stored: int) -> None:
        """Stop if so many bytes more make a bomb."""
        limits = self.bounds.wrappers
        for output, ratio in ((self.stored + stored, limits.ratio), (self.size + size, limits.zero_ratio)):
            if output > limits.free and output > ratio * self.outermost:
                raise _Stop(f"decompression bomb: {self.outermost} bytes give more than {output}")

    def take(self, spool: Spool) -> None:
        self.check(spool.size, spool.stored)
        self.size += spool.size
        self.stored += spool.stored


@dataclass(frozen=True, slots=True)
class OpenedContainer:
    """A container that is ready to be scanned. ``opened`` is the file with its wrappers off; ``None`` for a folder."""

    container: Container
    opened: Opened | None
    unread: tuple[Unread, ...] = ()


def kinds() -> tuple[Kind, ...]:
    """All kinds of containers, in the order in which they are tried."""
    return tuple(entry.reader() for entry in ENTRIES)


def container_kind(source: Source) -> Kind | None:
    """The kind of container that ``source`` is."""
    head = source.read(0, _HEAD)
    asked = (entry.reader() for entry in ENTRIES if entry.may_take(head))
    return next((kind for kind in asked if kind.sniff(source)), None)


@contextmanager
def open_any(
    path: str, *, spool_dir: Path | None = None, stdin: BinaryIO | None = None, bounds: Bounds | None = None
) -> Iterator[OpenedContainer | Opened]:
    """Open a folder, a container or a dump. Raises :class:`SourceError` as :func:`open_source` does."""
    bounds = bounds or Bounds()
    with ExitStack() as stack:
        if path != "-" and Path(path).is_dir():
            reader = _Reader(_Budget(bounds, 0), stack, spool_dir)
            yield OpenedContainer(reader.container(FOLDER, folder_items(Path(path)), 1), None)
            return
        limits = bounds.wrappers
        opened = stack.enter_context(open_source(path, spool_dir=spool_dir, stdin=stdin, limits=limits, archives=True))
        _refuse_unsupported(opened.source)
        kind = container_kind(opened.source)
        if kind is None:
            yield opened
            return
        packed = opened.source.size if path == "-" else Path(path).stat().st_size
        reader = _Reader(_Budget(bounds, packed), stack, spool_dir)
        yield OpenedContainer(reader.container(kind.name, kind.items(opened.source), 1), opened, opened.unread)


def _refuse_unsupported(source: Source) -> None:
    head = source.read(0, 8)
    name = next((name for magic, name in UNREAD.items() if head.startswith(magic)), "")
    if name:
        raise SourceError(f"{name} archives are not supported: unpack it and give the folder")


class _Reader:
    """Reads a container and those inside it into temporary files."""

    def __init__(self, budget: _Budget, stack: ExitStack, spool_dir: Path | None) -> None:
        self._budget, self._stack, self._spool_dir = budget, stack, spool_dir
        self._empty: Spool | None = None

    def container(self, kind: str, items: Iterator[Item], depth: int) -> Container:
        """Read all members, till the end, a damage or a bound."""
        made = Container(kind)
        try:
            for item in items:
                self._budget.member()
                member = Member(item.name, item.meta, problems=[item.problem] if item.problem else [])
                member.lost = bool(item.problem)
                made.members.append(member)
                self._fill(member, item)
                if not item.leaf:
                    self._look_inside(member, depth)
        except Damage as damage:
            made.problems.append(f"the {kind} {damage}")
        except _Stop as stop:
            made.problems.append(f"the {kind} is not read to its end: {stop}")
            made.complete = False
        return made

    def _fill(self, member: Member, item: Item) -> None:
        if item.path is not None:
            member.path = member.packed = item.path
            self._budget.outermost += item.path.stat().st_size
        if item.data is None:
            return
        spool: Spool | None = None
        try:
            for data in item.data:
                if spool is None:
                    spool = self._spool()
                    member.path = member.packed = spool.path
                spool.write(data)
                self._budget.check(spool.size, spool.stored)
        except Damage as damage:
            member.problems.append(f"it {damage}")
        except _Stop:
            member.lost = True
            raise
        finally:
            if spool:
                spool.finish()
        if spool:
            self._budget.take(spool)
        else:
            member.path = member.packed = self._nothing()

    def _spool(self) -> Spool:
        spool = Spool(self._spool_dir, self._budget.bounds.wrappers.reserve)
        self._stack.callback(spool.close)
        return spool

    def _nothing(self) -> Path:
        """The file that all members without a byte share."""
        if self._empty is None:
            self._empty = self._spool()
            self._empty.finish()
        return self._empty.path

    def _look_inside(self, member: Member, depth: int) -> None:
        """Take wrappers off a member, and read it if it is a container."""
        if member.path is None or member.path.stat().st_size == 0:
            return
        try:
            with FileSource(member.path) as source:
                head = source.read(0, 8)
                wrapped = bool(recognise(source))
            if wrapped:
                self._unwrap(member)
        except SourceError as error:
            member.problems.append(f"{error}; its bytes were scanned as they are")
            member.lost = True
            return
        unsupported = next((name for magic, name in UNREAD.items() if head.startswith(magic)), "")
        if unsupported:
            member.problems.append(f"{unsupported} archives are not supported: its bytes were scanned as they are")
            member.lost = True
        with FileSource(member.path) as source:
            kind = container_kind(source)
            if kind is None:
                return
            if depth >= self._budget.bounds.depth:
                member.problems.append(f"more than {self._budget.bounds.depth} containers in one another")
                member.lost = True
                return
            inner = self.container(kind.name, kind.items(source), depth + 1)
        member.inner = inner
        if not inner.complete:
            raise _Stop("; ".join(inner.problems))

    def _unwrap(self, member: Member) -> None:
        opened = self._stack.enter_context(
            open_source(str(member.path), spool_dir=self._spool_dir, limits=self._budget.bounds.wrappers, archives=True)
        )
        assert isinstance(opened.source, FileSource)
        member.path, member.wrapper, member.inside = opened.source.path, opened.wrapper, opened.member
        member.problems.extend(unread.reason for unread in opened.unread)
        opened.source.close()
        stored = member.path.stat().st_blocks * 512 if hasattr(member.path.stat(), "st_blocks") else opened.source.size
        self._budget.size += opened.source.size
        self._budget.stored += min(stored, opened.source.size)
        self._budget.check(0, 0)


def leaves(container: Container, prefix: str = "") -> Iterator[tuple[str, Member]]:
    """Name and member of everything with bytes to scan; names of what lies in containers are joined by ``/``."""
    for member in container.members:
        name = prefix + member.name
        if member.inner is not None:
            yield from leaves(member.inner, f"{name}/")
        elif member.path is not None and member.path.stat().st_size:
            yield name, member


def troubles(container: Container, prefix: str = "") -> Iterator[str]:
    """What could not be read, in words."""
    yield from (f"{prefix}: {problem}" if prefix else problem for problem in container.problems)
    for member in container.members:
        name = f"{prefix}/{member.name}" if prefix else member.name
        yield from (f"{name}: {problem}" for problem in member.problems)
        if member.inner is not None:
            yield from troubles(member.inner, name)
