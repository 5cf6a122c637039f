"""Writing a copy of a dump in which the secrets are gone, and proving that they are.

Only bytes inside occurrences change, and the copy has the length of the dump, but for a mark where one is asked for. It
gets its name only after it was scanned again, searched for every known secret, and compared with the dump.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dumpscan.errors import DumpscanError, RedactionError, UsageError
from dumpscan.findings import Secret
from dumpscan.formats.base import Edit
from dumpscan.formats.node_json import HeapSnapshot, NodeReport
from dumpscan.formats.registry import plain_view
from dumpscan.marks import apply, check_markable, edits
from dumpscan.model import DumpReport, Span, merged_spans
from dumpscan.parts import create_private, part_beside
from dumpscan.pieces import first_difference, pieces
from dumpscan.plain import PlainSource
from dumpscan.rewrite import rewrite
from dumpscan.scan import Options, Progress, Scan, scan_source, silent, sweep_source
from dumpscan.source import FileSource, Source
from dumpscan.windows import PAGE, flag_pages, page_runs
from dumpscan.wrappers import Opened, compress_into, open_source

_CHUNK = 4 << 20
_ROUNDS = 4
"""How often a copy in which something is still found is redacted again before it is given up."""

_TEXT = np.zeros(256, np.bool_)
_TEXT[0x21:0x7F] = True
_TEXT_OR_BREAK = _TEXT.copy()
_TEXT_OR_BREAK[[0, 9, 10, 13, 32]] = True
_FILLER = ord("X")
_JSON = (HeapSnapshot.name, NodeReport.name)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was done: the report of the dump as it was, and the number of bytes overwritten."""

    report: DumpReport
    overwritten: int


def filler(secret: bytes) -> bytes:
    """What stands in the place of ``secret``, byte for byte.

    Text stays text: each printable character becomes ``X``, while line breaks, and the zero bytes of UTF-16 and
    UTF-32, stay. Anything else becomes zeros.
    """
    data = np.frombuffer(secret, np.uint8)
    if not _TEXT_OR_BREAK[data].all() or not _TEXT[data].any():
        return bytes(len(secret))
    return np.where(_TEXT[data], np.uint8(_FILLER), data).astype(np.uint8).tobytes()


def text_filler(secret: bytes) -> bytes:
    """As :func:`filler` in a file that is text as a whole; in JSON it leaves the quotes that end strings."""
    return _NOT_STRUCTURE.sub(lambda match: b"X" * len(match[0]), secret)


_NOT_STRUCTURE = re.compile(rb"\\.|[^\0-\x20\"]", re.S)
_ESCAPE = re.compile(rb"\\u[0-9a-fA-F]{4}|\\.|[^\\]+", re.S)
_RUN = re.compile(rb"(?<!\\)\\")
_LONGEST_RUN = 64


def whole_escapes(source: Source, span: Span) -> Span:
    """``span`` of a JSON text with the escapes whole that it cuts: what is left of one would not be JSON."""
    low = max(0, span.start - _LONGEST_RUN)
    data = source.read(low, span.end - low + 8)
    start, end = span.start - low, span.end - low
    first = _RUN.search(data, len(data) - len(data.lstrip(b"\\")) if low else 0)
    whole = Span(start, end)
    for match in _ESCAPE.finditer(data, min(start, first.start()) if first else start):
        if match.start() >= end:
            break
        if match[0][:1] == b"\\" and match.end() > start:
            whole = Span(min(whole.start, match.start()), max(whole.end, match.end()))
    return Span(low + whole.start, low + whole.end)


def redact_path(
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
    """Write a verified copy of the dump at ``path`` to ``copy``.

    Everything found is overwritten, whatever the thresholds in ``options``; with ``mark`` the copy says so in a note,
    stream or record of its own. Raises :class:`UsageError` if ``copy`` is the dump itself or exists (without
    ``force``), or the dump cannot carry a mark, :class:`RedactionError` if the dump could not be read whole
    (without ``accept_incomplete``), the copy not be written, or not be verified. No part of it is left then.
    """
    check_destination(path, copy, force)
    everything = replace(options, min_confidence=min(type(options.min_confidence)))
    with open_source(path) as opened:
        return redact_opened(opened, path, copy, everything, force, accept_incomplete, mode, progress, mark)


def redact_opened(
    opened: Opened,
    path: str,
    copy: Path,
    options: Options,
    force: bool,
    accept_incomplete: bool,
    mode: int,
    progress: Progress,
    mark: bool = False,
) -> Redaction:
    """As :func:`redact_path`, of a dump that is open; ``options`` let everything count, and ``copy`` was checked."""
    if mark:
        check_markable(opened.source)
    scan = scan_source(opened.source, path, options, progress, opened.unread)
    if scan.report.verdict == "inconclusive" and not accept_incomplete:
        raise RedactionError(f"no copy written, the scan is inconclusive: {reason(scan.report)}")
    with part_file(copy) as part:
        overwritten = _write(opened, scan, part, copy, options, progress, mark)
        part.chmod(mode)
        _fsync(part)
        publish(part, copy, force)
    return Redaction(scan.report, overwritten)


def reason(report: DumpReport) -> str:
    """Why a report is inconclusive, in short."""
    first = [*(f"{u.reason} (at {u.offset:#x})" for u in report.coverage.unread), *report.coverage.limits]
    more = f" and {len(first) - 1} more" if len(first) > 1 else ""
    return (first[0] if first else "not every byte was read") + more


def check_destination(path: str, copy: Path, force: bool) -> None:
    """Raise :class:`UsageError` unless ``copy`` can be written."""
    if path != "-" and copy.exists() and Path(path).exists() and copy.samefile(path):
        raise UsageError("the copy would overwrite the dump")
    if copy.is_dir():
        raise UsageError(f"{copy} is a directory")
    if copy.exists() and not copy.is_file():
        raise UsageError(f"{copy} is not a regular file")
    if copy.exists() and not force:
        raise UsageError(f"{copy} exists; use --force to replace it")
    if not copy.parent.is_dir():
        raise UsageError(f"no directory {copy.parent}")


@contextmanager
def part_file(copy: Path) -> Iterator[Path]:
    """A private file beside ``copy`` that is gone afterwards unless it was renamed."""
    with part_beside(copy) as part:
        try:
            os.close(create_private(part))
        except OSError as error:
            raise RedactionError(f"cannot write beside {copy}: {error.strerror}") from None
        try:
            yield part
        except OSError as error:
            raise RedactionError(disk_error(error)) from None


def disk_error(error: OSError) -> str:
    """What went wrong with the copy, without its name."""
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    return "cannot write the copy: " + ("the disk is full" if full else error.strerror or type(error).__name__)


def _write(opened: Opened, scan: Scan, part: Path, copy: Path, options: Options, progress: Progress, mark: bool) -> int:
    """Fill ``part``; returns the number of bytes overwritten."""
    view = plain_view(opened.source)
    if isinstance(view, PlainSource):
        return _write_encoded(view, opened, scan, part, copy, options, progress)
    if not opened.wrapper:
        copy_sparse(opened.source, part)
        with contextlib.closing(FileSource(part)) as plain:
            spans = redact_until_clean(plain, part, scan, options, progress)
            compare(opened.source, plain, spans)
        if mark:
            _mark(part, scan, spans, options, progress)
        return sum(map(len, spans))
    spool = opened.source  # our own temporary file: redacted where it lies
    assert isinstance(spool, FileSource)
    spans = redact_until_clean(spool, spool.path, scan, options, progress)
    if mark:
        _mark(spool.path, scan, spans, options, progress)
    with contextlib.closing(FileSource(spool.path)) as plain:
        _wrap(opened, plain, part, copy)
    return sum(map(len, spans))


def _mark(path: Path, scan: Scan, spans: Sequence[Span], options: Options, progress: Progress) -> None:
    """Put the mark in the clean file at ``path``, and verify that file again as a whole."""
    with contextlib.closing(FileSource(path)) as plain:
        made = edits(plain, spans)
        content = [_digest(plain, gap) for gap in _gaps(made, plain.size)]
    apply(made, path)
    with contextlib.closing(FileSource(path)) as marked:
        if [_digest(marked, gap) for gap in _gaps(made, plain.size)] != content:
            raise RedactionError("the copy differs from the dump outside the occurrences and the mark")
        if any(marked.read(edit.offset, len(edit.data)) != edit.data for edit in made):
            raise RedactionError("the mark does not read back")
        again = _scan_copy(marked, options, progress)
        rest = [*again.secrets, *sweep_source(marked, again.layout, scan.secrets, options)]
        if again.report.format != scan.report.format or _known(again) != _known(scan):
            raise RedactionError("the copy with its mark does not read as the dump did; redact it without --mark")
        if any(secret.places for secret in rest):
            raise RedactionError("no copy left: something is found in it with its mark; redact it without --mark")


def _scan_copy(copy: Source, options: Options, progress: Progress) -> Scan:
    return scan_source(copy, "copy", replace(options, digest=False), _renamed(progress))


def _known(scan: Scan) -> tuple[object, ...]:
    """What a layout says of the process."""
    layout = scan.layout
    memory = tuple(
        (r.address, r.offset, r.size) for r in layout.regions if r.kind == "memory" and r.address is not None
    )
    return memory, layout.modules, layout.threads, [unread.reason for unread in layout.unread]


def _gaps(made: Sequence[Edit], size: int) -> Iterator[Span]:
    """What is left as it was of a file of ``size`` bytes."""
    at = 0
    for edit in made:
        yield Span(at, edit.offset)
        at = edit.offset + len(edit.data)
    if at < size:
        yield Span(at, size)


def _digest(source: Source, span: Span) -> bytes:
    """The SHA-256 of a part of ``source``."""
    state = hashlib.sha256()
    for some in pieces(source, span.start, span.end):
        state.update(some)
    return state.digest()


def _write_encoded(
    view: PlainSource, opened: Opened, scan: Scan, part: Path, copy: Path, options: Options, progress: Progress
) -> int:
    """As :func:`_write`, for a dump whose pages are compressed."""
    target = part.with_name(part.name + ".plain") if opened.wrapper else part
    try:
        target.touch(0o600)
        spans = redact_encoded(view, target, scan, options, progress)
        if opened.wrapper:
            with contextlib.closing(FileSource(target)) as plain:
                _wrap(opened, plain, part, copy)
    finally:
        if target != part:
            target.unlink(missing_ok=True)
    return sum(map(len, spans))


def redact_encoded(view: PlainSource, target: Path, scan: Scan, options: Options, progress: Progress) -> list[Span]:
    """Write the file behind ``view`` to ``target`` anew, without what is found; returns the plain bytes overwritten."""

    def rest(written: FileSource, plain: PlainSource) -> list[Secret]:
        again = _scan_copy(written, options, progress)
        return [*again.secrets, *sweep_source(plain, again.layout, scan.secrets, options)]

    return rewrite(view, target, scan.secrets, filler, rest, _ROUNDS)


def _wrap(opened: Opened, plain: Source, part: Path, copy: Path) -> None:
    """Write ``plain`` to ``part`` as the dump was wrapped, and read it back."""
    with part.open("r+b") as out:
        compress_into(opened.wrapper, plain, out, opened.member or copy.name)
    with open_source(str(part)) as written:
        if written.wrapper != opened.wrapper or written.unread:
            raise RedactionError(f"the copy does not read back as {opened.wrapper}")
        compare(written.source, plain, ())


def copy_sparse(source: Source, part: Path) -> None:
    """Fill the empty file ``part`` with the bytes of ``source``; pages of zeros become holes."""
    offset = 0
    with part.open("r+b", buffering=0) as out:
        for data in pieces(source):
            for run in _runs(data):
                out.seek(offset + run.start)
                _write_all(out.fileno(), data[run.start : run.end])
            offset += len(data)
        out.truncate(source.size)


def _runs(data: memoryview) -> tuple[Span, ...]:
    """The pages of ``data`` that are not zero: what is between them stays a hole of the copy."""
    whole = len(data) // PAGE
    stored = np.empty(-(-len(data) // PAGE), np.bool_)
    stored[whole:] = any(data[whole * PAGE :])
    flag_pages(np.frombuffer(data, np.uint8), stored, 0, whole)
    return page_runs(stored, len(data))


def _write_all(handle: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def redact_until_clean(plain: FileSource, path: Path, scan: Scan, options: Options, progress: Progress) -> list[Span]:
    """Overwrite all places in the file at ``path`` till nothing is found in it; returns the spans overwritten."""
    spans: list[Span] = []
    secrets: Sequence[Secret] = scan.secrets
    for _ in range(_ROUNDS):
        places = merged_spans(place.span for secret in secrets for place in secret.tidy())
        if scan.layout.format in _JSON:
            places = merged_spans(whole_escapes(plain, span) for span in places)
        in_text = all(region.kind == "text" for region in scan.layout.regions)
        _overwrite(plain, path, places, text_filler if in_text else filler)
        spans = merged_spans([*spans, *places])
        again = _scan_copy(plain, options, progress)
        if again.report.format != scan.report.format:
            raise RedactionError("the copy is no longer recognised as the format of the dump")
        secrets = [*again.secrets, *sweep_source(plain, again.layout, scan.secrets, options)]
        if not any(secret.places for secret in secrets):
            return spans
    raise RedactionError("no copy left: it still held findings after it was redacted several times")


def _renamed(progress: Progress) -> Progress:
    return lambda stage, done, total: progress(f"verify: {stage}", done, total)


def _overwrite(source: Source, path: Path, spans: Iterable[Span], fill: Callable[[bytes], bytes]) -> None:
    with path.open("r+b", buffering=0) as out:
        for span in spans:
            for start in range(span.start, span.end, _CHUNK):
                out.seek(start)
                _write_all(out.fileno(), fill(source.read(start, min(_CHUNK, span.end - start))))


def compare(source: Source, plain: Source, spans: Sequence[Span]) -> None:
    """Raise unless ``plain`` is ``source`` outside ``spans``."""
    if source.size != plain.size:
        raise RedactionError(f"the copy has {plain.size} bytes, the dump {source.size}")
    at = first_difference(plain, source, spans, source.size)
    if at is not None:
        raise RedactionError(f"the copy differs from the dump outside the occurrences, near {at:#x}")


def _fsync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def publish(part: Path, copy: Path, force: bool) -> None:
    """Give the copy its name; without ``force`` never over a file that came into being meanwhile."""
    if force or not hasattr(os, "link"):
        part.replace(copy)
    else:
        try:
            os.link(part, copy)
        except FileExistsError:
            raise RedactionError(f"{copy} came into being meanwhile; nothing was replaced") from None
        except OSError:  # a file system without hard links
            if copy.exists():
                raise RedactionError(f"{copy} came into being meanwhile; nothing was replaced") from None
            part.replace(copy)
    with contextlib.suppress(OSError, DumpscanError):
        handle = os.open(copy.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
