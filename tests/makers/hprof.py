"""Builds Java heap dumps. Shares nothing with the reader: numbers are from OpenJDK's ``heapDumper.cpp``."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

LETTERS = {"ref": 2, "boolean": 4, "char": 5, "float": 6, "double": 7, "byte": 8, "short": 9, "int": 10, "long": 11}
WIDTHS = {"boolean": 1, "char": 2, "float": 4, "double": 8, "byte": 1, "short": 2, "int": 4, "long": 8}


@dataclass
class Dump:
    """A heap dump to be built: names and classes become records, ``heap`` is the bytes of the sub-records."""

    word: int = 8
    version: str = "1.0.2"
    head: bytes = b""
    heap: bytes = b""
    next_id: int = 0x7_0000_1000
    names: dict[str, int] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)

    def new_id(self) -> int:
        self.next_id += 16
        return self.next_id & ((1 << 8 * self.word) - 1)

    def ref(self, number: int) -> bytes:
        return number.to_bytes(self.word, "big")

    def record(self, tag: int, body: bytes, length: int | None = None) -> bytes:
        return struct.pack(">BII", tag, 0, len(body) if length is None else length) + body

    def string(self, text: str) -> int:
        """A STRING record; its ID."""
        if text not in self.names:
            self.names[text] = self.new_id()
            self.head += self.record(1, self.ref(self.names[text]) + text.encode())
        return self.names[text]

    def kind(
        self,
        name: str,
        fields: list[tuple[str, str]],
        parent: str | None = None,
        statics: list[tuple[str, str, int]] | None = None,
    ) -> int:
        """LOAD_CLASS and CLASS_DUMP; ``fields`` are (name, type), ``statics`` (name, type, value)."""
        number = self.classes[name] = self.new_id()
        text = self.string(name.replace(".", "/"))
        self.head += self.record(2, struct.pack(">I", 1) + self.ref(number) + struct.pack(">I", 0) + self.ref(text))
        body = b"\x20" + self.ref(number) + struct.pack(">I", 0)
        body += self.ref(self.classes[parent] if parent else 0) + self.ref(0) * 5
        body += struct.pack(">IH", 16, 1) + struct.pack(">HBI", 1, LETTERS["int"], 7)
        body += struct.pack(">H", len(statics or []))
        for label, letter, value in statics or []:
            width = self.word if letter == "ref" else WIDTHS[letter]
            body += self.ref(self.string(label)) + bytes([LETTERS[letter]]) + value.to_bytes(width, "big")
        body += struct.pack(">H", len(fields))
        for label, letter in fields:
            body += self.ref(self.string(label)) + bytes([LETTERS[letter]])
        self.heap += body
        return number

    def instance(self, name: str, body: bytes, number: int | None = None) -> int:
        number = number or self.new_id()
        self.places[number] = len(self.heap) + 1 + 2 * self.word + 8
        self.heap += b"\x21" + self.ref(number) + bytes(4) + self.ref(self.classes[name])
        self.heap += struct.pack(">I", len(body)) + body
        return number

    def primitives(self, letter: str, body: bytes, number: int | None = None) -> int:
        """A primitive array; ``places`` tells where its contents lie in ``heap``."""
        number = number or self.new_id()
        self.places[number] = len(self.heap) + 1 + self.word + 9
        self.heap += b"\x23" + self.ref(number) + bytes(4)
        self.heap += struct.pack(">IB", len(body) // WIDTHS[letter], LETTERS[letter]) + body
        return number

    def objects(self, name: str, numbers: list[int]) -> int:
        number = self.new_id()
        self.heap += b"\x22" + self.ref(number) + bytes(4) + struct.pack(">I", len(numbers))
        self.heap += self.ref(self.classes[name]) + b"".join(map(self.ref, numbers))
        return number

    def roots(self) -> None:
        """One of each root, and Android's own sub-records for 1.0.3."""
        word = self.word
        sizes = {0xFF: 0, 1: word, 2: 8, 3: 8, 4: 4, 5: 0, 6: 4, 7: 0, 8: 8}
        if self.version == "1.0.3":
            sizes |= {0x89: 0, 0x8A: 0, 0x8B: 0, 0x8C: 0, 0x8D: 0, 0x8E: 8, 0x90: 0}
            self.heap += b"\xfe" + bytes(4) + self.ref(1) + b"\xc3" + self.ref(1) + struct.pack(">IIB", 0, 99, 8)
        for tag, extra in sizes.items():
            self.heap += bytes([tag]) + self.ref(0x1234) + bytes(extra)

    def start(self) -> bytes:
        return f"JAVA PROFILE {self.version}".encode() + b"\0" + struct.pack(">IQ", self.word, 0)

    def heap_at(self) -> int:
        """Where ``heap`` begins in the built file."""
        return len(self.start()) + len(self.head) + 9

    def build(self, length: int | None = None, tag: int = 0x1C, end: bytes = struct.pack(">BII", 0x2C, 0, 0)) -> bytes:
        """The file; ``length`` is what the record of the heap says of itself."""
        return self.start() + self.head + self.record(tag, self.heap, length) + end
