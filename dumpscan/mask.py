"""Text that may be shown: what a dump says made harmless, and secrets hidden."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    """``text`` with every character that does not simply stand for itself escaped, as in Python's ``\\x1b``.

    Escaped are control characters (terminal sequences, line breaks), marks of writing direction and other invisible
    format characters, lone surrogates (a file name that is not UTF-8), private and unassigned characters, and line
    and paragraph separators. The result is one line, encodes as UTF-8 and is its own ``printable``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def mask(prefix: str, length: int) -> str:
    """What may be shown of a secret of ``length`` characters: ``mask("ghp_", 40)`` is ``ghp_… (40 characters)``.

    ``prefix`` is the public part, the same for every secret of its kind; the caller takes it from the definition of
    the kind and never from the secret's own random part.
    """
    unit = "character" if length == 1 else "characters"
    return f"{printable(prefix)}… ({length} {unit})"
