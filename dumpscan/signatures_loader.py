"""Signatures: YARA rules whose ``meta`` says everything that dumpscan knows of a kind of secret.

A rule of ours is plain ``ascii`` text or regex; that it is also found in UTF-16, UTF-32, hex and base64 is the work of
:mod:`dumpscan.matchers.signatures`. A user's rule may be any valid YARA; without our ``meta`` it runs as written on
whole windows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yara

from dumpscan.errors import SignatureError
from dumpscan.model import Confidence, Severity
from dumpscan.validators import VALIDATORS

BOUNDARIES: Mapping[str, bytes] = {
    "word": b"A-Za-z0-9_",
    "token": b"A-Za-z0-9_-",
    "alnum": b"A-Za-z0-9",
    "base64": b"A-Za-z0-9+/=_-",
    "hex": b"0-9A-Fa-f",
    "none": b"",
}
"""Name -> alphabet whose characters may not stand right before or after a match."""

_REQUIRED = ("id", "title", "kind", "severity", "confidence", "anchor", "longest", "reference")
_OPTIONAL = ("anchor_nocase", "validator", "value", "boundary", "reach", "placeholders")
_NUMBERED = re.compile(r"(?:counter)?example\d*\Z")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_DEFAULT_REACH = 8
_LONGEST = 500
_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<==)\s*/(?:\\.|[^/\\\n])+/|(?<=matches)\s*/(?:\\.|[^/\\\n])+/"""
    r"""|(?<==)\s*\{[^}]*\}""",
    re.S,
)
_RULE = re.compile(r"^[ \t]*((?:(?:private|global)\s+)*)rule\s+(\w+)[^{]*\{", re.M)
_UNFIT = (
    (re.compile(r"\bfilesize\b"), "filesize: a window is not a file"),
    (re.compile(r"\bentrypoint\b"), "entrypoint: a window is not a file"),
    (re.compile(r"[$#@]\w*\s+at\b|\bof\s+(?:them|\([^)]*\))\s+at\b"), "at: offsets in a window mean nothing"),
    (re.compile(r"[$#@]\w*\s+in\s*\(|\bof\s+(?:them|\([^)]*\))\s+in\b"), "in: offsets in a window mean nothing"),
    (re.compile(r"\bu?int(?:8|16|32)(?:be)?\s*\("), "uintXX(): offsets in a window mean nothing"),
)


@dataclass(frozen=True, slots=True)
class Signature:
    """One rule of ours: its ``meta``, and ``source``, the rule's text alone.

    ``longest`` is the greatest length of a match, ``reach`` how many further characters on either side the boundary
    check and the validator look at. ``value`` is a regular expression (Python's) whose first group, in the matched
    text, is the secret; empty if the whole match is.
    """

    id: str
    title: str
    kind: str
    severity: Severity
    confidence: Confidence
    anchors: tuple[str, ...]
    anchor_nocase: bool
    longest: int
    reach: int
    validator: str
    value: str
    boundary: str
    placeholders: bool
    reference: str
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...]
    name: str
    file: str
    line: int
    source: str


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


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything that is loaded. ``refused`` names rules that cannot be run on windows, and why."""

    rules: tuple[Signature, ...]
    digest: str
    warnings: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    foreign: tuple[ForeignFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """The text of one rule in a file; ``code`` is the text with comments, strings and regexes blanked."""

    name: str
    line: int
    source: str
    code: str
    start: int
    end: int


@lru_cache(maxsize=4096)
def compiled(source: str) -> Any:
    """The ``yara.Rules`` of a rule's text; kept, since a worker asks for the same few again and again."""
    return yara.compile(source=source, includes=False)


def builtin_files() -> list[Path]:
    """The signature files that ship with dumpscan: of the wheel where it has them, else of the checkout."""
    package = Path(str(files("dumpscan")))
    installed = package / "signatures"
    folder = installed if installed.is_dir() else package.parent / "signatures"
    return sorted(folder.rglob("*.yar"))


def load(builtin: bool = True, user_paths: Sequence[Path] = ()) -> Ruleset:
    """Load the built-in signatures and those of ``user_paths`` (files, or folders with ``.yar`` and ``.yara`` files).

    Raises :class:`dumpscan.errors.SignatureError`, which names file, line and rule.
    """
    own: list[Signature] = []
    digest = hashlib.sha256()
    for path in builtin_files() if builtin else ():
        text = _read(path)
        digest.update(_frame(text))
        own += parse(text, path.name)
    foreign: list[ForeignFile] = []
    warnings: list[str] = []
    refused: list[str] = []
    for path in _user_files(user_paths):
        text = _read(path)
        digest.update(_frame(text))
        if _is_ours(text):
            own += parse(text, str(path))
        else:
            foreign.append(_foreign(text, str(path), warnings, refused))
    _refuse_duplicates(own)
    return Ruleset(tuple(own), "sha256:" + digest.hexdigest(), tuple(warnings), tuple(refused), tuple(foreign))


def parse(text: str, file: str) -> list[Signature]:
    """The signatures in the text of one file. Raises :class:`dumpscan.errors.SignatureError`."""
    found = blocks(text)
    if not found:
        raise SignatureError(f"{file}:1: no rule")
    try:
        metas = _metas(text)
    except yara.Error as error:
        raise SignatureError(_blame(found, file) or f"{file}: {error}") from None
    return [_signature(block, metas.get(block.name, {}), file) for block in found]


def _metas(text: str) -> dict[str, dict[str, Any]]:
    """The ``meta`` of every rule. Not of :func:`compiled`: iterating ``yara.Rules`` uses them up."""
    return {rule.identifier: dict(rule.meta) for rule in yara.compile(source=text, includes=False)}


def _blame(found: Iterable[Block], file: str) -> str:
    """The complaint about the first rule that does not compile alone."""
    for block in found:
        try:
            yara.compile(source=block.source, includes=False)
        except yara.Error as error:
            return f"{file}:{block.line}: rule {block.name}: {_yara_text(error)}"
    return ""


def blocks(text: str) -> list[Block]:
    """Cut the text of a file into its rules."""
    code = blank(text)
    found = []
    position = 0
    while match := _RULE.search(code, position):
        end = _closing_brace(code, match.end())
        line = text.count("\n", 0, match.start(2)) + 1
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


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SignatureError(f"{path}: {reason}") from None


def _frame(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(8, "big") + data


def _user_files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in (".yar", ".yara"))
            if not inside:
                raise SignatureError(f"{path}: no .yar or .yara file")
            found += inside
        else:
            found.append(path)
    return found


def _refuse_duplicates(signatures: Iterable[Signature]) -> None:
    seen: dict[str, Signature] = {}
    for signature in signatures:
        if other := seen.get(signature.id):
            where = f"{other.file}:{other.line}"
            raise SignatureError(f"{signature.file}:{signature.line}: rule {signature.name}: id also in {where}")
        seen[signature.id] = signature


# ---------------------------------------------------------------- rules of ours


def _signature(block: Block, meta: Mapping[str, Any], file: str) -> Signature:
    where = f"{file}:{block.line}: rule {block.name}"
    _check_keys(meta, where)
    anchors = tuple(part for part in _text(meta, "anchor", where).split("|") if part)
    identifier = _text(meta, "id", where)
    if not _SLUG.match(identifier) or not _SLUG.match(_text(meta, "kind", where)):
        raise SignatureError(f"{where}: id and kind are lower-case words with dashes")
    if not anchors or any(len(a) < 4 or not a.isascii() for a in anchors):
        raise SignatureError(f"{where}: an anchor is at least 4 ASCII characters")
    return Signature(
        id=identifier,
        title=_text(meta, "title", where),
        kind=meta["kind"],
        severity=Severity[_choice(meta, "severity", [s.label for s in Severity], where).upper()],
        confidence=Confidence[_choice(meta, "confidence", ["possible", "validated"], where).upper()],
        anchors=anchors,
        anchor_nocase=_flag(meta, "anchor_nocase", where),
        longest=_number(meta, "longest", where, 4, _LONGEST),
        reach=_number(meta, "reach", where, 1, 2048) if "reach" in meta else _DEFAULT_REACH,
        validator=_choice(meta, "validator", list(VALIDATORS), where) if "validator" in meta else "",
        value=_pattern(meta, where),
        boundary=_choice(meta, "boundary", list(BOUNDARIES), where) if "boundary" in meta else "word",
        placeholders=_choice(meta, "placeholders", ["keep"], where) == "keep" if "placeholders" in meta else False,
        reference=_text(meta, "reference", where),
        examples=_numbered(meta, "example", where),
        counterexamples=_numbered(meta, "counterexample", where),
        name=block.name,
        file=file,
        line=block.line,
        source=block.source,
    )


def _check_keys(meta: Mapping[str, Any], where: str) -> None:
    for key in _REQUIRED:
        if key not in meta:
            raise SignatureError(f"{where}: meta lacks {key}")
    for key in meta:
        if key not in _REQUIRED and key not in _OPTIONAL and not _NUMBERED.match(key):
            raise SignatureError(f"{where}: unknown meta {key}")


def _text(meta: Mapping[str, Any], key: str, where: str) -> str:
    value = meta[key]
    if not isinstance(value, str) or not value:
        raise SignatureError(f"{where}: {key} is a text")
    return value


def _choice(meta: Mapping[str, Any], key: str, choices: Sequence[str], where: str) -> str:
    value = meta[key]
    if value not in choices:
        raise SignatureError(f"{where}: {key} is one of {', '.join(choices)}")
    return str(value)


def _number(meta: Mapping[str, Any], key: str, where: str, low: int, high: int) -> int:
    value = meta[key]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SignatureError(f"{where}: {key} is a number from {low} to {high}")
    return value


def _flag(meta: Mapping[str, Any], key: str, where: str) -> bool:
    value = meta.get(key, False)
    if not isinstance(value, bool):
        raise SignatureError(f"{where}: {key} is true or false")
    return value


def _pattern(meta: Mapping[str, Any], where: str) -> str:
    if "value" not in meta:
        return ""
    text = _text(meta, "value", where)
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise SignatureError(f"{where}: value: {error}") from None
    if groups < 1:
        raise SignatureError(f"{where}: value has no group")
    return text


def _numbered(meta: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    keys = [k for k in meta if re.fullmatch(key + r"\d*", k)]
    if not keys:
        raise SignatureError(f"{where}: meta lacks {key}")
    return tuple(_text(meta, k, where) for k in keys)


def _yara_text(error: Exception) -> str:
    return re.sub(r"^line \d+: ", "", str(error)) or "not a valid rule"


# ---------------------------------------------------------------- rules of others


def _is_ours(text: str) -> bool:
    """Whether every rule of a file states an anchor: then it is held to our meta."""
    found = blocks(text)
    return bool(found) and all(re.search(r"^\s*anchor\s*=", block.source, re.M) for block in found)


def _foreign(text: str, file: str, warnings: list[str], refused: list[str]) -> ForeignFile:
    found = blocks(text)
    reasons: dict[str, str] = {}
    for block in found:
        if reason := _unfit(block, text):
            reasons[block.name] = reason
    _spread(found, reasons)
    refused += [f"{file}:{b.line}: rule {b.name}: {reasons[b.name]}" for b in found if b.name in reasons]
    runnable = _without(text, [b for b in found if b.name in reasons])
    try:
        metas = _metas(runnable)
    except yara.Error as error:
        raise SignatureError(f"{file}: {error}") from None
    kept = tuple(
        ForeignRule(b.name, str(metas[b.name].get("title", b.name)), file, b.line) for b in found if b.name in metas
    )
    for block in found:
        if block.name in metas:
            lacks = ", ".join(key for key in _REQUIRED if key not in metas[block.name])
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
