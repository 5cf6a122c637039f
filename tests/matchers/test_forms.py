"""Every signature's example in every form that memory holds text in."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable, Mapping

import pytest

from dumpscan.matchers.signatures import SignatureMatcher
from dumpscan.signature_check import run
from dumpscan.signature_examples import expand
from dumpscan.signatures_loader import Ruleset, Signature, load


def _twice(text: str) -> bytes:
    return base64.b64encode(b'{"inner":"' + base64.b64encode(b" " + text.encode() + b" ") + b'"}')


FORMS: Mapping[str, Callable[[str], bytes]] = {
    "UTF-16BE, odd": lambda text: b"\1" + text.encode("utf-16-be"),
    "UTF-32LE, odd": lambda text: b"\1" + text.encode("utf-32-le"),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "base64": lambda text: base64.b64encode(b"\n" + text.encode() + b"\n"),
    "base64 at 1": lambda text: base64.b64encode(b"\n\n" + text.encode() + b"\n"),
    "base64 at 2": lambda text: base64.b64encode(b"\n\n\n" + text.encode() + b"\n"),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le") + b"\n\0"),
    "base64 of base64": _twice,
    "URL-encoded": lambda text: b"q=" + urllib.parse.quote(text, safe=" ").encode() + b" HTTP/1.1",
    "JSON-escaped": lambda text: json.dumps("\n" + text + "\n").encode(),
}
QUOTED = ("URL-encoded", "JSON-escaped")


def reaches(form: str, signature: Signature, text: str) -> bool:
    """Whether an anchor survives the form's quoting: a literal with an escaped character in it is not looked for."""
    if form not in QUOTED:
        known = (case for a in signature.anchors for case in (a, a.lower(), a.upper()) if case in text)
        return form != "base64 of base64" or any(len(case) >= 7 for case in known)
    quoted = FORMS[form](text).decode().lower()
    return any(anchor.lower() in quoted for anchor in signature.anchors)


@pytest.mark.parametrize("signature", load().rules, ids=lambda s: s.id)
def test_example_is_found_in_every_form(signature: Signature) -> None:
    matcher = SignatureMatcher(Ruleset((signature,), ""))
    for template in signature.examples:
        text = expand(template)
        (plain,) = run(matcher, b"\n" + text.encode() + b"\n")
        for form, encode in FORMS.items():
            if reaches(form, signature, text):
                found = {c.identity for c in run(matcher, b"\0\0\0\0" + encode(text) + b"\0\0\0\0")}
                assert plain.identity in found, form


@pytest.mark.parametrize("header", ["authorization: Bearer ", "x-api-key: "])
def test_header_names_are_context(header: str) -> None:
    matcher = SignatureMatcher(load())
    token = expand("<base62:43>")
    for text in (header + token, header.replace(": ", "\0", 1) + token, header.capitalize() + token):
        assert [c.identity for c in run(matcher, text.encode())] == [token.encode()], text
