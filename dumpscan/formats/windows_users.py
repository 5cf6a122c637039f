"""The processes in a Windows kernel dump: what each was started with, through its own page table.

Neither list nor layout of kernel objects is needed for that, which differ from build to build: a thread block (TEB)
begins a page, and holds its own address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from dumpscan.formats.memory_map import AddressMap
from dumpscan.formats.windows_process import parameters, thread_block_self
from dumpscan.mappings import AddressSpace
from dumpscan.model import ENVIRONMENT, Layout, Span
from dumpscan.source import Source

MAX_PAGES = 1 << 20
"""Pages that are asked, in all processes together."""

MAX_PROCESS_PAGES = 1 << 16
"""Those of one process: 256 MiB of its memory, from low addresses up."""

_PAGE = 4096
_USER_END = {True: 1 << 47, False: 0xC0000000}


def started_with(source: Source, spaces: Sequence[AddressSpace], wide: bool) -> list[tuple[Span, str]]:
    """Where in the file environments and command lines lie, and which they are."""
    budget = MAX_PAGES
    places: list[tuple[Span, str]] = []
    for space in spaces:
        memory = AddressMap(Layout("", (), spaces=(space,)))
        read = partial(memory.read, source)
        for page in islice(_user_pages(space, wide), min(budget, MAX_PROCESS_PAGES)):
            budget -= 1
            if not thread_block_self(read, page, wide):
                continue
            blocks = list(parameters(read, [page], wide))
            places += ((span, block.name) for block in blocks for span in memory.spans(block.address, block.size))
            if any(block.name == ENVIRONMENT for block in blocks):
                break
    return places


def _user_pages(space: AddressSpace, wide: bool) -> Iterator[int]:
    """The addresses of the mapped pages of a process's own part."""
    for start, size in zip(space.addresses, space.sizes, strict=True):
        first, end = int(start), min(int(start) + int(size), _USER_END[wide])
        if first >= end:
            return
        yield from range(first + -first % _PAGE, end, _PAGE)
