"""Anchors kept between runs, and base64 that cannot go on with what a rule asks for."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import pytest
import yara

from dumpscan import cache
from dumpscan.matchers import signatures
from dumpscan.matchers.asked_anchors import AskedAnchors, asked_anchors
from dumpscan.matchers.text_layers import Form, encoded_anchors, followed, text_follows
from dumpscan.signatures_loader import load


def _all(asked: AskedAnchors) -> list[tuple[bytes, list[tuple[Form, int, int, int]]]]:
    return [(literal, list(asked.of(index))) for index, literal in enumerate(asked.literals)]


def test_a_second_run_has_the_same_anchors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = load().rules
    monkeypatch.setenv("DUMPSCAN_CACHE", "")
    made = _all(asked_anchors(rules))
    monkeypatch.setenv("DUMPSCAN_CACHE", str(tmp_path))
    assert _all(asked_anchors(rules)) == made
    assert len(list(tmp_path.iterdir())) == 1
    assert _all(asked_anchors(rules)) == made
    assert _all(asked_anchors(rules[1:])) != made
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_kept_and_cannot_be_used_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = load().rules
    made = _all(asked_anchors(rules))
    for stored in (b"", b"[]", b'["00", [1], [1]]', b"\xff", b'{"a": 1}'):
        monkeypatch.setattr(cache, "load", lambda _key, stored=stored: stored)
        assert _all(asked_anchors(rules)) == made
        sources = tuple(rule.source for rule in rules)
        found = signatures._together.__wrapped__(sources).match(data=b"ghp_0123456789abcdefghijABCDEFGHIJ012345")
        assert "github_ghp" in {match.rule for match in found}


def test_rules_of_an_earlier_run_where_there_are_no_files_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = io.BytesIO()
    yara.compile(source="rule demo { strings: $a = /ghp_[a-z]{4}/ condition: $a }").save(file=stored)
    for _ in range(2):
        (match,) = signatures._loaded(stored.getvalue()).match(data=b"ghp_abcd")
        assert match.rule == "demo"
        monkeypatch.delattr(os, "memfd_create", raising=False)


@pytest.mark.parametrize("shift", range(3))
def test_text_follows_an_anchor_in_base64(shift: int) -> None:
    token = b"ghr_" + b"0123456789abcdefghijABCDEFGHIJ012345"
    for lead in (shift, shift + 3):
        text = base64.b64encode(b"-" * lead + token)
        start = lead // 3 * 4 + (0, 2, 3)[shift]
        assert text_follows(memoryview(text), start, shift, 4)
        assert text_follows(memoryview(text[: start + 8]), start, shift, 4)  # it ends: not for this to say
        garbage = base64.b64encode(b"-" * lead + b"ghr_" + bytes(range(0x80, 0x90)))
        assert not text_follows(memoryview(garbage), start, shift, 4)


@pytest.mark.parametrize("anchor", ["ghr_", "glpat-", "key-", "SG."])
@pytest.mark.parametrize("shift", range(3))
def test_short_base64_goes_on_with_part_of_the_anchor(anchor: str, shift: int) -> None:
    literals = {(form, at): literal for literal, form, at in encoded_anchors([anchor], False)}
    literal = literals.get((Form.BASE64, shift))
    if literal is None:
        return
    longer = followed(literal, anchor, shift)
    for char in range(0x21, 0x7F):
        text = base64.b64encode(b"-" * shift + anchor.encode() + bytes([char]) + b"abcdef")
        for encoded in (text, text.translate(bytes.maketrans(b"+/", b"-_"))):
            assert any(each in encoded for each in longer) == (literal in encoded)
    assert len(longer) <= 8 and all(each.startswith(literal) for each in longer)


def test_a_path_is_no_token() -> None:
    path = b"jdk/javadoc/internal/doclets/toolkit/util"
    assert not text_follows(memoryview(path), path.index(b"docl"), 1, 4)
    assert followed(b"docl", "ghr_", 1) == (b"docl8", b"docl9")
    path = b"jdk/javadoc/internal/doclets/toolkit/util"
    assert not text_follows(memoryview(path), path.index(b"docl"), 1, 4)


def test_only_anchors_that_lead_are_asked_for_more() -> None:
    rules = {rule.id: rule for rule in load().rules}
    lengths = {
        name: {leads for index in range(len(asked.literals)) for _, _, _, leads in asked.of(index)}
        for name, asked in ((name, asked_anchors([rules[name]])) for name in ("github-ghr", "jira-pat-context"))
    }
    assert lengths["github-ghr"] == {4}
    assert lengths["jira-pat-context"] == {0}
