"""Users' rules on windows."""

from __future__ import annotations

from dumpscan.foreign_rules import ForeignFile, ForeignRule
from dumpscan.matchers.base import View
from dumpscan.matchers.user_rules import ForeignMatcher
from dumpscan.model import Candidate, Clue, Confidence, Span


def test_user_rules_run_on_whole_windows() -> None:
    source = 'rule mine { strings: $a = "swordfish" wide condition: $a }'
    matcher = ForeignMatcher([ForeignFile("mine.yar", source, (ForeignRule("mine", "mine", "mine.yar", 1),))])
    data = "say swordfish".encode("utf-16-le")
    (candidate,) = matcher.match(View(memoryview(data), (Span(0, len(data)),)), ())
    assert isinstance(candidate, Candidate)
    assert candidate.confidence is Confidence.POSSIBLE
    assert candidate.spans == (Span(8, 26),)


def test_user_rules_that_are_cut_are_a_limit() -> None:
    source = "rule many { strings: $a = /[a-z]/ condition: $a }"
    matcher = ForeignMatcher([ForeignFile("many.yar", source, (ForeignRule("many", "many", "many.yar", 1),))])
    data = b"x" * 1_000_200
    limits = [e for e in matcher.match(View(memoryview(data), (Span(0, len(data)),)), ()) if isinstance(e, Clue)]
    assert [(clue.kind, clue.note) for clue in limits] == [
        ("limit", b"more than 1,000,000 matches of user rules in a window: many")
    ]
