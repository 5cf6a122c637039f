"""Users' YARA rules, run on whole windows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import yara

from dumpscan.foreign_rules import ForeignFile, ForeignRule
from dumpscan.matchers.base import Hit, View
from dumpscan.model import Candidate, Clue, Component, Confidence, Evidence, Span


class ForeignMatcher:
    """Runs users' YARA rules on whole windows, as they are written.

    What was cut is a limit of the report. What a rule makes of a window's edge is its own affair.
    """

    name = "user-rules"
    anchors: Sequence[bytes] = ()
    reach = 4096

    def __init__(self, files: Sequence[ForeignFile]) -> None:
        self._sources = tuple(file.source for file in files if file.rules)
        self._rules = [{rule.name: rule for rule in file.rules} for file in files if file.rules]

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        """All matches of all rules, as ``possible``."""
        matches, limit = _foreign_matches(self._sources, view.data)
        if limit:
            yield Clue("limit", b"", 0, 0, "", limit.encode())
        for match in matches:
            rule = self._rules[int(match.namespace)].get(match.rule)
            if rule is None:
                continue
            for string in match.strings:
                for instance in string.instances:
                    start, end = instance.offset, instance.offset + instance.matched_length
                    yield _foreign(rule, bytes(view.data[start:end]), Span(start, end))


def _foreign(rule: ForeignRule, value: bytes, span: Span) -> Candidate:
    return Candidate(
        kind="user-rule",
        title=rule.title,
        identity=value,
        spans=(span,),
        encoding="utf-8",
        components=(Component("value", value, "octets"),),
        severity=rule.severity,
        confidence=Confidence.POSSIBLE,
        evidence="user rule",
        signature=rule.name,
        preview=f"({len(value)} bytes)",
    )


def _foreign_matches(sources: tuple[str, ...], data: memoryview) -> tuple[list[Any], str]:
    """What YARA found, and what of it was cut."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            matches: list[Any] = _compiled(sources).match(data=data, timeout=60)
    except yara.Error:
        return [], "user rules did not finish on a window"
    names = sorted({name for warning in caught for name in re.findall(r'rule "(\w+)"', str(warning.message))})
    return matches, f"more than 1,000,000 matches of user rules in a window: {', '.join(names)}" if caught else ""


@lru_cache(maxsize=1)
def _compiled(sources: tuple[str, ...]) -> Any:
    """All files in one ``yara.Rules``; the namespace is a file's index."""
    return yara.compile(sources={str(index): source for index, source in enumerate(sources)}, includes=False)
