"""Redacting dumps whose file does not hold memory as it is: changed in the plain bytes, then written anew."""

from __future__ import annotations

import contextlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from dumpscan.errors import RedactionError
from dumpscan.findings import Secret
from dumpscan.formats.registry import plain_view
from dumpscan.model import Span, merged_spans
from dumpscan.pieces import first_difference
from dumpscan.plain import PlainSource
from dumpscan.source import FileSource, Source

Filler = Callable[[bytes], bytes]
"""What stands in the place of a secret, byte for byte."""

Rest = Callable[[FileSource, PlainSource], Sequence[Secret]]
"""The secrets that a written copy, and its plain bytes, still hold."""


def _start(span: Span) -> int:
    return span.start


class Patched:
    """``source`` with other bytes in some places."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = source.size
        self.spans: list[Span] = []
        self._data: list[bytes] = []

    def fill(self, spans: Sequence[Span], filler: Filler) -> None:
        """Put the filler of what is there in the place of ``spans``, which are in order and do not overlap."""
        union = merged_spans([*self.spans, *spans])
        data = []
        for span in union:
            block = bytearray(self.read(span.start, len(span)))
            first, last = (bisect_left(spans, at, key=_start) for at in (span.start, span.end))
            for inner in islice(spans, first, last):
                part = slice(inner.start - span.start, inner.end - span.start)
                block[part] = filler(bytes(block[part]))
            data.append(bytes(block))
        self.spans, self._data = union, data

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`dumpscan.source.Source.read`."""
        buffer = bytearray(max(0, min(size, self.size - offset)))
        self.readinto(offset, memoryview(buffer))
        return bytes(buffer)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """See :meth:`dumpscan.source.Source.readinto`."""
        self._source.readinto(offset, buffer)
        end = offset + len(buffer)
        index = max(bisect_right(self.spans, offset, key=_start) - 1, 0)
        while index < len(self.spans) and self.spans[index].start < end:
            span, data = self.spans[index], self._data[index]
            low, high = max(span.start, offset), min(span.end, end)
            if low < high:
                buffer[low - offset : high - offset] = data[low - span.start : high - span.start]
            index += 1

    def close(self) -> None:
        """The source belongs to who opened it."""


def rewrite(
    view: PlainSource, target: Path, secrets: Sequence[Secret], filler: Filler, rest: Rest, rounds: int
) -> list[Span]:
    """Write ``view`` without ``secrets`` to ``target``, till ``rest`` finds nothing in it; returns the spans changed.

    ``target`` exists and is replaced; a file beside it is used for the layers of a dump in two encodings. Raises
    :class:`RedactionError` where the copy does not read back as it should.
    """
    patched = Patched(view)
    for _ in range(rounds):
        patched.fill(merged_spans(place.span for secret in secrets for place in secret.tidy()), filler)
        _write(view, patched, target)
        with contextlib.closing(FileSource(target)) as written:
            copy = plain_view(written)
            if not isinstance(copy, PlainSource) or _kinds(copy) != _kinds(view):
                raise RedactionError("the copy is no longer recognised as the format of the dump")
            _compare(view, copy, patched.spans)
            secrets = rest(written, copy)
            if not any(secret.places for secret in secrets):
                return patched.spans
            if any(span.end > view.stable for secret in secrets for span in (p.span for p in secret.tidy())):
                break
    raise RedactionError("no copy left: it still held findings after it was redacted several times")


def _kinds(view: Source) -> list[type]:
    return [type(view), *_kinds(view.base)] if isinstance(view, PlainSource) else []


def _write(view: PlainSource, patched: Patched, target: Path) -> None:
    """Write all layers: each is the plain bytes of the next."""
    plain: Source = patched
    spans, layer = patched.spans, view
    inner = target.with_name(target.name + ".inner")
    try:
        while isinstance(layer.base, PlainSource):
            inner.touch(0o600)
            layer.write(plain, spans, inner)
            plain, layer, spans = FileSource(inner), layer.base, []
        layer.write(plain, spans, target)
    finally:
        if plain is not patched:
            plain.close()
        inner.unlink(missing_ok=True)


def _compare(view: PlainSource, copy: PlainSource, spans: Sequence[Span]) -> None:
    """Raise unless the stable bytes of ``copy`` are those of ``view`` outside ``spans``."""
    if view.stable != copy.stable:
        raise RedactionError(f"the copy has {copy.stable} plain bytes, the dump {view.stable}")
    allowed = merged_spans([*spans, *view.rewritten])
    at = first_difference(copy, view, allowed, view.stable)
    if at is not None:
        raise RedactionError(f"the copy differs from the dump outside the occurrences, near {at:#x}")
