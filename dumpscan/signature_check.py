"""The rule check: what a signature must be before it is trusted, as code rather than as advice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # the only measure of a pattern's width
from typing import Any

import yara

from dumpscan.errors import SignatureError
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.signatures import SignatureMatcher
from dumpscan.model import Candidate, Span
from dumpscan.rule_source import blank, blocks
from dumpscan.signature_examples import expand
from dumpscan.signatures_loader import Ruleset, Signature, builtin_files, parse

_REGEX = re.compile(r"=\s*/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+)/([is]*)")
_UNFIT = re.compile(r"\b(?:filesize|entrypoint|import|include)\b|\bu?int(?:8|16|32)|[$#@]\w*\s+(?:at|in)\b")
_MODIFIERS = re.compile(r"\b(?:wide|xor|base64|base64wide)\b")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a rule, and where."""

    file: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.text}"


def check(paths: Sequence[Path] = ()) -> list[Problem]:
    """Check signature files; without ``paths``, those that ship with dumpscan."""
    problems: list[Problem] = []
    found: list[Signature] = []
    for path in paths or builtin_files():
        try:
            text = path.read_text("utf-8")
            found += parse(text, path.name)
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(path.name, 1, "", type(error).__name__))
        except SignatureError as error:
            problems.append(Problem(path.name, 1, "", str(error)))
    problems += _duplicates(found)
    problems += [p for signature in found for p in check_signature(signature)]
    try:
        yara.compile(sources={s.id: s.source for s in found}, includes=False)
    except yara.Error as error:
        problems.append(Problem("", 0, "", f"do not compile together: {error}"))
    return problems


def check_signature(signature: Signature) -> list[Problem]:
    """All that is wrong with one signature."""
    texts = [*_source(signature), *_bounds(signature)]
    if not texts:
        texts = list(_examples(signature))
    return [Problem(signature.file, signature.line, signature.name, text) for text in texts]


def scan(signature: Signature, data: bytes) -> list[Candidate]:
    """Run one signature on bytes as the engine would."""
    return run(SignatureMatcher(Ruleset((signature,), "")), data)


def run(matcher: SignatureMatcher, data: bytes) -> list[Candidate]:
    """Run a matcher on bytes as the engine would."""
    hits = [Hit(index, start) for index, anchor in enumerate(matcher.anchors) for start in _places(anchor, data)]
    found = matcher.match(View(memoryview(data), (Span(0, len(data)),)), hits)
    return [item for item in found if isinstance(item, Candidate)]


def _places(anchor: bytes, data: bytes) -> Iterator[int]:
    start = data.find(anchor)
    while start >= 0:
        yield start
        start = data.find(anchor, start + 1)


def _duplicates(found: Iterable[Signature]) -> Iterator[Problem]:
    seen: dict[str, Signature] = {}
    for signature in found:
        for key in (signature.id, signature.name):
            other = seen.setdefault(key, signature)
            if other is not signature and other.id != signature.name:
                yield Problem(signature.file, signature.line, signature.name, f"{key} is also in {other.file}")


def _source(signature: Signature) -> Iterator[str]:
    code = blank(blocks(signature.source)[0].source)
    if _UNFIT.search(code):
        yield "uses what means nothing on a window"
    if _MODIFIERS.search(code.partition("strings:")[2]):
        yield "modifiers other than ascii, nocase and fullword are the matcher's work"
    try:
        yara.compile(source=signature.source, includes=False, error_on_warning=True)
    except yara.Error as error:
        yield f"does not compile cleanly: {error}"


def _bounds(signature: Signature) -> Iterator[str]:
    body = signature.source.partition("strings:")[2]
    widths = [_width(match[1]) for match in _REGEX.finditer(body)]
    if any(width >= 1024 for width in widths):
        yield "has an unbounded or too long regular expression"
    elif widths and max(widths) > signature.longest:
        yield f"longest is {signature.longest}, the pattern allows {max(widths)}"


def _width(pattern: str) -> int:
    try:
        tree: Any = _parser.parse(pattern.replace("\\/", "/"))
        return min(int(tree.getwidth()[1]), 1 << 20)
    except re.error:
        return 1 << 20


def _examples(signature: Signature) -> Iterator[str]:
    matcher = SignatureMatcher(Ruleset((signature,), ""))
    for number, template in enumerate(signature.examples, 1):
        try:
            text = expand(template)
        except ValueError as error:
            yield f"example {number}: {error}"
            continue
        yield from (f"example {number}: {problem}" for problem in _example(signature, matcher, text))
    for number, template in enumerate(signature.counterexamples, 1):
        if run(matcher, expand(template).encode()):
            yield f"counterexample {number} is found"


def _example(signature: Signature, matcher: SignatureMatcher, text: str) -> Iterator[str]:
    haystack = text.lower() if signature.anchor_nocase else text
    if not any((a.lower() if signature.anchor_nocase else a) in haystack for a in signature.anchors):
        yield "holds no anchor"
    for name, data in encodings(text):
        found = run(matcher, data)
        if len(found) != 1:
            yield f"found {len(found)} times as {name}"
        elif not found[0].spans[0].start >= 0 or found[0].signature != signature.id:
            yield f"misplaced as {name}"


def encodings(text: str) -> list[tuple[str, bytes]]:
    """Forms that every example has to be found in."""
    wide = text.encode("utf-16-le")
    return [
        ("UTF-8", b"\0" + text.encode() + b"\0"),
        ("UTF-16LE, even", b"\0\0" + wide + b"\0\0"),
        ("UTF-16LE, odd", b"\1" + wide + b"\0\0"),
        ("UTF-16BE", b"\1\1" + text.encode("utf-16-be") + b"\1\1"),
        ("UTF-32LE", b"\2\2\2\2" + text.encode("utf-32-le") + b"\0\0\0\0"),
        ("hex", b" " + text.encode().hex().encode() + b" "),
    ]
