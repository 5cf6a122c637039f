"""The report as SARIF 2.1.0 (OASIS standard, with errata 01), for code scanning services and viewers.

One run; each dump is an artifact, each finding a result, each occurrence a location with a binary region (3.30.13)
and, where the format knows addresses, an address object (3.32). A rule is a kind of secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO
from urllib.parse import quote

from dumpscan.mask import printable
from dumpscan.model import DumpReport, Finding, Occurrence, Report, Severity
from dumpscan.report import wording

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS = {
    Severity.INFO: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
_SCORES = {
    Severity.INFO: "0.0",
    Severity.LOW: "2.0",
    Severity.MEDIUM: "5.0",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}
"""``security-severity``, which GitHub sorts by: CVSS-like, as a string."""

_NOTIFICATIONS = {
    "unread": "Bytes of the dump that could not be examined.",
    "limit": "A limit was reached, so that the examination is not complete.",
    "inconclusive": "The dump could not be examined completely.",
}


def write(report: Report, out: TextIO) -> None:
    """Write ``report`` to ``out``."""
    json.dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(report)]}, out, indent=2, sort_keys=True)
    out.write("\n")


def _run(report: Report) -> dict[str, Any]:
    rules = _rules(report)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    return {
        "tool": {"driver": _driver(report, rules)},
        "artifacts": [_artifact(dump) for dump in report.dumps],
        "invocations": [_invocation(report)],
        "results": [
            _result(finding, index[printable(finding.kind)], dump, number)
            for number, dump in enumerate(report.dumps)
            for finding in dump.findings
        ],
    }


def _driver(report: Report, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": "dumpscan",
        "version": printable(report.tool_version),
        "rules": rules,
        "notifications": [
            {"id": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": "error"}}
            for name, text in _NOTIFICATIONS.items()
        ],
        "properties": {"ruleset": printable(report.ruleset)},
    }


def _rules(report: Report) -> list[dict[str, Any]]:
    worst: dict[str, Severity] = {}
    for dump in report.dumps:
        for finding in dump.findings:
            worst[finding.kind] = max(finding.severity, worst.get(finding.kind, Severity.INFO))
    return [_rule(kind, severity) for kind, severity in sorted(worst.items())]


def _rule(kind: str, severity: Severity) -> dict[str, Any]:
    return {
        "id": printable(kind),
        "shortDescription": {"text": f"Secret in a memory dump: {printable(kind).replace('-', ' ')}"},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"security-severity": _SCORES[severity], "tags": ["security", "secret"]},
    }


def _result(finding: Finding, rule: int, dump: DumpReport, artifact: int) -> dict[str, Any]:
    parts = (finding.title, finding.evidence, wording.many(len(finding.occurrences), "occurrence"))
    location = {"uri": _uri(dump.path), "index": artifact}
    properties: dict[str, Any] = {
        "id": finding.id,
        "confidence": finding.confidence.label,
        "severity": finding.severity.label,
        "preview": printable(finding.preview),
        "public": {printable(name): printable(value) for name, value in finding.public.items()},
    }
    if finding.signature:
        properties["signature"] = printable(finding.signature)
    return {
        "ruleId": printable(finding.kind),
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": _message("; ".join(part for part in parts if part)),
        "locations": [_location(occurrence, location) for occurrence in finding.occurrences],
        "partialFingerprints": {"dumpscan/v1": finding.fingerprint},
        "properties": properties,
    }


def _location(occurrence: Occurrence, artifact: dict[str, Any]) -> dict[str, Any]:
    physical: dict[str, Any] = {
        "artifactLocation": artifact,
        "region": {"byteOffset": occurrence.offset, "byteLength": occurrence.length},
    }
    if occurrence.address is not None:
        physical["address"] = {"absoluteAddress": occurrence.address, "length": occurrence.length}
        if occurrence.region:
            physical["address"]["name"] = printable(occurrence.region)
    location: dict[str, Any] = {
        "physicalLocation": physical,
        "message": _message(f"{occurrence.component} as {occurrence.encoding}"),
    }
    logical = [
        {"name": printable(name), "kind": kind}
        for name, kind in ((occurrence.member, "member"), (occurrence.module, "module"), (occurrence.object, "object"))
        if name
    ]
    if logical:
        location["logicalLocations"] = logical
    if occurrence.thread is not None:
        location["properties"] = {"thread": occurrence.thread}
    return location


def _artifact(dump: DumpReport) -> dict[str, Any]:
    artifact: dict[str, Any] = {
        "location": {"uri": _uri(dump.path)},
        "length": dump.size,
        "roles": ["analysisTarget"],
        "properties": {"format": printable(dump.format), "verdict": dump.verdict},
    }
    if dump.sha256:
        artifact["hashes"] = {"sha-256": dump.sha256}
    if dump.architecture:
        artifact["properties"]["architecture"] = printable(dump.architecture)
    return artifact


def _invocation(report: Report) -> dict[str, Any]:
    """The run as a whole: successful only if every dump was examined completely."""
    notifications = [
        notification for number, dump in enumerate(report.dumps) for notification in _notifications(dump, number)
    ]
    complete = all(dump.verdict != "inconclusive" for dump in report.dumps)
    return {"executionSuccessful": complete, "toolExecutionNotifications": notifications}


def _notifications(dump: DumpReport, number: int) -> Iterator[dict[str, Any]]:
    texts = [("unread", f"not read: {wording.gap(unread)}") for unread in dump.coverage.unread]
    texts += [("limit", f"limit: {limit}") for limit in dump.coverage.limits]
    if dump.verdict == "inconclusive" and not texts:
        texts = [("inconclusive", wording.verdict(dump))]
    for name, text in texts:
        yield {
            "descriptor": {"id": name, "index": list(_NOTIFICATIONS).index(name)},
            "level": "error" if dump.verdict == "inconclusive" else "note",
            "message": _message(text),
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(dump.path), "index": number}}}],
        }


def _message(text: str) -> dict[str, str]:
    """A plain text message (3.11); text from a dump must not become an embedded link, ``[text](uri)``."""
    return {"text": printable(text).replace("](", "] (")}


def _uri(path: str) -> str:
    """``path`` as a URI reference; absolute paths become ``file:`` URIs."""
    if re.match(r"[A-Za-z]:[\\/]", path):
        return "file:///" + quote(path.replace("\\", "/"), safe="/:")
    try:
        octets = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        octets = path.encode("utf-8", "surrogatepass")
    return ("file://" if path.startswith("/") else "") + quote(octets, safe="/")
