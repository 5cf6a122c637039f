"""Users' YARA rules without our ``meta``: run on whole windows, as written, with defaults."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yara

from dumpscan.errors import SignatureError
from dumpscan.model import Severity
from dumpscan.rule_source import Block, blank, blocks, metas_of

_UNFIT = (
    (re.compile(r"\bfilesize\b"), "filesize: a window is not a file"),
    (re.compile(r"\bentrypoint\b"), "entrypoint: a window is not a file"),
    (re.compile(r"[$#@]\w*\s+at\b|\bof\s+(?:them|\([^)]*\))\s+at\b"), "at: offsets in a window mean nothing"),
    (re.compile(r"[$#@]\w*\s+in\s*\(|\bof\s+(?:them|\([^)]*\))\s+in\b"), "in: offsets in a window mean nothing"),
    (re.compile(r"\bu?int(?:8|16|32)(?:be)?\s*\("), "uintXX(): offsets in a window mean nothing"),
)
_STATEMENT = re.compile(r"^[ \t]*(import|include)\b", re.M)
_OPERAND = re.compile(r"\s*\"([^\"\n]*)\"")
_UNKNOWN = re.compile(r'line \d+: undefined identifier "(\w+)"')
_CONDITION = re.compile(r"\bcondition\s*:")
_WORD = re.compile(r"(?<![$#@!\w])\w+")
_NAMED = 5
"""Rules of a file that its warning names."""


@dataclass(frozen=True, slots=True)
class ForeignRule:
    """A user's rule without our ``meta``: run on whole windows, as written, with defaults."""

    name: str
    title: str
    file: str
    line: int
    severity: Severity = Severity.MEDIUM


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """The runnable text of one user file, and its rules."""

    file: str
    source: str
    rules: tuple[ForeignRule, ...]


def parse_foreign(
    text: str,
    file: str,
    wanted: Iterable[str],
    warnings: list[str],
    refused: list[str],
    others: Collection[Path] = (),
) -> ForeignFile:
    """The rules of a user's file that can be run on windows.

    ``refused`` gets those that cannot, and why: they need a file, a module, another file, or a variable of another
    tool's. ``warnings`` gets what the others lack of our meta, ``wanted``. ``others`` are all files that are loaded:
    what a file includes is not read through it.
    """
    found = blocks(text)
    words = {block.name: frozenset(_WORD.findall(_CONDITION.split(block.code, 1)[-1])) for block in found}
    statements = [(m, o) for m in _STATEMENT.finditer(blank(text)) if (o := _OPERAND.match(text, m.end()))]
    modules = {operand[1] for statement, operand in statements if statement[1] == "import"}
    reasons = {block.name: reason for block in found if (reason := _unfit(block, modules & words[block.name]))}
    for statement, operand in statements:
        if statement[1] == "include" and (Path(file).parent / operand[1]).resolve() not in others:
            line = text.count("\n", 0, statement.start()) + 1
            refused.append(f"{file}:{line}: include {operand[1]}: not read; name that file as well")
    text = _without(text, [(statement.start(), operand.end()) for statement, operand in statements])
    runnable, metas = _compiled(text, file, found, words, reasons)
    pointless = "no strings: nothing to point at"
    mute = {b.name: pointless for b in found if b.name in metas and not re.search(r"\bstrings\s*:", b.code)}
    reasons |= mute
    refused += [f"{file}:{b.line}: rule {b.name}: {reasons[b.name]}" for b in found if b.name in reasons]
    kept = tuple(
        ForeignRule(b.name, str(metas[b.name].get("title", b.name)), file, b.line)
        for b in found
        if b.name in metas and b.name not in mute
    )
    if kept:
        lacks = ", ".join(key for key in wanted if any(key not in metas[rule.name] for rule in kept))
        names = ", ".join(rule.name for rule in kept[:_NAMED])
        names += f" and {len(kept) - _NAMED} more" if len(kept) > _NAMED else ""
        warnings.append(f"{file}:{kept[0].line}: rule {names}: on whole windows, as written; lacks {lacks}")
    return ForeignFile(file, runnable, kept)


def _compiled(
    text: str, file: str, found: Sequence[Block], words: Mapping[str, frozenset[str]], reasons: dict[str, str]
) -> tuple[str, dict[str, dict[str, Any]]]:
    """The text without what cannot be run, and the meta of what remains; adds to ``reasons``."""
    while True:
        _spread(words, reasons)
        runnable = _without(text, [(b.start, b.end) for b in found if b.name in reasons])
        try:
            return runnable, metas_of(runnable)
        except yara.Error as error:
            unknown = _UNKNOWN.search(str(error))
            guilty = [name for name in words if name not in reasons and unknown and unknown[1] in words[name]]
            if not guilty or not unknown:
                raise SignatureError(f"{file}: {error}") from None
            reason = f"{unknown[1]}: neither a rule of this file nor known of a window"
            reasons.update(dict.fromkeys(guilty, reason))


def _unfit(block: Block, modules: Iterable[str]) -> str:
    for module in sorted(modules):
        if re.search(rf"\b{re.escape(module)}\s*\.", block.code):
            return f"module {module}: a window is not a file"
    return next((reason for pattern, reason in _UNFIT if pattern.search(block.code)), "")


def _spread(words: Mapping[str, frozenset[str]], reasons: dict[str, str]) -> None:
    """A rule that names a refused rule is refused as well."""
    fresh = set(reasons)
    while fresh:
        added = {
            name: min(needed) for name, named in words.items() if name not in reasons and (needed := named & fresh)
        }
        reasons.update((name, f"needs rule {needed}") for name, needed in added.items())
        fresh = set(added)


def _without(text: str, dropped: Iterable[tuple[int, int]]) -> str:
    """``text`` with stretches blanked; lines stay where they are."""
    parts, position = [], 0
    for start, end in sorted(dropped):
        parts += [text[position:start], re.sub(r"[^\n]", " ", text[start:end])]
        position = end
    return "".join([*parts, text[position:]])
