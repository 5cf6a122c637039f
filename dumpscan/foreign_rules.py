"""Users' YARA rules without our ``meta``: run on whole windows, as written, with defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yara

from dumpscan.errors import SignatureError
from dumpscan.model import Severity
from dumpscan.rule_source import Block, blocks, metas_of

_UNFIT = (
    (re.compile(r"\bfilesize\b"), "filesize: a window is not a file"),
    (re.compile(r"\bentrypoint\b"), "entrypoint: a window is not a file"),
    (re.compile(r"[$#@]\w*\s+at\b|\bof\s+(?:them|\([^)]*\))\s+at\b"), "at: offsets in a window mean nothing"),
    (re.compile(r"[$#@]\w*\s+in\s*\(|\bof\s+(?:them|\([^)]*\))\s+in\b"), "in: offsets in a window mean nothing"),
    (re.compile(r"\bu?int(?:8|16|32)(?:be)?\s*\("), "uintXX(): offsets in a window mean nothing"),
)


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


def parse_foreign(text: str, file: str, wanted: Iterable[str], warnings: list[str], refused: list[str]) -> ForeignFile:
    """The rules of a user's file that can be run on windows.

    ``refused`` gets those that cannot, and why; ``warnings`` what the others lack of our meta, ``wanted``.
    """
    found = blocks(text)
    reasons: dict[str, str] = {}
    for block in found:
        if reason := _unfit(block, text):
            reasons[block.name] = reason
    _spread(found, reasons)
    refused += [f"{file}:{b.line}: rule {b.name}: {reasons[b.name]}" for b in found if b.name in reasons]
    runnable = _without(text, [b for b in found if b.name in reasons])
    try:
        metas = metas_of(runnable)
    except yara.Error as error:
        raise SignatureError(f"{file}: {error}") from None
    kept = tuple(
        ForeignRule(b.name, str(metas[b.name].get("title", b.name)), file, b.line) for b in found if b.name in metas
    )
    for block in found:
        if block.name in metas:
            lacks = ", ".join(key for key in wanted if key not in metas[block.name])
            warnings.append(f"{file}:{block.line}: rule {block.name}: runs on whole windows, as written; lacks {lacks}")
    return ForeignFile(file, runnable, kept)


def _unfit(block: Block, text: str) -> str:
    modules = re.findall(r'^\s*import\s+"(\w+)"', text, re.M)
    for module in modules:
        if re.search(rf"\b{module}\s*\.", block.code):
            return f"module {module}: a window is not a file"
    return next((reason for pattern, reason in _UNFIT if pattern.search(block.code)), "")


def _spread(found: Sequence[Block], reasons: dict[str, str]) -> None:
    """A rule whose condition names a refused rule is refused as well."""
    changed = True
    while changed:
        changed = False
        for block in found:
            if block.name in reasons:
                continue
            condition = block.code.partition("condition")[2]
            needed = next((name for name in reasons if re.search(rf"(?<![$#@!\w]){name}\b", condition)), None)
            if needed:
                reasons[block.name] = f"needs rule {needed}"
                changed = True


def _without(text: str, dropped: Iterable[Block]) -> str:
    for block in dropped:
        empty = re.sub(r"[^\n]", " ", text[block.start : block.end])
        text = text[: block.start] + empty + text[block.end :]
    return text
