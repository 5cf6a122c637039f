"""The text of YARA rules: cut into rules, without what is in quotes, their ``meta``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yara

_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<==)\s*/(?:\\.|[^/\\\n])+/|(?<=matches)\s*/(?:\\.|[^/\\\n])+/"""
    r"""|(?<==)\s*\{[^}]*\}""",
    re.S,
)
_RULE = re.compile(r"^[ \t]*((?:(?:private|global)\s+)*)rule\s+(\w+)[^{]*\{", re.M)


@dataclass(frozen=True, slots=True)
class Block:
    """The text of one rule in a file; ``code`` is the text with comments, strings and regexes blanked."""

    name: str
    line: int
    source: str
    code: str
    start: int
    end: int


def metas_of(text: str) -> dict[str, dict[str, Any]]:
    """The ``meta`` of every rule. Raises :class:`yara.Error`."""
    return {rule.identifier: dict(rule.meta) for rule in yara.compile(source=text, includes=False)}


def blocks(text: str) -> list[Block]:
    """Cut the text of a file into its rules."""
    code = blank(text)
    found = []
    position, line, counted = 0, 1, 0
    while match := _RULE.search(code, position):
        end = _closing_brace(code, match.end())
        line += text.count("\n", counted, match.start(2))
        counted = match.start(2)
        source = text[match.start() : end]
        found.append(Block(match[2], line, source, code[match.start() : end], match.start(), end))
        position = end
    return found


def blank(text: str) -> str:
    """``text`` with comments, strings, regexes and hex strings replaced by spaces: positions stay."""
    return _TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def _closing_brace(code: str, position: int) -> int:
    depth = 1
    for match in re.compile(r"[{}]").finditer(code, position):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return match.end()
    return len(code)
