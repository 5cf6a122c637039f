"""The classes of a Java heap dump: their names, and where the fields of an instance lie."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dumpscan.formats.hprof_records import (
    ELEMENT_SIZES,
    MAX_CLASS_DUMP,
    OBJECT,
    RECORD_HEADER,
    Header,
    Record,
    class_dump_end,
)
from dumpscan.source import Source

MAX_STRINGS = 1 << 22
"""STRING records whose place is kept (20 bytes each)."""

MAX_CLASSES = 1 << 18
"""Classes that are kept."""

MAX_FIELDS = 1 << 22
"""Fields of all classes together that are kept."""

_MAX_DEPTH = 64  # of inheritance
_MAX_NAME = 256
_MAX_WORK = 1 << 22  # fields of instances laid out in all: a hostile file could have them grow with the square
_CACHE = 1 << 16
_WRAPPERS = {
    "java.lang.String": "value",
    "java.lang.AbstractStringBuilder": "value",
    "java.math.BigInteger": "mag",
}
"""Classes that only wrap an array, by class and field: what holds the wrapper is of interest."""

_SECRET_FIELDS = {
    ("javax.crypto.spec.SecretKeySpec", "key"),
    ("com.sun.crypto.provider.PBEKey", "key"),
    ("sun.security.pkcs.PKCS8Key", "key"),
    ("sun.security.pkcs.PKCS8Key", "privKeyMaterial"),
}
_SECRET_NAME = re.compile(
    r"passw|passphrase|passcode|(?:^|_)pwd|pwd$|secret|token(?!iz|_?type|_?class|_?kind)|api_?key|access_?key"
    r"|private_?key|auth_?key|encryption_?key|signing_?key|master_?key|credential|bearer|connection_?string",
    re.IGNORECASE,
)
_PRIMITIVES = {
    "Z": "boolean",
    "C": "char",
    "F": "float",
    "D": "double",
    "B": "byte",
    "S": "short",
    "I": "int",
    "J": "long",
}
_JDK = ("java.", "javax.", "sun.", "jdk.", "com.sun.")


@dataclass(frozen=True, slots=True)
class Field:
    """A field. ``place`` counts bytes from the start of an instance's fields; for a static, of the file."""

    owner: int
    name: int
    type: int
    place: int

    @property
    def size(self) -> int:
        """Bytes of a value; 0 for a reference, whose size is that of identifiers."""
        return 0 if self.type == OBJECT else ELEMENT_SIZES[self.type]


@dataclass(frozen=True, slots=True)
class _Class:
    parent: int
    statics: tuple[tuple[int, int, int], ...]  # name, type, file offset
    fields: tuple[tuple[int, int], ...]  # name, type


def looks_secret(name: str) -> bool:
    """Say whether a field of this name is likely to hold a password, a token or a key."""
    return _SECRET_NAME.search(name) is not None


class Classes:
    """What STRING, LOAD_CLASS and CLASS_DUMP say. ``limits`` tells what was left out."""

    def __init__(self, source: Source, header: Header) -> None:
        self._source, self._word = source, header.id_size
        self._ids, self._places, self._sizes = array("Q"), array("Q"), array("I")
        self._order: NDArray[np.int64] | None = None
        self._names: dict[int, int] = {}
        self._classes: dict[int, _Class] = {}
        self._layouts: dict[int, tuple[Field, ...]] = {}
        self._texts: dict[int, str] = {}
        self._field_count = self._laid = self._work = 0
        self.limits: set[str] = set()

    # ------------------------------------------------------------ taking in

    def add_string(self, record: Record, body: bytes) -> None:
        """Take in a STRING record; ``body`` is its start."""
        if len(body) < self._word:
            return
        if len(self._ids) >= MAX_STRINGS:
            self.limits.add(f"more than {MAX_STRINGS} names in a heap dump")
            return
        self._ids.append(int.from_bytes(body[: self._word]))
        self._places.append(record.body + self._word)
        self._sizes.append(min(record.end - record.offset - RECORD_HEADER - self._word, 0xFFFFFFFF))

    def add_name(self, body: bytes) -> None:
        """Take in the body of a LOAD_CLASS record: serial, class, stack trace serial, name."""
        word = self._word
        if len(body) >= 8 + 2 * word and len(self._names) < MAX_CLASSES:
            self._names[int.from_bytes(body[4 : 4 + word])] = int.from_bytes(body[8 + word : 8 + 2 * word])

    def add_class(self, offset: int) -> None:
        """Take in the CLASS_DUMP at ``offset`` of the file, which is whole."""
        word = self._word
        data = self._whole(offset)
        number, parent = _number(data, 1, word), _number(data, 5 + word, word)
        at = 1 + 7 * word + 8
        count, at = _number(data, at, 2), at + 2
        for _ in range(count):
            at += 3 + self._width(data[at + 2])
        statics = []
        count, at = _number(data, at, 2), at + 2
        for _ in range(count):
            kind = data[at + word]
            statics.append((_number(data, at, word), kind, offset + at + word + 1))
            at += word + 1 + self._width(kind)
        count, at = _number(data, at, 2), at + 2
        stop = at + count * (word + 1)
        fields = [(_number(data, place, word), data[place + word]) for place in range(at, stop, word + 1)]
        self._keep(number, _Class(parent, tuple(statics), tuple(fields)))

    def _whole(self, offset: int) -> bytes:
        for size in (1 << 12, 1 << 16, 1 << 20, MAX_CLASS_DUMP):
            data = self._source.read(offset, size)
            try:
                if class_dump_end(data, 0, self._word) <= len(data):
                    return data
            except (IndexError, KeyError):
                continue
        return bytes(1 + 7 * self._word + 14)  # cut off by the end of the file

    def _keep(self, number: int, kind: _Class) -> None:
        self._field_count += len(kind.statics) + len(kind.fields)
        if len(self._classes) >= MAX_CLASSES or self._field_count > MAX_FIELDS:
            self.limits.add(f"more than {MAX_CLASSES} classes or {MAX_FIELDS} fields in a heap dump")
            return
        self._classes[number] = kind

    def _width(self, kind: int) -> int:
        return self._word if kind == OBJECT else ELEMENT_SIZES[kind]

    # ------------------------------------------------------------ asking

    def text(self, number: int) -> str:
        """The STRING with this ID, printable; ``?`` where there is none."""
        if number not in self._texts:
            if len(self._texts) >= _CACHE:
                self._texts.clear()
            self._texts[number] = self._read_text(number)
        return self._texts[number]

    def _read_text(self, number: int) -> str:
        ids = np.frombuffer(self._ids, np.uint64)
        if self._order is None:
            self._order = np.argsort(ids, kind="stable")
        at = int(np.searchsorted(ids, np.uint64(number), sorter=self._order))
        if at >= len(ids) or int(ids[self._order[at]]) != number:
            return "?"
        at = int(self._order[at])
        raw = self._source.read(self._places[at], min(self._sizes[at], _MAX_NAME))
        return "".join(c if c.isprintable() else "?" for c in raw.decode("utf-8", "replace"))

    def name(self, number: int) -> str:
        """The name of a class as Java source writes it; array classes as ``byte[]``."""
        name = self.text(self._names[number]).replace("/", ".") if number in self._names else "?"
        depth = len(name) - len(name.lstrip("["))
        if not depth:
            return name
        name = name[depth:]
        inner = name[1:-1] if name.startswith("L") and name.endswith(";") else _PRIMITIVES.get(name, name)
        return inner + "[]" * min(depth, 8)

    def label(self, field: Field) -> str:
        """The field as ``package.Class.field``."""
        return f"{self.name(field.owner)}.{self.text(field.name)}"

    def fields(self, number: int) -> tuple[Field, ...]:
        """The fields of an instance in the order of its bytes: of the class first, of ``Object`` last."""
        if number not in self._layouts:
            if self._laid >= _CACHE:
                self._layouts.clear()
                self._laid = 0
            self._layouts[number] = tuple(self._laid_out(number))
            self._laid += 1 + len(self._layouts[number])
        return self._layouts[number]

    def _laid_out(self, number: int) -> list[Field]:
        found: list[Field] = []
        place = 0
        for _ in range(_MAX_DEPTH):
            kind = self._classes.get(number)
            if kind is None:
                break
            self._work += 1 + len(kind.fields)
            if self._work > _MAX_WORK:
                self.limits.add(f"more than {_MAX_WORK} fields of objects in a heap dump were looked at")
                break
            for name, code in kind.fields:
                if code != OBJECT and code not in ELEMENT_SIZES:
                    return found
                found.append(Field(number, name, code, place))
                place += self._width(code)
            number = kind.parent
        return found

    def statics(self, number: int) -> list[Field]:
        """The static fields of a class."""
        kind = self._classes.get(number)
        return [Field(number, *row) for row in kind.statics] if kind else []

    def reference(self, static: Field) -> int:
        """The ID that a static field holds."""
        return int.from_bytes(self._source.read(static.place, self._word))

    def numbers(self) -> list[int]:
        """The IDs of all classes that have a CLASS_DUMP."""
        return list(self._classes)

    def wraps(self, field: Field) -> bool:
        """Say whether ``field`` is the array inside a String, a StringBuilder or a BigInteger."""
        return _WRAPPERS.get(self.name(field.owner)) == self.text(field.name)

    def is_secret(self, field: Field, static: bool = False) -> bool:
        """Say whether a reference is likely to lead to a secret.

        Statics of the JDK hold the names of properties, not values.
        """
        if field.type != OBJECT:
            return False
        name = self.text(field.name)
        if static and looks_secret(name):
            return not self.in_jdk(field)
        return looks_secret(name) or (not static and (self.name(field.owner), name) in _SECRET_FIELDS)

    def in_jdk(self, field: Field) -> bool:
        """Say whether the class that declares ``field`` is part of the JDK."""
        return self.name(field.owner).startswith(_JDK)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size])
