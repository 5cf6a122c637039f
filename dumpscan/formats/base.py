"""What a dump format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from dumpscan.model import Layout
from dumpscan.plain import PlainSource
from dumpscan.source import Source

HEAD_SIZE = 4096
"""Bytes of the start of the file that :meth:`Format.sniff` sees (fewer for a smaller file)."""


class Format(Protocol):
    """A dump format.

    ``name`` is the word in reports (``elf-core``), ``title`` the one for people, ``handling`` one sentence for
    ``dumpscan formats`` on what is read and how it is redacted.
    """

    name: str
    title: str
    handling: str

    def sniff(self, head: bytes) -> bool:
        """Say whether a file that starts with ``head`` is of this format. Total: never raises."""
        ...

    def layout(self, source: Source) -> Layout:
        """Read the structure of the dump.

        The work and memory are bounded by the real size of the file, whatever its header claims. What does not
        fit becomes ``Layout.unread``; a file too damaged for that raises :class:`dumpscan.errors.FormatError`,
        and is then scanned as raw bytes, inconclusively.
        """
        ...


@runtime_checkable
class LateFormat(Format, Protocol):
    """A format that may begin behind the head of the file, as what a program wrote into a log."""

    def lies_in(self, source: Source) -> bool:
        """Say so of a file that no other format takes for its own. Bounded, and never raises."""
        ...


@runtime_checkable
class EncodedFormat(Format, Protocol):
    """A format whose files do not hold memory as it is."""

    def open(self, source: Source) -> PlainSource:
        """The plain bytes. Bounded as :meth:`Format.layout` is; raises :class:`dumpscan.errors.FormatError`."""
        ...


@dataclass(frozen=True, slots=True)
class Edit:
    """``data`` written at ``offset``; what reaches past the end of the file makes it longer."""

    offset: int
    data: bytes = field(repr=False)


Marker = Callable[[Source, bytes], list[Edit]]
"""What is to be written in a dump so that it carries a text where readers find it and none is disturbed.

Raises :class:`dumpscan.errors.FormatError` if this dump has no place for it; the message ends "… cannot be marked: ".
"""
