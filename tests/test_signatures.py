"""Every rule is its own test: what its meta states is tried."""

from __future__ import annotations

import marshal
from pathlib import Path

import pytest

from dumpscan import cache, signatures_loader
from dumpscan.errors import SignatureError
from dumpscan.model import Candidate
from dumpscan.report.signature_reference import markdown
from dumpscan.signature_check import check, check_signature, run
from dumpscan.signature_examples import expand
from dumpscan.signatures_loader import Ruleset, Signature, load, parse

RULESET = load()

RULE = """
rule demo {
  meta:
    id = "demo-token"
    title = "Demo token"
    kind = "demo-token"
    severity = "high"
    confidence = "validated"
    anchor = "demo_"
    longest = 25
    reference = "https://example.org/"
    example = "demo_<base62:20>"
    counterexample = "demo_xxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /demo_[0-9A-Za-z]{20}/
  condition:
    $a
}
"""


@pytest.mark.parametrize("signature", RULESET.rules, ids=lambda s: s.id)
def test_signature(signature: Signature) -> None:
    assert check_signature(signature) == []


def test_all_together() -> None:
    assert len(RULESET.rules) > 500
    assert len({rule.kind for rule in RULESET.rules}) > 300
    assert RULESET.digest.startswith("sha256:")
    assert RULESET.warnings == RULESET.refused == ()


def test_reference_is_current() -> None:
    path = Path(__file__).parents[1] / "docs" / "signatures.md"
    hint = "run: dumpscan signatures list -f markdown > docs/signatures.md"
    assert path.read_text("utf-8") == markdown(RULESET.rules), hint


def test_sound_rule_passes(tmp_path: Path) -> None:
    file = tmp_path / "demo.yar"
    file.write_text(RULE)
    assert check([file]) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('    title = "Demo token"\n', "", "lacks title"),
        ('title = "', 'tilte = "x"\n    title = "', "unknown meta tilte"),
        ('severity = "high"', 'severity = "dire"', "severity is one of"),
        ('anchor = "demo_"', 'anchor = "dem"', "at least 4"),
        ("longest = 25", "longest = 24", "longest is 24"),
        ("longest = 25", "longest = 900", "a number from"),
        ("{20}/", "{20,}/", "unbounded"),
        ("{20}/", "+/", "unbounded"),
        ("{20}/", "{20}/ wide", "modifiers"),
        ("$a\n}", "$a and filesize > 4\n}", "nothing on a window"),
        ("$a\n}", "$a at 0\n}", "nothing on a window"),
        ("$a\n}", "$a and outside\n}", "undefined identifier"),
        ("demo_[0-9A-Za-z]{20}/", "[0-9A-Za-z]{20}/", "does not compile cleanly"),
        ('example = "demo_', 'example = "dema_', "holds no anchor"),
        ('counterexample = "demo_xxxxxxxxxxxxxxxxxxxx"', 'counterexample = "demo_<base62:20>"', "is found"),
        ('id = "demo-token"', 'id = "Demo"', "lower-case"),
        ("longest = 25", 'longest = 25\n    tail = "greek"', "tail is one of"),
        ("longest = 25", "longest = 25\n    reach = 9999", "reach is a number from"),
        ("longest = 25", 'longest = 25\n    boundary = "wall"', "boundary is one of"),
        ("longest = 25", 'longest = 25\n    value = "demo"', "value has no group"),
        ("longest = 25", 'longest = 25\n    value = "(demo"', "value: "),
        ('reference = "https://example.org/"', "reference = true", "reference is a text"),
        ("{20}/", "{20}/ xor", "syntax error"),
        ("rule demo", 'include "other.yar"\nrule demo', "nothing on a window|does not compile|can't open|include"),
        ("$a\n}", "uint16(0) == 0x5a4d and $a\n}", "nothing on a window"),
        ("$a\n}", "$a in (0..9)\n}", "nothing on a window"),
        ('    counterexample = "demo_xxxxxxxxxxxxxxxxxxxx"\n', "", "lacks counterexample"),
        ('example = "demo_<base62:20>"', 'example = "demo_<nothing:20>"', "unknown generator"),
        ('example = "demo_<base62:20>"', 'example = "demo_<base62:19>!"', "found 0 times"),
        ("longest = 25", 'longest = 25\n    validator = "nobody"', "validator is one of"),
    ],
)
def test_unsound_rule_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in RULE
    file = tmp_path / "demo.yar"
    file.write_text(RULE.replace(old, new, 1))
    problems = "\n".join(map(str, check([file])))
    assert any(part in problems for part in complaint.split("|")), problems


def test_error_names_file_line_and_rule(tmp_path: Path) -> None:
    file = tmp_path / "demo.yar"
    file.write_text(RULE.replace('    kind = "demo-token"\n', ""))
    with pytest.raises(SignatureError, match=r"demo\.yar:2: rule demo: meta lacks kind"):
        load(builtin=False, user_paths=[file])


def test_foreign_rules_run_or_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "community.yara"
    file.write_text(
        'import "pe"\n'
        'rule plain { strings: $a = "at filesize" condition: $a }\n'
        "rule sized { condition: filesize > 4 }\n"
        "rule headed { condition: uint16(0) == 0x5a4d }\n"
        "rule binary { condition: pe.is_dll() }\n"
        "rule needy { condition: sized and plain }\n"
    )
    ruleset = load(builtin=False, user_paths=[tmp_path])
    assert [r.name for f in ruleset.foreign for r in f.rules] == ["plain"]
    assert [line.split("rule ")[1].split(":")[0] for line in ruleset.refused] == ["sized", "headed", "binary", "needy"]
    assert len(ruleset.warnings) == 1
    assert "plain" in ruleset.warnings[0]


def test_community_packs_are_refused_rule_by_rule(tmp_path: Path) -> None:
    """What packs hold beside plain rules: other files, other tools' modules and variables, rules without strings."""
    (tmp_path / "index.yar").write_text(
        'include "./mail.yar"\ninclude "gone.yar" // a comment\n/* include "no.yar" */\n'
    )
    (tmp_path / "elf.yara").write_text('private rule is_elf { strings: $a = "ELF" condition: $a }\n')
    (tmp_path / "mail.yar").write_text(
        'import "androguard"\n'
        'private rule part { strings: $a = "part of it" condition: $a }\n'
        'rule kept { meta: author = "named" strings: $a = "import \\"pe\\"" condition: $a and part }\n'
        'rule named { strings: $a = "x1y2z3" condition: $a and filename matches /a/ }\n'
        'rule mobile { strings: $a = "x1y2z3" condition: $a and androguard.package_name("a") }\n'
        'rule elsewhere { strings: $a = "x1y2z3" condition: $a and is_elf }\n'
        "rule both { condition: kept or part }\n"
        "rule all_of_them { condition: named and mobile }\n"
    )
    ruleset = load(builtin=False, user_paths=[tmp_path])
    assert [r.name for f in ruleset.foreign for r in f.rules] == ["is_elf", "part", "kept"]
    told = [line.removeprefix(f"{tmp_path}/") for line in ruleset.refused]
    assert [line.split(":")[0] + line.split(":", 2)[2] for line in told] == [
        "index.yar include gone.yar: not read; name that file as well",
        "mail.yar rule named: filename: neither a rule of this file nor known of a window",
        "mail.yar rule mobile: module androguard: a window is not a file",
        "mail.yar rule elsewhere: is_elf: neither a rule of this file nor known of a window",
        "mail.yar rule both: no strings: nothing to point at",
        "mail.yar rule all_of_them: needs rule mobile",
    ]
    assert len(ruleset.warnings) == 2
    assert "part, kept: on whole windows, as written; lacks id, title" in ruleset.warnings[1]


def test_a_broken_rule_stops_the_pack(tmp_path: Path) -> None:
    for text in ('rule broken { strings: $a = "unclosed condition: $a }\n', "rule broken { condition: nonsense }\n"):
        (tmp_path / "pack.yar").write_text(text)
        with pytest.raises(SignatureError, match=r"pack\.yar"):
            load(builtin=False, user_paths=[tmp_path])


def test_a_pack_of_thousands_is_read_once(tmp_path: Path) -> None:
    rules = "".join(f'rule r{i} {{ strings: $a = "name{i:05}" condition: $a and pe.is_dll() }}\n' for i in range(3000))
    chain = "".join(f"rule c{i} {{ condition: {'r0' if not i else f'c{i - 1}'} }}\n" for i in range(300))
    (tmp_path / "pack.yar").write_text('import "pe"\n' + rules + chain)
    ruleset = load(builtin=False, user_paths=[tmp_path])
    assert len(ruleset.refused) == 3300
    assert ruleset.refused[-1].endswith("3301: rule c299: needs rule c298")


def test_missing_user_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SignatureError):
        load(builtin=False, user_paths=[tmp_path / "none.yar"])
    with pytest.raises(SignatureError):
        load(builtin=False, user_paths=[tmp_path])


def test_duplicate_id_is_an_error(tmp_path: Path) -> None:
    for name in ("a.yar", "b.yar"):
        (tmp_path / name).write_text(RULE)
    with pytest.raises(SignatureError, match="id also in"):
        load(builtin=False, user_paths=[tmp_path])


def test_rule_sources_hold_no_secret_and_match_none() -> None:
    """The rules themselves, as they lie in the memory of a scanner, are not findings."""
    from dumpscan.matchers.signatures import SignatureMatcher

    text = b"\0".join(rule.source.encode() for rule in RULESET.rules)
    found: list[Candidate] = run(SignatureMatcher(RULESET), text)
    assert [(c.signature, c.preview) for c in found] == []


def test_expansion_is_stable_and_known() -> None:
    assert expand("a<lt>b") == "a<b"
    assert expand("x_<base62:30><crc32>") == expand("x_<base62:30><crc32>")
    with pytest.raises(ValueError, match="unknown generator"):
        expand("<nothing:3>")


def test_ruleset_is_a_value() -> None:
    assert isinstance(RULESET, Ruleset)
    assert parse(RULE, "demo.yar")[0].anchors == ("demo_",)


def test_kept_signatures_are_those_that_were_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh() -> Ruleset:
        signatures_loader._kept.cache_clear()  # as in another process
        return load()

    monkeypatch.setenv("DUMPSCAN_CACHE", "")
    parsed = fresh()
    assert load() == parsed
    monkeypatch.setenv("DUMPSCAN_CACHE", str(tmp_path))
    assert fresh() == parsed
    with monkeypatch.context() as nothing_is_parsed:
        nothing_is_parsed.setattr(signatures_loader, "parse", None)
        assert fresh() == parsed
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(b"not what was stored")
    assert fresh() == parsed


def test_a_users_large_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, foreign = tmp_path / "own.yar", tmp_path / "foreign.yar"
    own.write_text(RULE + "\n//" + "-" * signatures_loader._LARGE)
    foreign.write_text(f'rule other {{ strings: $a = "other_token" condition: $a }}\n//{own.read_text()[-70_000:]}')
    monkeypatch.setenv("DUMPSCAN_CACHE", str(tmp_path / "cache"))
    first = [load(False, [path]) for path in (own, foreign)]
    assert (len(first[0].rules), len(first[1].foreign)) == (1, 1)
    monkeypatch.setattr(signatures_loader, "parse", None)
    assert [load(False, [path]) for path in (own, foreign)] == first
    own.write_text(own.read_text() + "-")
    with pytest.raises(TypeError):
        load(False, [own])


@pytest.mark.parametrize("stored", [b"", b"[]", b"\xff", marshal.dumps([("id", "title")]), b"i\0\0\0\0"])
def test_kept_signatures_that_cannot_be_used(stored: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    signatures_loader._kept.cache_clear()
    monkeypatch.setattr(cache, "load", lambda _key: stored)
    monkeypatch.setattr(cache, "store", lambda _key, _body: None)
    try:
        assert load() == RULESET
    finally:
        signatures_loader._kept.cache_clear()
