"""The literals that lead to signatures, in every form of theirs, and what each asks for; kept between runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path

from dumpscan import cache
from dumpscan.matchers import text_layers
from dumpscan.matchers.text_layers import LEAST_FOLLOWING, Form, encoded_anchors
from dumpscan.signatures_loader import Signature

_FORMS = tuple(Form)
_COUNTED = re.compile(r"\[[^\]]*\]\{(\d+)")


@dataclass(frozen=True, slots=True)
class AskedAnchors:
    """``literals``, each once. Those with index i ask for rows ``ends[i - 1]`` to ``ends[i]`` of ``rows``: index of the
    form, shift, need, and the characters of the anchor if more text must follow it, else 0."""

    literals: tuple[bytes, ...] = field(repr=False)
    ends: Sequence[int] = field(repr=False)
    rows: Sequence[Sequence[int]] = field(repr=False)

    def of(self, index: int) -> Iterator[tuple[Form, int, int, int]]:
        """Form, shift, need and characters before more text, of each rule that has the literal with this index."""
        first = self.ends[index - 1] if index else 0
        rows = self.rows[first : self.ends[index]]
        return ((_FORMS[form], shift, need, leads) for form, shift, need, leads in rows)


def asked_anchors(rules: Sequence[Signature]) -> AskedAnchors:
    """The anchors of ``rules``; those of an earlier run with the same, where there was one."""
    rows = [
        (anchor, rule.anchor_nocase, rule.longest + rule.reach, len(anchor) if _leads(anchor, rule.source) else 0)
        for rule in rules
        for anchor in rule.anchors
    ]
    if len(rules) < cache.WORTH_KEEPING:
        return _made(rows)
    with contextlib.suppress(OSError):  # no source file to tell whether what it does has changed
        forms = hashlib.sha256(Path(text_layers.__file__).read_bytes() + Path(__file__).read_bytes()).hexdigest()
        key = f"anchors {forms} {hashlib.sha256(json.dumps(rows).encode()).hexdigest()}"
        with contextlib.suppress(ValueError, TypeError, LookupError):
            return _restored(json.loads(cache.load(key) or b""))
        made = _made(rows)
        cache.store(key, _stored(made))
        return made
    return _made(rows)


def _leads(anchor: str, source: str) -> bool:
    """Whether :data:`LEAST_FOLLOWING` characters of a class follow the anchor wherever a rule names it."""
    strings = source[source.find("strings:") :]
    behind = [_COUNTED.match(strings, match.end()) for match in re.finditer(re.escape(anchor), strings)]
    return bool(behind) and all(found is not None and int(found[1]) >= LEAST_FOLLOWING for found in behind)


def _made(rows: Sequence[tuple[str, bool, int, int]]) -> AskedAnchors:
    asked: dict[bytes, list[tuple[int, int, int, int]]] = {}
    index = {form: number for number, form in enumerate(_FORMS)}
    for anchor, nocase, need, leads in rows:
        for literal, form, shift in encoded_anchors([anchor], nocase):
            asked.setdefault(literal, []).append((index[form], shift, need, leads))
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
