"""The literals that lead to signatures, in every form of theirs, and what each asks for; kept between runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path

from dumpscan import cache
from dumpscan.matchers import text_layers
from dumpscan.matchers.text_layers import Form, encoded_anchors
from dumpscan.signatures_loader import Signature

_FORMS = tuple(Form)


@dataclass(frozen=True, slots=True)
class AskedAnchors:
    """``literals``, each once. Those with index i ask for rows ``ends[i - 1]`` to ``ends[i]`` of ``rows``: index of the
    form, shift, need."""

    literals: tuple[bytes, ...] = field(repr=False)
    ends: Sequence[int] = field(repr=False)
    rows: Sequence[Sequence[int]] = field(repr=False)

    def of(self, index: int) -> Iterator[tuple[Form, int, int]]:
        """Form, shift and need of each rule that has the literal with this index."""
        first = self.ends[index - 1] if index else 0
        return ((_FORMS[form], shift, need) for form, shift, need in self.rows[first : self.ends[index]])


def asked_anchors(rules: Sequence[Signature]) -> AskedAnchors:
    """The anchors of ``rules``; those of an earlier run with the same, where there was one."""
    rows = [(rule.anchors, rule.anchor_nocase, rule.longest + rule.reach) for rule in rules]
    with contextlib.suppress(OSError):  # no source file to tell whether what it does has changed
        forms = hashlib.sha256(Path(text_layers.__file__).read_bytes() + Path(__file__).read_bytes()).hexdigest()
        key = f"anchors {forms} {hashlib.sha256(json.dumps(rows).encode()).hexdigest()}"
        with contextlib.suppress(ValueError, TypeError, LookupError):
            return _restored(json.loads(cache.load(key) or b""))
        made = _made(rows)
        cache.store(key, _stored(made))
        return made
    return _made(rows)


def _made(rows: Sequence[tuple[Sequence[str], bool, int]]) -> AskedAnchors:
    asked: dict[bytes, list[tuple[int, int, int]]] = {}
    index = {form: number for number, form in enumerate(_FORMS)}
    for anchors, nocase, need in rows:
        for literal, form, shift in encoded_anchors(anchors, nocase):
            asked.setdefault(literal, []).append((index[form], shift, need))
    return AskedAnchors(
        tuple(asked), list(accumulate(map(len, asked.values()))), [row for mine in asked.values() for row in mine]
    )


def _stored(made: AskedAnchors) -> bytes:
    lengths = [len(literal) for literal in made.literals]
    return json.dumps([b"".join(made.literals).hex(), lengths, made.ends, made.rows]).encode()


def _restored(stored: tuple[str, list[int], list[int], list[list[int]]]) -> AskedAnchors:
    text, lengths, ends, rows = stored
    octets = bytes.fromhex(text)
    literals = tuple(octets[first:end] for first, end in pairwise(accumulate(lengths, initial=0)))
    return AskedAnchors(literals, ends, rows)
