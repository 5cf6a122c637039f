"""Values found by the names that hold them: environments, arguments of programs, settings.

Memory holds ``NAME=value`` most of all in environment blocks, of Linux (``envp`` on the stack, ``LinuxEnviron``) and of
Windows (UTF-16, behind the PEB), which are runs of such strings with a NUL between them. Arguments stand as
``--name=value`` or ``--name`` NUL ``value``, and once more with spaces in ``NT_PRPSINFO`` and in Windows' command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.lanes import Lane, Lanes, widened
from dumpscan.model import Candidate, Evidence
from dumpscan.telling_names import LONGEST_NAME, LONGEST_VALUE, is_secret_value, is_telling, named_value


@dataclass(frozen=True, slots=True)
class Value:
    """A value at ``[start, end)`` of a lane.

    ``sure`` where the structure around it says that it is one; ``alone`` where it is a variable of an environment by
    its looks, but none stands beside it: a shell keeps each of them in an allocation of its own.
    """

    name: bytes
    start: int
    end: int
    where: str
    sure: bool
    alone: bool = False


_Reading = Callable[[bytes, int, int], Iterator[Value]]

# ---------------------------------------------------------------- NAME=value

_ENDINGS = (
    b"password", b"passwd", b"passphrase", b"pwd", b"pass", b"secret", b"token", b"credential", b"credentials", b"_key",
    b".key", b"-key", b"_auth", b"-auth", b"key_base", b"connection_string", b"conn_str", b"_cookie",
)  # fmt: skip
_BEGINNINGS = (b"PASSWORD_", b"_PASS_", b"SECRET_", b"TOKEN_", b"_KEY_", b"ConnectionStrings__",
               b"ConnectionStrings:", b"CONNSTR_")  # fmt: skip
_ASSIGNED = tuple(
    dict.fromkeys(
        word + b"="
        for ending in (*_ENDINGS, b"connectionstring", b"connectionString", b"ConnectionString")
        for word in (ending, ending.upper(), ending.capitalize(), ending.lstrip(b"_.-").capitalize())
    )
)
_NAME_BACKWARDS = re.compile(rb"[\w.:()%-]*")
_NAME_REST = re.compile(rb"[\w.:()-]{0,64}=")
_ENTRY = re.compile(rb"[A-Za-z_][\w.()%-]{0,127}=")
_OPTION = re.compile(rb"(?:--?D?|/[a-zA-Z]+:)(?=[A-Za-z_])")
_TO_SPACE = re.compile(rb"[^\s\0\"']*")
_TO_QUOTE = re.compile(rb"[^\0\"\n]*")
_LEAD = re.compile(rb"(?:(?:^|\n)(?:export|set|setenv|declare -x) |-e |-D|Environment=)\Z")
_BACK = 2048


def _assigned(text: bytes, start: int, end: int) -> Iterator[Value]:
    """The value behind ``NAME=``, of which ``text[start:end]`` is a part."""
    if text[end - 1] != 0x3D:
        rest = _NAME_REST.match(text, end)
        if rest is None:
            return
        end = rest.end()
    equals = end - 1
    backwards = _NAME_BACKWARDS.match(text[max(0, equals - LONGEST_NAME) : equals][::-1])
    begin = equals - (backwards.end() if backwards else 0)
    option = _OPTION.match(text, begin)
    name = text[option.end() if option else begin : equals]
    if not is_telling(name):
        return
    before = text[begin - 1] if begin else 0
    stop = text.find(b"\0", end, end + LONGEST_VALUE + 1)
    stop = stop if stop >= 0 else len(text) if len(text) - end <= LONGEST_VALUE else end
    if (before < 9 or 13 < before < 32) and text.find(b"\n", end, stop) < 0:
        inside = bool(option) or _in_block(text, begin, stop)
        where = "an argument" if option else "an environment block" if inside else "NAME=value"
        yield from inner_values(name, text, end, stop, where, inside, not inside and name.isupper())
    elif before == 0x22:
        yield from _until(_TO_QUOTE, name, text, end, False)
    elif before < 32 or (before in b" \t=D" and (name.isupper() or _LEAD.search(text, max(0, begin - 16), begin))):
        yield from _until(_TO_SPACE, name, text, end, name.isupper() and _among_lines(text, begin, end))


def _in_block(text: bytes, begin: int, stop: int) -> bool:
    """Whether a string of the form NAME=… stands right before or behind."""
    if _ENTRY.match(text, stop + 1):
        return True
    low = max(0, begin - 1 - _BACK)
    earlier = text.rfind(b"\0", low, max(0, begin - 1)) + 1
    return begin >= 2 and earlier > 0 and _ENTRY.match(text, earlier, begin - 1) is not None


_LINE_AFTER = re.compile(rb"[^\0\n]{0,512}\n\s?[A-Z_][A-Z0-9_]{0,127}=")
_LINE_BEFORE = re.compile(rb"(?:\A|\n)\s?[A-Z_][A-Z0-9_]{0,127}=[^\0\n]{0,512}\n\s?\Z")


def _among_lines(text: bytes, begin: int, end: int) -> bool:
    """Whether the lines before and behind are variables as well: what ``env`` prints, ABRT and Apport keep."""
    if _LINE_AFTER.match(text, end) is None:
        return False
    low = max(0, begin - 700)
    return _LINE_BEFORE.search(text[text.rfind(b"\n", low, max(low, begin - 2)) + 1 : begin]) is not None


def _until(rest: re.Pattern[bytes], name: bytes, text: bytes, start: int, alone: bool) -> Iterator[Value]:
    if text[start : start + 1] in (b'"', b"'"):
        start += 1
    found = rest.match(text, start, start + LONGEST_VALUE + 1)
    yield from inner_values(name, text, start, found.end() if found else start, "NAME=value", False, alone)


_CONNECTION = re.compile(
    rb"(?:\A|;)\s*(?:password|pwd|accountkey|sharedaccesskey|sharedsecret|accesskey)\s*=\s*([^;]+)", re.I
)
_URL = re.compile(rb"://[^:@/\s]*:([^@/\s]+)@")


def inner_values(
    name: bytes, text: bytes, start: int, end: int, where: str, sure: bool, alone: bool = False
) -> Iterator[Value]:
    """The secret parts of a connection string or a URL, else the whole value."""
    value = text[start:end]
    parts = [*_CONNECTION.finditer(value), *_URL.finditer(value)]
    for part in parts:
        yield Value(name, start + part.start(1), start + part.end(1), where, sure, alone)
    if not parts:
        yield Value(name, start, end, where, sure, alone)


# ---------------------------------------------------------------- arguments

_FLAGS = tuple(b"-" + word for word in (b"password", b"passwd", b"passphrase", b"token", b"secret", b"-key", b"pass",
                                        b"-pwd", b"storepass", b"keypass"))  # fmt: skip
_FLAG_BACKWARDS = re.compile(rb"[\w-]*")


def _flag(text: bytes, start: int, end: int) -> Iterator[Value]:
    """The argument after ``--password``, as a string of its own or behind a space."""
    gap = text[end : end + 1]
    backwards = _FLAG_BACKWARDS.match(text[max(0, end - 64) : end][::-1])
    begin = end - (backwards.end() if backwards else 0)
    before = text[begin - 1 : begin] or b"\0"
    name = text[begin:end].lstrip(b"-")
    if gap not in (b"\0", b" ") or before not in (b"\0", b" ", b'"') or not is_telling(name) or text[begin] != 0x2D:
        return
    if gap == b"\0":
        stop = text.find(b"\0", end + 1, end + 258)
        if stop > 0 and before == b"\0" and re.search(rb"\d", text[end + 1 : stop]):
            yield Value(text[begin:end], end + 1, stop, "an argument", True)
    else:
        start = end + 1 + (text[end + 1 : end + 2] in (b'"', b"'"))
        found = _TO_SPACE.match(text, start, start + 257)
        yield Value(text[begin:end], start, found.end() if found else start, "a command line", False)


_ATTACHED = rb"(?P<option>-p)(?P<value>[^\0 ]+)"
_NEXT = rb"(?P<option>-%b)[\0 ]?(?P<value>[^\0 ]+)"
_PROGRAMS = {
    b"mysql": _ATTACHED, b"mysqldump": _ATTACHED, b"mysqladmin": _ATTACHED, b"mysqlimport": _ATTACHED,
    b"mariadb": _ATTACHED, b"mariadb-dump": _ATTACHED, b"sshpass": _NEXT % b"p", b"redis-cli": _NEXT % b"a",
    b"ldapsearch": _NEXT % b"w", b"ldapmodify": _NEXT % b"w", b"sqlcmd": _NEXT % b"P", b"mosquitto_pub": _NEXT % b"P",
    b"mosquitto_sub": _NEXT % b"P", b"curl": rb"(?P<option>-u|--user)[\0 ]?[^\0 :]+:(?P<value>[^\0 ]+)",
    b"smbclient": rb"(?P<option>-U|--user)[\0 =]?[^\0 %]+%(?P<value>[^\0 ]+)",
}  # fmt: skip
_ARGUMENTS = {program: re.compile(rb"[\0 ]" + option) for program, option in _PROGRAMS.items()}
_COMMANDS = tuple(program + gap for program in _PROGRAMS for gap in (b"\0-", b" -"))
_LINE = re.compile(rb"(?:[\x20-\x7e]+\0?){1,40}")
_ANY_COMMAND = re.compile(rb"(?=(" + rb"|".join(map(re.escape, sorted(_COMMANDS, key=len, reverse=True))) + rb"))")


def commands(text: bytes) -> Iterator[Value]:
    """The passwords among the arguments of the programs in ``text`` that take them behind a letter."""
    for found in _ANY_COMMAND.finditer(text):
        yield from _command(text, *found.span(1))


def _command(text: bytes, start: int, end: int) -> Iterator[Value]:
    """The password among the arguments of a program that takes it behind a letter."""
    if start and text[start - 1] not in b"\0 /\\\"'\n":
        return
    line = _LINE.match(text, end - 2, end + 1024)
    program = text[start : end - 2]
    stop = line.end() if line else end
    if text[end - 2] == 0:
        stop = max(stop, min(len(text), end + 1024))
        broken = re.search(rb"[^\x20-\x7e\0]|\0\0", text[end - 2 : stop])
        stop = end - 2 + broken.start() if broken else stop
    for found in _ARGUMENTS[program].finditer(text, end - 2, stop):
        name = program + b" " + found["option"]
        yield Value(name, found.start("value"), found.end("value"), "a command line", True)


# ---------------------------------------------------------------- the matcher

_READINGS: tuple[tuple[Sequence[bytes], _Reading], ...] = (
    ((*_ASSIGNED, *_BEGINNINGS), _assigned),
    (_FLAGS, _flag),
    (_COMMANDS, _command),
)
_ANCHORS = tuple((anchor, width, reading) for words, reading in _READINGS for anchor, width in widened(words))


class NamedValues:
    """Finds values by their names."""

    name = "named-values"
    anchors: Sequence[bytes] = tuple(anchor for anchor, _, _ in _ANCHORS)
    reach = 2 * (LONGEST_VALUE + LONGEST_NAME + _BACK)
    most_hits = 8_000

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        lanes = Lanes(view)
        seen: set[tuple[int, int, int]] = set()
        for hit in hits:
            anchor, width, reading = _ANCHORS[hit.anchor]
            lane, at = lanes.at(hit.start, width)
            for value in reading(lane.text, at, at + len(anchor) // width):
                spot = (width, lane.base + width * value.start, value.end - value.start)
                if spot not in seen:
                    seen.add(spot)
                    yield from judged(view.data, lane, value)


def judged(data: memoryview, lane: Lane, value: Value, lead: int = 0) -> Iterator[Candidate]:
    """The candidate that ``value`` of a lane of ``data`` is, if it may be a secret.

    Where it is short, it is looked for elsewhere behind the ``lead`` characters before it; what ends in a space there,
    as words of a command line do, ends in a NUL in the list of arguments, and the other way round.
    """
    text = _text(data, lane, value.start, value.end)
    if is_secret_value(text, value.sure or value.alone):
        before = _text(data, lane, value.start - lead, value.start)
        leads = [before] if lead else []
        if before[-1:] in (b" ", b"\0"):
            leads.append(before[:-1] + (b" " if before[-1] == 0 else b"\0"))
        span = lane.span(value.start, value.end)
        yield named_value(
            value.name, text, (span,), lane.encoding, where=value.where, sure=value.sure, leads=leads if lead else ()
        )


def _text(data: memoryview, lane: Lane, start: int, end: int) -> bytes:
    span = lane.span(start, end)
    raw = bytes(data[span.start : span.end])
    return raw.decode("utf-16-le", "replace").encode() if lane.width == 2 else raw


NAMED_VALUES = NamedValues()
