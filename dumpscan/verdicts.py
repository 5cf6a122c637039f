"""What validators take and give: a match in its surroundings, and a verdict."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dumpscan.model import Confidence, Severity


@dataclass(frozen=True, slots=True)
class Match:
    """A value at ``[start, end)`` of ``text``, which holds what stands around it; all decoded to ASCII."""

    text: bytes = field(repr=False)
    start: int
    end: int

    @property
    def value(self) -> bytes:
        return self.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validator found out; a field that is ``None`` leaves what the signature states.

    ``span`` moves the secret within ``Match.text``; ``kind`` and ``title`` name what it turned out to be. ``password``
    is what the secret encodes, and may stand elsewhere by itself.
    """

    confidence: Confidence | None = None
    evidence: str = ""
    severity: Severity | None = None
    public: Mapping[str, str] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    kind: str | None = None
    title: str | None = None
    password: bytes = field(default=b"", repr=False)


Validator = Callable[[Match], Verdict | None]


def proof(holds: bool, evidence: str) -> Verdict | None:
    return Verdict(Confidence.PROVEN, evidence) if holds else None


def decode_base64(value: bytes) -> bytes | None:
    """Decode base64 of either alphabet, padded or not; ``None`` if that is not what it is."""
    text = value.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    if len(text) % 4 == 1:
        return None
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
