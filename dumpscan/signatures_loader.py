"""Signatures: YARA rules whose ``meta`` says everything that dumpscan knows of a kind of secret.

A rule of ours is plain ``ascii`` text or regex; that it is also found in UTF-16, UTF-32, hex and base64 is the work of
:mod:`dumpscan.matchers.signatures`. A user's rule may be any valid YARA; without our ``meta`` it runs as written on
whole windows.
"""

from __future__ import annotations

import hashlib
import marshal
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yara

from dumpscan import __version__, cache
from dumpscan.errors import SignatureError
from dumpscan.model import Confidence, Severity
from dumpscan.rule_source import Block, blocks, metas_of
from dumpscan.validators import VALIDATORS

if TYPE_CHECKING:
    from dumpscan.foreign_rules import ForeignFile

BOUNDARIES: Mapping[str, bytes] = {
    "word": b"A-Za-z0-9_",
    "token": b"A-Za-z0-9_-",
    "alnum": b"A-Za-z0-9",
    "base64": b"A-Za-z0-9+/=_-",
    "hex": b"0-9A-Fa-f",
    "none": b"",
}
"""Name -> alphabet whose characters may not stand right before or after a match."""

TAILS: Mapping[str, bytes] = {
    "base64": b"A-Za-z0-9+/=",
    "base64url": b"A-Za-z0-9_.=-",
    "url64": b"A-Za-z0-9+/=%",
    "hex": b"0-9A-Fa-f",
}
"""Name -> alphabet in which a secret goes on behind what the pattern can match."""

REQUIRED = ("id", "title", "kind", "severity", "confidence", "anchor", "longest", "reference")
_OPTIONAL = ("anchor_nocase", "validator", "value", "boundary", "reach", "tail", "placeholders")
_NUMBERED = re.compile(r"(?:counter)?example\d*\Z")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_DEFAULT_REACH = 8
_TAIL_REACH = 4096
_LONGEST = 500
_LARGE = 1 << 16
"""Characters of a user's file from which what was parsed is kept: a thousand rules take some tenths of a second."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One rule of ours: its ``meta``, and ``source``, the rule's text alone.

    ``longest`` is the greatest length of a match, ``reach`` how many further characters on either side the boundary
    check and the validator look at. ``value`` is a regular expression (Python's) whose first group, in the matched
    text, is the secret; empty if the whole match is. ``tail`` names the alphabet in which a secret that is longer than
    any pattern of YARA's goes on, up to ``reach`` characters.
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
    tail: str
    placeholders: bool
    reference: str
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...]
    name: str
    file: str
    line: int
    source: str


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything that is loaded. ``refused`` names rules that cannot be run on windows, and why."""

    rules: tuple[Signature, ...]
    digest: str
    warnings: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    foreign: tuple[ForeignFile, ...] = ()


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
    if builtin:
        shipped = {path.name: _read(path) for path in builtin_files()}
        for text in shipped.values():
            digest.update(_frame(text))
        own += _kept(digest.hexdigest(), tuple(shipped.items()))
    foreign: list[ForeignFile] = []
    warnings: list[str] = []
    refused: list[str] = []
    texts = {path: _read(path) for path in _user_files(user_paths)}
    others = {path.resolve(): text for path, text in texts.items()}
    for path, text in texts.items():
        digest.update(_frame(text))
        if (signatures := _of_user(text, str(path))) is not None:
            own += signatures
        else:
            from dumpscan.foreign_rules import parse_foreign  # here, for few users have such rules

            foreign.append(parse_foreign(text, str(path), REQUIRED, warnings, refused, others))
    _refuse_duplicates(own)
    return Ruleset(tuple(own), "sha256:" + digest.hexdigest(), tuple(warnings), tuple(refused), tuple(foreign))


@lru_cache(maxsize=1)
def _kept(digest: str, texts: Sequence[tuple[str, str]]) -> tuple[Signature, ...]:
    """The signatures of the files that ship with dumpscan, as parsed by an earlier run where there was one."""
    return (
        _parsed_once(digest, lambda: tuple(signature for file, text in texts for signature in parse(text, file))) or ()
    )


def _of_user(text: str, file: str) -> tuple[Signature, ...] | None:
    """The signatures of a user's file, as parsed by an earlier run if it is a large one; None if its rules are not held
    to our meta."""

    def make() -> tuple[Signature, ...] | None:
        return tuple(parse(text, file)) if _is_ours(text) else None

    return _parsed_once(hashlib.sha256(f"{file}\0{text}".encode()).hexdigest(), make) if len(text) > _LARGE else make()


def _parsed_once(digest: str, make: Callable[[], tuple[Signature, ...] | None]) -> tuple[Signature, ...] | None:
    names = " ".join(field.name for field in fields(Signature))
    key = f"signatures {digest} {names} {__version__} {sys.implementation.cache_tag}"
    return cache.kept(key, make, _stored, _loaded, cache.NOT_MARSHALLED)


def _stored(parsed: Sequence[Signature] | None) -> bytes:
    return marshal.dumps(None if parsed is None else [_row(signature) for signature in parsed])


def _loaded(stored: bytes) -> tuple[Signature, ...] | None:
    rows = marshal.loads(stored)
    return None if rows is None else tuple(map(_restored, rows))


def _row(signature: Signature) -> list[Any]:
    values = (getattr(signature, field.name) for field in fields(Signature))
    return [int(value) if isinstance(value, IntEnum) else value for value in values]


def _restored(row: Sequence[Any]) -> Signature:
    id_, title, kind, severity, confidence, *rest = row
    return Signature(id_, title, kind, Severity(severity), Confidence(confidence), *rest)


def parse(text: str, file: str) -> list[Signature]:
    """The signatures in the text of one file. Raises :class:`dumpscan.errors.SignatureError`."""
    found = blocks(text)
    if not found:
        raise SignatureError(f"{file}:1: no rule")
    try:
        metas = metas_of(text)
    except yara.Error as error:
        raise SignatureError(_blame(found, file) or f"{file}: {error}") from None
    return [_signature(block, metas.get(block.name, {}), file) for block in found]


def _blame(found: Iterable[Block], file: str) -> str:
    """The complaint about the first rule that does not compile alone."""
    for block in found:
        try:
            yara.compile(source=block.source, includes=False)
        except yara.Error as error:
            return f"{file}:{block.line}: rule {block.name}: {_yara_text(error)}"
    return ""


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


def _is_ours(text: str) -> bool:
    """Whether every rule of a file states an anchor: then it is held to our meta."""
    found = blocks(text)
    return bool(found) and all(re.search(r"^\s*anchor\s*=", block.source, re.M) for block in found)


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
        reach=_number(meta, "reach", where, 1, _TAIL_REACH)
        if "reach" in meta
        else _TAIL_REACH
        if "tail" in meta
        else _DEFAULT_REACH,
        validator=_choice(meta, "validator", list(VALIDATORS), where) if "validator" in meta else "",
        value=_pattern(meta, where),
        boundary=_choice(meta, "boundary", list(BOUNDARIES), where) if "boundary" in meta else "word",
        tail=_choice(meta, "tail", list(TAILS), where) if "tail" in meta else "",
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
    for key in REQUIRED:
        if key not in meta:
            raise SignatureError(f"{where}: meta lacks {key}")
    for key in meta:
        if key not in REQUIRED and key not in _OPTIONAL and not _NUMBERED.match(key):
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
