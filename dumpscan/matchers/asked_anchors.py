"""The literals that lead to signatures, in every form of theirs, and what each asks for; kept between runs."""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import re
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain
from pathlib import Path

from dumpscan import cache
from dumpscan.matchers import text_layers
from dumpscan.matchers.text_layers import LEAST_FOLLOWING, Form, encoded_anchors, followed
from dumpscan.signatures_loader import Signature

_FORMS = tuple(Form)
_COUNTED = re.compile(r"\[[^\]]*\]\{(\d+)")


_ROW = 4
"""Numbers in a row: index of the form, shift, need, and the characters of the anchor if more text must follow it, else
0."""


@dataclass(frozen=True, slots=True)
class AskedAnchors:
    """``literals``, each once. That with index i asks for the rows ``ends[i - 1]`` to ``ends[i]`` of ``rows``, in which
    they lie end to end."""

    literals: tuple[bytes, ...] = field(repr=False)
    ends: array[int] = field(repr=False)
    rows: array[int] = field(repr=False)

    def of(self, index: int) -> Iterator[tuple[Form, int, int, int]]:
        """Form, shift, need and characters before more text, of each rule that has the literal with this index."""
        first = self.ends[index - 1] if index else 0
        for at in range(first * _ROW, self.ends[index] * _ROW, _ROW):
            form, shift, need, leads = self.rows[at : at + _ROW]
            yield _FORMS[form], shift, need, leads


def asked_anchors(rules: Sequence[Signature]) -> AskedAnchors:
    """The anchors of ``rules``; those of an earlier run with the same, where there was one."""
    if len(rules) >= cache.WORTH_KEEPING:
        with contextlib.suppress(OSError):  # no source file to tell whether what it does has changed
            forms = hashlib.sha256(Path(text_layers.__file__).read_bytes() + Path(__file__).read_bytes()).hexdigest()
            key = f"anchors {forms} {_digest(rules)} {sys.implementation.cache_tag} {sys.byteorder}"
            return cache.kept(key, partial(_made, rules), _stored, _restored, cache.NOT_MARSHALLED)
    return _made(rules)


def _digest(rules: Sequence[Signature]) -> str:
    """Changes with all that the anchors are made of."""
    made_of = [(rule.anchors, rule.anchor_nocase, rule.longest + rule.reach, rule.source) for rule in rules]
    return hashlib.sha256(marshal.dumps(made_of, 2)).hexdigest()  # 2: what is equal gives the same bytes


def _leads(anchor: str, source: str) -> bool:
    """Whether :data:`LEAST_FOLLOWING` characters of a class follow the anchor wherever a rule names it."""
    strings = source[source.find("strings:") :]
    behind = [_COUNTED.match(strings, match.end()) for match in re.finditer(re.escape(anchor), strings)]
    return bool(behind) and all(found is not None and int(found[1]) >= LEAST_FOLLOWING for found in behind)


def _made(rules: Sequence[Signature]) -> AskedAnchors:
    asked: dict[bytes, list[tuple[int, int, int, int]]] = {}
    index = {form: number for number, form in enumerate(_FORMS)}
    for rule in rules:
        for anchor in rule.anchors:
            leads = len(anchor) if _leads(anchor, rule.source) else 0
            for literal, form, shift in encoded_anchors([anchor], rule.anchor_nocase):
                longer = leads and form is Form.BASE64  # in any case: the bits that are left of a letter have none
                for each in followed(literal, anchor, shift) if longer else (literal,):
                    asked.setdefault(each, []).append((index[form], shift, rule.longest + rule.reach, leads))
    rows = chain.from_iterable(row for mine in asked.values() for row in mine)
    return AskedAnchors(tuple(asked), array("I", accumulate(map(len, asked.values()))), array("H", rows))


def _stored(made: AskedAnchors) -> bytes:
    return marshal.dumps((made.literals, made.ends.tobytes(), made.rows.tobytes()))


def _restored(stored: bytes) -> AskedAnchors:
    literals, ends, rows = marshal.loads(stored)
    return AskedAnchors(literals, array("I", ends), array("H", rows))
