"""The examples that other scanners' rules carry, read from a checkout of theirs; nothing of it is kept.

Understood: YAML rules with ``examples`` and ``negative_examples``; Go generators with ``tps`` and ``fps``; Go tests
with ``input`` and ``want``; Python tests with ``(payload, should_flag)``. What cannot be evaluated is counted.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # its tree is what is sampled
from typing import Any

import yaml

_TOKEN = re.compile(
    r'\s+|//[^\n]*|/\*.*?\*/|(?P<raw>`[^`]*`)|(?P<text>"(?:\\.|[^"\\\n])*")|(?P<name>[A-Za-z_][\w.]*)|(?P<number>\d[\d.]*)'
    r"|(?P<rune>'(?:\\.|[^'\\])+')|(?P<mark>:=|\.\.\.|.)",
    re.S,
)
_CLASSES = {
    "Numeric": "[0-9]",
    "Hex": "[a-f0-9]",
    "AlphaNumeric": "[a-z0-9]",
    "AlphaNumericExtendedShort": "[a-z0-9_-]",
    "AlphaNumericExtended": "[a-z0-9=_-]",
    "AlphaNumericExtendedLong": "[a-z0-9/=_+-]",
}


@dataclass(frozen=True, slots=True)
class Example:
    """One text of one rule, and whether that rule's author wants it found."""

    scanner: str
    rule: str
    text: str = field(repr=False)
    positive: bool = True


@dataclass(slots=True)
class Collected:
    """Examples, and how many expressions could not be evaluated."""

    examples: list[Example] = field(default_factory=list)
    skipped: int = 0


def collect(folder: Path) -> Collected:
    """All examples below ``folder``."""
    found = Collected()
    for path in sorted(folder.rglob("*")):
        if path.suffix in _READERS and path.is_file() and "filters" not in path.parts:
            text = path.read_text("utf-8", "replace")
            name = path.relative_to(folder).parts[0]
            try:
                for rule, example, positive in _READERS[path.suffix](path, text, found):
                    found.examples.append(Example(name, rule, example, positive))
            except (yaml.YAMLError, SyntaxError, RecursionError):
                found.skipped += 1
    return found


_Read = Iterator[tuple[str, str, bool]]


def _yaml(path: Path, text: str, found: Collected) -> _Read:
    if "examples:" not in text:
        return
    rules = yaml.safe_load(text)
    for rule in rules.get("rules", []) if isinstance(rules, dict) else []:
        for key, positive in (("examples", True), ("negative_examples", False)):
            yield from ((path.stem, str(example), positive) for example in rule.get(key) or [])


def _python(path: Path, text: str, found: Collected) -> _Read:
    if not path.name.endswith("_test.py") or "parametrize" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Tuple) and len(node.elts) >= 2:
            try:
                first, second = ast.literal_eval(node.elts[0]), ast.literal_eval(node.elts[1])
            except ValueError:
                continue
            if isinstance(first, str) and isinstance(second, bool) and len(first) > 3:
                yield path.stem.removesuffix("_test"), first, second


# ---------------------------------------------------------------- Go


class _UnknownError(Exception):
    """An expression that needs a Go compiler."""


class _Go:
    """Evaluates the constant expressions that rule files are made of."""

    def __init__(self, tokens: list[tuple[str, str]], names: dict[str, Any], seed: str) -> None:
        self.tokens, self.at, self.names = tokens, 0, names
        self.random = random.Random(seed)

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise _UnknownError
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self) -> Any:
        value = self.atom()
        while self.peek() == "+":
            self.take()
            value = value + self.atom()
        return value

    def atom(self) -> Any:
        kind, text = self.take()
        if kind == "raw":
            return text[1:-1]
        if kind == "text":
            return ast.literal_eval(text)
        if kind == "number":
            return text
        if text in ("[", "map"):
            while self.peek() != "{":
                self.take()
            return self.braced()
        if text == "{":
            self.at -= 1
            return self.braced()
        if kind != "name":
            raise _UnknownError
        if text == "nil":
            return []
        if self.peek() == "(":
            return self.call(text.rpartition(".")[2])
        if text in self.names:
            return self.names[text]
        raise _UnknownError

    def listed(self, close: str) -> list[Any]:
        self.take()
        items = []
        while self.peek() != close:
            value = self.sum()
            if self.peek() == ":":  # a key: only the value counts
                self.take()
                value = self.sum()
            if self.peek() == "...":
                self.take()
            items.append(value)
            if self.peek() == ",":
                self.take()
        self.take()
        return items

    def braced(self) -> list[Any]:
        return self.listed("}")

    def call(self, name: str) -> Any:
        values = self.listed(")")
        if name in _CLASSES:
            return f"{_CLASSES[name]}{{{values[0]}}}"
        if name == "Hex8_4_4_4_12":
            return "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        if name in ("NewSecret", "NewSecretWithEntropy"):
            return sample(values[0], self.random)
        if name == "GenerateSampleSecret":
            return f'{values[0]}_api_token = "{values[1]}"'
        if name == "GenerateSampleSecrets":
            return [f'{values[0]}_token = "{values[1]}"', f"{values[0].upper()}_TOKEN={values[1]}"]
        if name == "Sprintf":
            return re.sub(r"%[svq]", lambda _: str(values.pop(1)) if len(values) > 1 else "", values[0])
        if name == "append":
            return [*values[0], *(x for v in values[1:] for x in (v if isinstance(v, list) else [v]))]
        if name == "Repeat":
            return values[0] * int(values[1])
        raise _UnknownError


def sample(pattern: str, source: random.Random) -> str:
    """A text that ``pattern`` matches."""
    try:
        tree = _parser.parse(pattern)
    except re.error as error:
        raise _UnknownError from error
    return "".join(_walk(tree, source))


def _walk(tree: Any, source: random.Random) -> Iterator[str]:
    for op, argument in tree:
        name = str(op)
        if name == "LITERAL":
            yield chr(argument)
        elif name == "IN":
            yield source.choice(_members(argument))
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = argument
            for _ in range(source.randint(low, min(int(high), low + 8))):
                yield from _walk(inner, source)
        elif name == "SUBPATTERN":
            yield from _walk(argument[3], source)
        elif name == "BRANCH":
            yield from _walk(source.choice(argument[1]), source)
        elif name == "ANY":
            yield "q"
        elif name != "AT":
            raise _UnknownError


def _members(items: Any) -> list[str]:
    chars: list[str] = []
    for op, argument in items:
        if str(op) == "LITERAL":
            chars.append(chr(argument))
        elif str(op) == "RANGE":
            chars += map(chr, range(argument[0], argument[1] + 1))
        else:
            chars += "abcdefghjkmnpqrstuvwxyz0123456789"
    return chars


def _tokens(text: str) -> list[tuple[str, str]]:
    return [(m.lastgroup, m[0]) for m in _TOKEN.finditer(text) if m.lastgroup]


def _expression(text: str, names: dict[str, Any]) -> Any:
    return _Go(_tokens(text[:60_000]), names, text[:200]).sum()


def _go(path: Path, text: str, found: Collected) -> _Read:
    if "tps" in text and "rules" in path.parts:
        yield from _generators(path, text, found)
    elif path.name.endswith("_test.go") and "want:" in text and "integration" not in path.name:
        yield from _tables(path, text, found)


def _generators(path: Path, text: str, found: Collected) -> _Read:
    for body in re.split(r"^func ", text, flags=re.M):
        names: dict[str, Any] = {"tps": [], "fps": []}
        seen: dict[str, list[Any]] = {"tps": [], "fps": []}
        for match in re.finditer(r"^\s*(\w+)\s*:?=\s*(?=[\[\"`a-z])", body, re.M):
            try:
                names[match[1]] = _expression(body[match.end() :], names)
            except (_UnknownError, TypeError, IndexError, ValueError, SyntaxError):
                found.skipped += match[1] in seen
                continue
            if match[1] in seen:
                seen[match[1]] = names[match[1]]
        for key, positive in (("tps", True), ("fps", False)):
            yield from ((path.stem, t, positive) for t in seen[key] if isinstance(t, str))


def _tables(path: Path, text: str, found: Collected) -> _Read:
    names: dict[str, Any] = {}
    for match in re.finditer(r"^\s*(?:var |const )?(\w+)\s*:?=\s*(?=[\[\"`]|fmt)", text, re.M):
        try:
            names[match[1]] = _expression(text[match.end() :], names)
        except (_UnknownError, TypeError, IndexError, ValueError, SyntaxError):
            continue
    for match in re.finditer(r"\binput:\s*", text):
        want = re.compile(r"\bwant:\s*").search(text, match.end())
        if want is None:
            continue
        try:
            given = _expression(text[match.end() :], names)
            wanted = _expression(text[want.end() :], names)
        except (_UnknownError, TypeError, IndexError, ValueError, SyntaxError):
            found.skipped += 1
            continue
        if isinstance(given, str) and isinstance(wanted, list):
            yield path.parent.name, given, bool(wanted)


_READERS: dict[str, Callable[[Path, str, Collected], _Read]] = {
    ".yml": _yaml,
    ".yaml": _yaml,
    ".go": _go,
    ".py": _python,
}
