"""What a matcher is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from dumpscan.model import Evidence, Mapped, Span


@dataclass(frozen=True, slots=True)
class View:
    """The bytes of one window, as a matcher sees them.

    ``data`` is the whole window, margins included; positions count from its start. ``live`` are the stretches of
    it that are not all-zero pages. ``byte_order`` and ``pointer_size`` are the dump's; ``address`` is the virtual
    address of position 0, or ``None``; ``mapped`` is where addresses stand, also in a window of several small
    regions, which as a whole has none; ``phase`` is the address (or file offset) of position 0 modulo 64, so that
    aligned words of the program stand at positions p with ``(p + phase) % alignment == 0``. ``environments`` and
    ``command_lines`` are where the dump says that such stand.
    """

    data: memoryview
    live: tuple[Span, ...]
    byte_order: str = "little"
    pointer_size: int = 8
    address: int | None = None
    phase: int = 0
    mapped: tuple[Mapped, ...] = ()
    environments: tuple[Span, ...] = ()
    command_lines: tuple[Span, ...] = ()

    def address_of(self, position: int) -> int:
        """The virtual address of ``position``; -1 where it has none."""
        if self.address is not None:
            return self.address + position
        inside = (m for m in self.mapped if m.position <= position < m.position + m.size)
        return next((m.address + position - m.position for m in inside), -1)


class Hit(NamedTuple):
    """A literal ``anchor`` (index into the matcher's ``anchors``) that stands at ``start``."""

    anchor: int
    start: int


MOST_HITS = 20_000
"""Hits that a matcher is given from one window at most; what is left out is a recorded limit. A matcher whose hits
cost more than some 5 µs each has an attribute ``most_hits`` with a number of its own."""


class Matcher(Protocol):
    """A pure, total function from bytes to evidence.

    ``anchors`` are different literals of at least four bytes (better six or more, and rare in memory); one
    multi-pattern pass finds those of all matchers, and :meth:`match` gets the hits. A matcher without anchors is
    called once for each window. ``reach`` is the greatest distance, in bytes, between the first byte of what a matcher
    returns and any byte it has to look at, on either side: windows have margins of the greatest reach.

    Positions in the evidence count from the start of ``view.data``; what does not begin in the window's owned
    span is dropped by the engine, so a matcher need not think of window edges. It never raises on any input.

    A matcher that loads something large when it is first needed has a method ``prepare`` that loads it.
    """

    @property
    def name(self) -> str: ...
    @property
    def anchors(self) -> Sequence[bytes]: ...
    @property
    def reach(self) -> int: ...

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]: ...
