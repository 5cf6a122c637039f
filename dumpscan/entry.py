"""An entry of a registry of file formats: what it names is imported when a file may be of that format.

A start would else import the readers of all formats, a tenth of a second, to use one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

Reader = TypeVar("Reader")


@dataclass(frozen=True)
class Entry(Generic[Reader]):
    """The class ``name`` of ``module``. Its ``sniff`` takes no file but one that begins with one of ``starts`` or has
    one of ``holds`` in its head; where there is neither, it has to be asked about every file."""

    module: str
    name: str
    starts: tuple[bytes, ...] = ()
    holds: tuple[bytes, ...] = ()

    def may_take(self, head: bytes) -> bool:
        """Whether a file that starts with ``head`` is worth asking about."""
        always = not self.starts and not self.holds
        return always or head.startswith(self.starts) or any(mark in head for mark in self.holds)

    def reader(self) -> Reader:
        """The one object of the class."""
        return cast(Reader, _reader(self.module, self.name))


@cache
def _reader(module: str, name: str) -> Any:
    return getattr(import_module(module), name)()
