"""Plausibility: whether text looks machine-made, or like a password, rather than like prose, code or a template."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from dumpscan.checksums import crc32_base62
from dumpscan.model import Confidence
from dumpscan.verdicts import Match, Verdict, decode_base64

_PLACEHOLDER = re.compile(
    rb"example|placeholder|changeme|change_me|redacted|your[-_ ]?(?:api|key|token|secret|pass|own|access|account|app)"
    rb"|insert|replace[-_ ]?(?:me|with)|xxxx|\*\*\*|\.\.\.|<[a-z0-9_: -]+>|\$\{|\{\{|\$\(|%[sdxv]|dummy|foobar"
    rb"|deadbeef",
    re.I,
)


def is_placeholder(value: bytes) -> bool:
    """Whether ``value`` stands for a secret rather than being one: a template, a run, one character repeated."""
    if _PLACEHOLDER.search(value):
        return True
    if len(value) < 8:
        return len(set(value)) < 3
    tail = value[-max(12, len(value) // 2) :]
    if max(Counter(tail).values()) * 2 > len(tail):
        return True
    steps = sum(1 for a, b in pairwise(tail) if b - a in (1, -1, 0))
    return steps * 10 >= (len(tail) - 1) * 6


def is_random(value: bytes) -> bool:
    """Whether ``value`` has the variety of a machine-made token: refuses words, identifiers and padding."""
    distinct = len(set(value))
    return distinct >= min(12, max(5, len(value) // 3)) and not is_placeholder(value)


def mixed(match: Match) -> Verdict | None:
    """Letters of both cases or digits among them: not a word, not an identifier in one case."""
    value = match.value
    classes = sum(bool(re.search(p, value)) for p in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))
    return Verdict() if classes >= 2 and re.search(rb"[0-9]", value) and is_random(value) else None


def random_token(match: Match) -> Verdict | None:
    """A machine-made token, whatever its alphabet."""
    return Verdict() if is_random(match.value) else None


_HARMLESS_NAME = re.compile(
    rb"(?:cache|composite|dedup(?:lication)?|entity|foreign|group|idempotency|lookup|object|partition|primary|public|range"
    rb"|row|shard|sort|unique)[-_.]?key\Z|(?:cancellation|continuation|csrf|cursor|next|page|sync|xsrf)[-_.]?token\Z",
    re.I,
)
_NAME_BEFORE = re.compile(rb"[\"'`]?[ ]*(?:>=|=:|=|:)\s{0,3}[\"']?([\w.-]+)")
"""Backwards from the value, which is the cheap way."""


def is_harmless_name(name: bytes) -> bool:
    """Whether what is called ``name`` is a key or token that opens nothing: of a cache, a table, a page, a form."""
    return _HARMLESS_NAME.search(name) is not None


def harmlessly_named(match: Match) -> bool:
    """Whether the value is assigned to a harmless name."""
    name = _NAME_BEFORE.match(match.text[max(0, match.start - 64) : match.start][::-1])
    return name is not None and is_harmless_name(name[1][::-1])


_CODE = re.compile(
    rb"[(){}<>;`\\]|(?<![A-Za-z0-9])\$[A-Za-z_]|\$[A-Z_{(]|%[(sdxvl{]|^[./~]|://|^(?:null|none|nil|true|false|undefined|string|bool|int|str)\b"
    rb"|self\.|this\.|args\.|\.(?:get|env|format|py|js|c|h|cc|go|java|json|html|com|org)\b|^@|^&|^--"
    rb"|\w\[|\|\w{3,}|environ|password|passwd|secret",
    re.I,
)


def plausible_password(match: Match) -> Verdict | None:
    """A password by its looks: of mixed characters, and nothing that code or a manual would write there."""
    value = match.value
    if len(value) < 6 or _CODE.search(value) or is_placeholder(value):
        return None
    if b"password" in (decode_base64(value) or b"").lower():  # "not my real password", as npm's manual writes it
        return None
    digit = re.search(rb"[0-9]", value)
    letter = re.search(rb"[A-Za-z]", value)
    other = re.search(rb"[^A-Za-z0-9_.-]", value)
    both = re.search(rb"[a-z]", value) and re.search(rb"[A-Z]", value)
    if not letter or not (digit or other) or len(set(value)) < 5:
        return None
    if re.fullmatch(rb"[0-9a-f]{1,2}(?:[:.][0-9a-f]{1,2})+|v?\d+(?:\.\d+)+\S{0,8}|[A-Za-z]+[-_.]?\d{1,2}", value, re.I):
        return None if len(value) < 7 or not both else Verdict()
    return Verdict()


_EXAMPLE_HOST = re.compile(rb"@(?:[\w-]+\.){0,5}(?:example(?:\.com|\.net|\.org)?|invalid|test)(?![\w-]|\.\w)", re.I)
"""Names that RFC 2606 sets aside for manuals."""


_URL_USER = re.compile(rb"//([!-.0-9;-?A-~]{1,48}):\Z")
_CLIENT_ID = re.compile(rb"client[-_]?id(?:entifier)?[\"']?\s{0,3}(?:=>|[:=])\s{0,3}[\"']?([0-9A-Za-z._-]{6,80})", re.I)


def client_secret(match: Match) -> Verdict | None:
    """What :func:`mixed` says of the value; the client's identifier, where it stands within 256 characters."""
    verdict = mixed(match)
    near = list(_CLIENT_ID.finditer(match.text, max(0, match.start - 256), match.end + 256)) if verdict else []
    if not near:
        return verdict
    best = min(near, key=lambda m: max(match.start - m.end(), m.start() - match.end))
    return Verdict(public={"client_id": best[1].decode("ascii")})


def url_password(match: Match) -> Verdict | None:
    """The password of a URL: not a template, not the words that manuals use."""
    value = match.value
    if _PLACEHOLDER.search(value) or re.search(rb"[<>{}$`\\\"'|^]|%s", value):
        return None
    if re.fullmatch(
        rb"(?i)(?:my|your|the|some)?[-_]?pass(?:word|wd)?\d{0,4}|pw|pwd|secret|xyzzy|user(?:name)?|token|x-oauth-basic"
        rb"|port|[a-z]|\d{1,5}",
        value,
    ):
        return None
    if _EXAMPLE_HOST.match(match.text, match.end, match.end + 128) and plausible_password(match) is None:
        return None
    user = _URL_USER.search(match.text, max(0, match.start - 64), match.start)
    public = {"user": user[1].decode("ascii")} if user else {}
    return Verdict(public=public) if len(set(value)) > 2 else None


def basic_auth(match: Match) -> Verdict | None:
    """``user:password`` in base64 (RFC 7617)."""
    decoded = decode_base64(match.value)
    if decoded is None or not re.fullmatch(rb"[\x20-\x7e]{0,128}:[\x20-\x7e]{4,256}", decoded):
        return None
    user, _, password = decoded.partition(b":")
    if is_placeholder(password):
        return None
    return Verdict(Confidence.VALIDATED, "base64 of user:password", public={"user": user.decode("ascii")[:64]})


def uuid_random(match: Match) -> Verdict | None:
    """A random (version 4) UUID."""
    ok = re.fullmatch(
        rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}", match.value
    )
    return Verdict() if ok and is_random(match.value) else None


def base64_32(match: Match) -> Verdict | None:
    """Base64 of 32 random-looking bytes."""
    decoded = decode_base64(match.value)
    return Verdict() if decoded is not None and len(decoded) == 32 and len(set(decoded)) > 16 else None


def luhn_like_hex(match: Match) -> Verdict | None:
    """Hex of random bytes: every digit rare, not a hash of zeros or a repeated word."""
    value = match.value.lower()
    return Verdict() if len(set(value)) >= min(10, len(value) // 3) and not is_placeholder(value) else None


def several_cases(value: bytes) -> bool:
    classes = all(re.search(p, value) for p in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))
    return classes and is_random(value)


_CHECKED = re.compile(rb"gh[pousr]_[0-9A-Za-z]{36}|npm_[0-9A-Za-z]{36}")


def _is_public_key(value: bytes) -> bool:
    """Whether ``value`` is base64 of a public key or a certificate: DER, an object identifier or a version first."""
    if not value.startswith(b"M"):
        return False
    raw = decode_base64(value[: len(value) // 4 * 4]) or b""
    header = rb"\x30(?:[\x10-\x7f]|\x81.|\x82..)"
    return re.match(header + rb"(?:\x30[\x05-\x7f]\x06|" + header + rb"\xa0\x03\x02\x01)", raw, re.S) is not None


def _is_dotted_name(value: bytes) -> bool:
    """Whether ``value`` is a name of code, like ``win32api.RegOpenKeyEx``: parts that are mostly words."""
    if len(value) > 80 or not re.fullmatch(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", value):
        return False
    words = sum(len(word) for word in re.findall(rb"[A-Z]?[a-z]{2,}", value))
    return words * 4 >= 3 * len(re.findall(rb"\w", value))


def token_like(match: Match) -> Verdict | None:
    """A machine-made token by its characters alone: of letters and digits in turn, no words, no path, no identifier."""
    value = match.value.rstrip(b"=")
    if not 16 <= len(value) <= 4096 or is_placeholder(value) or _CODE.search(value):
        return None
    if _CHECKED.fullmatch(value) and crc32_base62(value[4:34]).encode() != value[34:]:
        return None
    if re.fullmatch(rb"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        return Verdict() if is_random(value) else None
    if re.search(rb"[^0-9A-Za-z_.+/~%!@#$^&*=-]", value) or re.fullmatch(rb"[0-9._:-]+|[A-Za-z_./-]+", value):
        return None
    if _is_public_key(value) or _is_dotted_name(value):
        return None
    turns = len(re.findall(rb"[A-Za-z][0-9]|[0-9][A-Za-z]|[a-z][A-Z]", value))
    words = sum(len(word) for word in re.findall(rb"[A-Z]?[a-z]{4,}|[A-Z]{5,}", value))
    pure = not re.search(rb"[^0-9A-Za-z]", value)
    if pure and len(value) >= 20 and len(re.findall(rb"[0-9]+", value)) >= 4:
        return Verdict() if is_random(value) else None
    dense = turns * (6 if pure else 5) >= len(value)
    return Verdict() if dense and words * 2 < len(value) and is_random(value) else None


def named_token(match: Match) -> Verdict | None:
    """What :func:`token_like` says of the value, unless its name is that of a harmless key or token."""
    return None if harmlessly_named(match) else token_like(match)
