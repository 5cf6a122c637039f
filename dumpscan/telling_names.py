"""Names that hold secrets, and values that may be one: for settings, environments, command lines and fields."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dumpscan.documentation_examples import is_documentation
from dumpscan.encodings import sweepable
from dumpscan.mask import mask
from dumpscan.model import Candidate, Component, Confidence, Severity, Span
from dumpscan.plausibility import is_harmless_name, is_placeholder

LONGEST_NAME = 128
LONGEST_VALUE = 4096
SHORTEST_VALUE = 6
"""Characters."""

_WORDS = (
    rb"pass(?:words?|wd|phrase|wort|code)s?|pwd|secrets?|tokens?|credentials?|conn(?:ection)?[-_.]?str(?:ing)?s?"
    rb"|(?:secret|access|api|auth|private|encrypt(?:ion)?|sign(?:ing)?|master|account|storage|shared|app|application"
    rb"|session|jwt|hmac|cipher|crypt(?:o|ion)?|service|subscription|admin|deploy|client|license)[-_.]?keys?"
    rb"|secret[-_.]?key[-_.]?base|erlang[-_.]?cookie|cookie[-_.]?secret"
)
_SUFFIX = rb"(?:[-_.]?(?:\d{1,3}|value|base64|b64|plain(?:text)?|raw|default|prod|prd|production|staging|stage|dev))?"
_NAME = re.compile(
    rb"(?:" + _WORDS + rb"|(?:\A|[-_.])(?:pass|auth|pw))" + _SUFFIX + rb"\Z"
    rb"|\A(?:connectionstrings?(?:__|[:.])|(?:custom|sql|sqlazure|mysql|postgresql)connstr_)[\w.:-]+\Z",
    re.I,
)
_PASSWORD = re.compile(
    rb"pass(?:words?|wd|phrase|wort|code)|pwd|conn(?:ection)?[-_.]?str|(?:\A|[-_.])(?:pass|pw)"
    rb"|\w -[A-Za-z]\Z|\w --user\Z",
    re.I,
)
_HARMLESS = re.compile(
    rb"\A(?:old)?pwd\Z|activation_token\Z|startup_token\Z|public|(?:\A|[-_.])(?:no|max|min|num|count|next|page"
    rb"|cancellation|csrf|xsrf)[-_.]?tokens\Z|(?:\A|[-_.])(?:no|max|min|num|count)[-_.]?token\Z|eytoken\Z|syncpoint"
    rb"|tokenizer|(?:primordial-pipe|-channel)-token\Z",  # the last two: pipes between Chromium's processes
    re.I,
)


def is_telling(name: bytes) -> bool:
    """Whether what is called ``name`` (a variable, a property, an option) is likely to hold a secret."""
    return _NAME.search(name) is not None and _HARMLESS.search(name) is None and not is_harmless_name(name)


def is_password_name(name: bytes) -> bool:
    """Whether the secret that ``name`` holds is a password, rather than a key or a token."""
    return _PASSWORD.search(name) is not None


_NOT_A_SECRET = re.compile(
    rb"[./~\\@*&]|-(?!\w*\d)|[A-Za-z]:[\\/]|\$|%\w+%|\W*\Z|[\w+.-]+://|(?:arn|vault|env|file|classpath|ref|op|sm):"
    rb"|(?:null|none|nil|true|false|yes|no|on|off|undefined|default|required|optional|enabled|disabled|empty|unset"
    rb"|string|bool(?:ean)?|int(?:eger)?|prompt|stdin|keychain|keyring)\Z"
    rb"|[-+]?(?:0x[0-9a-f]+|[\d.,_:/-]+)\w{0,2}\Z|[\w./\\ -]+\.(?:json|pem|key|txt|crt|cer|jks|p12|pfx|conf|cfg|ini"
    rb"|ya?ml|xml|so|py|js|env|sock|[ch](?:pp)?|java|go|html?)\Z|[A-Za-z]+(?:[-_. ][A-Za-z]+)*\Z"
    rb"|[\w.-]+@[\w-]+(?:\.[\w-]+)+\Z|v?\d+(?:\.\d+)+\S{0,12}\Z|\d{4}-\d\d-\d\d",
    re.I,
)
_WORD = re.compile(rb"[A-Za-z]+")
_TEMPLATE = re.compile(
    rb"[<{\[(]\s*[A-Za-z_. -]+\s*[>}\])]|\$[{(]|%[-0-9.]*[sdxvlqcu]|\\[1-9]|password|passwd|secret", re.I
)
_CODE = re.compile(rb"[(){};]|\w\[|\w->|::|==|\|\||&&|`|\w\.\w+\.\w|, ")


def is_secret_value(value: bytes, sure: bool) -> bool:
    """Whether ``value`` may be a secret, given that its name tells so.

    Refused are placeholders, references (``$VAR``, paths, URLs, ``vault:…``), booleans, numbers, versions, words
    and identifiers, and what documentation prints. ``sure`` says that it stands where values do (an environment
    block, a field of an object); elsewhere it must also look like a machine-made token or a good password: 8
    characters with a digit, and below 12 of three kinds.
    """
    if not SHORTEST_VALUE <= len(value) <= LONGEST_VALUE or len(set(value)) < 5 or not _is_text(value):
        return False
    if is_documentation(value) or is_placeholder(value) or (_TEMPLATE.search(value) and len(value) < 200):
        return False
    long_word = sure and ((len(value) >= 16 and _WORD.fullmatch(value) is not None) or _is_passphrase(value))
    if _NOT_A_SECRET.match(value) and not long_word:
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]", rb"[^A-Za-z0-9\s]"))
    if sure:
        return kinds >= 2 or long_word
    if _CODE.search(value) or b" " in value or not re.search(rb"[0-9]", value):
        return False
    return len(value) >= 8 and kinds >= (2 if len(value) >= 12 else 3)


def _is_passphrase(value: bytes) -> bool:
    """Whether ``value`` is four words or more."""
    return len(value) >= 20 and re.fullmatch(rb"[A-Za-z]+(?:[ _.-][A-Za-z]+){3,15}", value) is not None


def _is_text(value: bytes) -> bool:
    try:
        return value.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def named_value(
    name: bytes,
    value: bytes,
    spans: Sequence[Span],
    encoding: str,
    *,
    where: str,
    sure: bool,
    form: str = "text",
    leads: Sequence[bytes] = (),
) -> Candidate:
    """The candidate for a value that was found by its name; ``where`` says what held it.

    A value that is too short to be looked for elsewhere is looked for behind ``leads``.
    """
    title = name.decode("utf-8", "replace")
    whole = Component("value", value, form)
    behind = [Component("value", lead + value, "text", len(lead)) for lead in leads]
    password = is_password_name(name)
    return Candidate(
        kind="password" if password else "named-value",
        title=f"{'Password' if password else 'Secret'} in {title}",
        identity=value,
        spans=tuple(spans),
        encoding=encoding,
        components=(whole, *([] if sweepable(whole) else behind)),
        severity=Severity.HIGH if sure else Severity.MEDIUM,
        confidence=Confidence.VALIDATED if sure else Confidence.POSSIBLE,
        evidence=f"value of {title} in {where}",
        signature="named-value",
        public={"name": title},
        preview=mask("", len(value)),
    )
