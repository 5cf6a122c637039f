"""A string in a Java heap dump that says what was redacted: a record that no object refers to.

It stands before the end record, or at the end of a file without one. The lengths of the records must hold: behind a
HEAP_DUMP of length 0 a reader would take the string for a sub-record of the heap.
"""

from __future__ import annotations

import struct

from dumpscan.errors import FormatError
from dumpscan.formats.base import Edit
from dumpscan.formats.hprof_records import HEAP_DUMP, HEAP_END, RECORD_HEADER, STRING, Record, Records, read_header
from dumpscan.source import Source

_CANDIDATES = 64


def mark(source: Source, text: bytes) -> list[Edit]:
    """See :data:`dumpscan.formats.base.Marker`."""
    header = read_header(source)
    highest = (1 << 8 * header.id_size) - 1
    free = {highest - number for number in range(_CANDIDATES)}
    records = Records(source, header)
    end = b""
    for record in records:
        if record.missing:
            raise FormatError(f"its last record is {record.missing} bytes short")
        if record.tag == STRING:
            free.discard(int.from_bytes(records.body(record, header.id_size)))
        elif record.tag == HEAP_DUMP and record.body + _stated_length(source, record) != record.end:
            raise FormatError(f"the length of its record at {record.offset:#x} is wrong")
        end = source.read(record.offset, record.end - record.offset) if record.tag == HEAP_END else b""
    if records.position != source.size or not free:
        raise FormatError(f"it holds something else than records at {records.position:#x}")
    body = max(free).to_bytes(header.id_size) + text
    return [Edit(source.size - len(end), struct.pack(">BII", STRING, 0, len(body)) + body + end)]


def _stated_length(source: Source, record: Record) -> int:
    return int.from_bytes(source.read(record.offset, RECORD_HEADER)[5:])
