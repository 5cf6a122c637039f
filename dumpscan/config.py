"""Standing choices of a project: ``dumpscan.toml``, or the section ``[dumpscan]`` of ``setup.cfg``.

What the command line says wins. Paths are relative to the file. An unknown key is an error: a gate must not be weaker
than its configuration looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dumpscan.errors import UsageError
from dumpscan.model import Confidence, Severity

FILES = ("dumpscan.toml", "setup.cfg")
"""Looked for in the current folder, in this order; the first that has choices is used."""

_Read = Callable[[Any, Path], Any]


def find_config(folder: Path) -> Path | None:
    """The file in ``folder`` that holds choices, if there is one."""
    toml, setup = (folder / name for name in FILES)
    if toml.is_file():
        return toml
    return setup if setup.is_file() and _section(setup) is not None else None


def read_config(path: Path) -> dict[str, Any]:
    """The choices in ``path``, by the names of the command line's parameters. Raises :class:`UsageError`."""
    raw = _toml(path) if path.suffix == ".toml" else _section(path) or {}
    chosen: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in _KEYS:
            raise UsageError(f"{path}: unknown key {key}; known are {', '.join(_KEYS)}")
        name, read = _KEYS[key]
        try:
            chosen[name] = read(value, path.parent)
        except ValueError as error:
            raise UsageError(f"{path}: {key}: {error}") from None
    return chosen


def _toml(path: Path) -> Mapping[str, Any]:
    import tomllib  # here, for it takes a hundredth of the start, and few folders have the file

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # of TOML and of UTF-8
        raise UsageError(f"{path}: {error}") from None


def _section(path: Path) -> Mapping[str, str] | None:
    import configparser  # as above

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (configparser.Error, ValueError):
        raise UsageError(f"{path} cannot be parsed") from None
    return dict(parser["dumpscan"]) if parser.has_section("dumpscan") else None


def _texts(value: Any, folder: Path) -> list[str]:
    parts = value.replace(",", "\n").split("\n") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("is a text or a list of texts")
    return [part.strip() for part in parts if part.strip()]


def _paths(value: Any, folder: Path) -> list[str]:
    return [str(folder / text) for text in _texts(value, folder)]


def _path(value: Any, folder: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is a path")
    return str(folder / value.strip())


def _one_of(choices: tuple[str, ...]) -> _Read:
    def read(value: Any, folder: Path) -> str:
        if value not in choices:
            raise ValueError(f"is one of {', '.join(choices)}")
        return str(value)

    return read


def _number(value: Any, folder: Path) -> int:
    if isinstance(value, bool) or not str(value).isdigit():
        raise ValueError("is a number")
    return int(value)


_KEYS: Mapping[str, tuple[str, _Read]] = {
    "fail-on": ("min_severity", _one_of(tuple(level.label for level in Severity))),
    "min-confidence": ("min_confidence", _one_of(tuple(degree.label for degree in Confidence))),
    "ignore": ("ignore", _texts),
    "baseline": ("baseline", _path),
    "fingerprint-key": ("fingerprint_key", _path),
    "signatures": ("signatures", _paths),
    "known-key": ("known_key", _paths),
    "jobs": ("jobs", _number),
}
