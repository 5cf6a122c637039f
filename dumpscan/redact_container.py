"""Writing a redacted copy of whatever a path names: a dump, a container with the same members, a folder.

Members in which nothing was found are written as they were. The copy gets its name only after it was read again, and
its members compared with what was verified.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from dumpscan.containers.as_file import chunks
from dumpscan.containers.base import Container, Member
from dumpscan.containers.folder import NAME as FOLDER
from dumpscan.containers.opening import OpenedContainer, kinds, leaves, open_any
from dumpscan.errors import RedactionError, UsageError
from dumpscan.formats.registry import plain_view
from dumpscan.parts import part_beside
from dumpscan.plain import PlainSource
from dumpscan.redact import (
    Redaction,
    check_destination,
    compare,
    copy_sparse,
    disk_error,
    part_file,
    publish,
    reason,
    redact_encoded,
    redact_opened,
    redact_until_clean,
)
from dumpscan.scan import Options, Progress, silent
from dumpscan.scan_container import ContainerScan, scan_container
from dumpscan.source import FileSource, Spool
from dumpscan.wrappers import compress_into


def redact_any(
    path: str,
    copy: Path,
    options: Options,
    *,
    force: bool = False,
    accept_incomplete: bool = False,
    mode: int = 0o600,
    progress: Progress = silent,
    mark: bool = False,
) -> Redaction:
    """As :func:`dumpscan.redact.redact_path`, for anything that :func:`dumpscan.scan_container.scan_any` scans.

    The copy of a folder is a folder, which must not exist. What could not be read is never written: then there is no
    copy even with ``accept_incomplete``.
    """
    if not Path(path).is_dir():
        check_destination(path, copy, force)
    everything = replace(options, min_confidence=min(type(options.min_confidence)))
    with open_any(path) as opened:
        if isinstance(opened, OpenedContainer):
            if mark:
                raise UsageError(f"--mark: a {opened.container.kind} cannot carry a mark; give its dumps one by one")
            return _Writer(opened, path, copy, everything).redact(force, accept_incomplete, mode, progress)
        return redact_opened(opened, path, copy, everything, force, accept_incomplete, mode, progress, mark)


class _Writer:
    """Redacts the members of a container where their copies lie, and writes it again."""

    def __init__(self, opened: OpenedContainer, path: str, copy: Path, options: Options) -> None:
        self._opened, self._path, self._copy, self._options = opened, path, copy, options
        self._changed: set[int] = set()
        self._stack = ExitStack()

    def redact(self, force: bool, accept_incomplete: bool, mode: int, progress: Progress) -> Redaction:
        container = self._opened.container
        if container.kind == FOLDER:
            if self._copy.exists():
                raise UsageError(f"{self._copy} exists; a folder is never replaced")
            if self._copy.absolute().resolve().is_relative_to(Path(self._path).resolve()):
                raise UsageError("the copy would lie in the folder")
        scan = scan_container(self._opened, self._path, self._options, progress)
        if scan.report.verdict == "inconclusive" and not accept_incomplete:
            raise RedactionError(f"no copy written, the scan is inconclusive: {reason(scan.report)}")
        _refuse_lost(container)
        with self._stack:
            overwritten = self._redact_members(scan, progress)
            if container.kind == FOLDER:
                self._write_folder(container)
            else:
                self._write_file(container, mode, force)
        return Redaction(scan.report, overwritten)

    # ------------------------------------------------------------ the members

    def _redact_members(self, scan: ContainerScan, progress: Progress) -> int:
        overwritten = 0
        for leaf in scan.leaves:
            if not any(secret.places for secret in leaf.secrets):
                continue
            assert leaf.member.path
            original = leaf.member.path
            spool = self._spool()
            for data in chunks(original):
                spool.write(data)
            spool.finish()
            with closing(FileSource(original)) as before, closing(FileSource(spool.path)) as plain:
                known = replace(leaf.scan, secrets=leaf.secrets)
                view = plain_view(before)
                if isinstance(view, PlainSource):
                    spans = redact_encoded(view, spool.path, known, self._options, progress)
                else:
                    spans = redact_until_clean(plain, spool.path, known, self._options, progress)
                    compare(before, plain, spans)
            leaf.member.path = spool.path
            self._changed.add(id(leaf.member))
            overwritten += sum(map(len, spans))
        return overwritten

    def _spool(self) -> Spool:
        spool = Spool()
        self._stack.callback(spool.close)
        return spool

    def _touched(self, member: Member) -> bool:
        """Whether a member has to be written anew: also one with packed bytes that nobody could look at."""
        inner = member.inner.members if member.inner else ()
        damaged = bool(member.wrapper and member.problems) or bool(member.inner and member.inner.problems)
        return damaged or id(member) in self._changed or any(map(self._touched, inner))

    def _content(self, member: Member) -> Path | None:
        """The member as it is to be written, in a file."""
        if member.path is None or not self._touched(member):
            return member.packed
        plain = member.path
        if member.inner:
            plain = self._written(lambda out: _write_container(member.inner, out, self._content))
        if not member.wrapper:
            return plain
        with closing(FileSource(plain)) as source:
            return self._written(lambda out: compress_into(member.wrapper, source, out, member.inside or "dump"))

    def _written(self, write: object) -> Path:
        spool = self._spool()
        spool.finish()
        with spool.path.open("wb") as out:
            write(out)  # type: ignore[operator]
        return spool.path

    # ------------------------------------------------------------ the copy

    def _write_file(self, container: Container, mode: int, force: bool) -> None:
        opened = self._opened.opened
        assert opened
        with part_file(self._copy) as part:
            if opened.wrapper:
                plain = self._written(lambda out: _write_container(container, out, self._content))
                with closing(FileSource(plain)) as source, part.open("r+b") as out:
                    compress_into(opened.wrapper, source, out, opened.member or self._copy.name)
            else:
                with part.open("r+b") as out:
                    _write_container(container, out, self._content)
            self._verify(container, str(part))
            part.chmod(mode)
            with part.open("r+b") as file:
                os.fsync(file.fileno())
            publish(part, self._copy, force)

    def _write_folder(self, container: Container) -> None:
        with _part_folder(self._copy) as part:
            for member in container.members:
                target = part / member.name
                if member.name.endswith("/"):
                    target.mkdir(mode=0o700)
                elif member.packed is None:
                    target.symlink_to((Path(self._path) / member.name).readlink())
                else:
                    content = self._content(member)
                    assert content
                    target.touch(0o600)
                    if content.stat().st_size:
                        with closing(FileSource(content)) as source:
                            copy_sparse(source, target)
            for member in reversed(container.members):  # a folder's time changes with what is put in it
                status = cast(os.stat_result, member.meta)
                target = part / member.name
                if not target.is_symlink():
                    target.chmod(status.st_mode & 0o777)
                    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
            self._verify(container, str(part))
            try:
                part.rename(self._copy)
            except OSError as error:
                raise RedactionError(disk_error(error)) from None

    def _verify(self, container: Container, part: str) -> None:
        """Raise unless what was written reads back as the same members with the bytes that were verified."""
        with open_any(part) as again:
            if not isinstance(again, OpenedContainer) or again.container.kind != container.kind:
                raise RedactionError(f"the copy does not read back as {container.kind}")
            ours = list(leaves(container))
            theirs = list(leaves(again.container))
            if _names(container) != _names(again.container) or len(ours) != len(theirs):
                raise RedactionError("the copy does not read back with the same members")
            for (_, mine), (_, other) in zip(ours, theirs, strict=True):
                assert mine.path
                assert other.path
                with closing(FileSource(mine.path)) as source, closing(FileSource(other.path)) as plain:
                    compare(source, plain, ())


def _names(container: Container) -> list[tuple[str, str]]:
    names = []
    for member in container.members:
        names.append((member.name, member.wrapper))
        names += _names(member.inner) if member.inner else []
    return names


def _write_container(container: Container | None, out: object, content: object) -> None:
    assert container
    kind = next(kind for kind in kinds() if kind.name == container.kind)
    kind.write(container.members, out, content)  # type: ignore[arg-type]


def _refuse_lost(container: Container) -> None:
    if not container.complete or (container.problems and not container.members):
        raise RedactionError(f"no copy written: {container.problems[-1]}")
    for member in container.members:
        if member.lost:
            raise RedactionError(f"no copy written, a member could not be read: {member.problems[-1]}")
        if member.inner:
            _refuse_lost(member.inner)


@contextmanager
def _part_folder(copy: Path) -> Iterator[Path]:
    """A private folder beside ``copy`` that is gone afterwards unless it was renamed."""
    if not copy.absolute().parent.is_dir():
        raise UsageError(f"no directory {copy.parent}")
    try:
        with part_beside(copy.absolute()) as part:
            part.mkdir(0o700)
            yield part
    except OSError as error:
        raise RedactionError(disk_error(error)) from None
