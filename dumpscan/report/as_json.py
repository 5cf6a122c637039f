"""The report as one JSON document, schema ``dumpscan-report/1`` (``docs/report.schema.json``).

The contract: keys sorted, two spaces of indentation, a newline at the end, ASCII only (everything else as ``\\u``
escapes), no clock, no path but the one the user gave. Text that comes from a dump is made printable first, so no
string holds control characters even when decoded. Fields may be added in schema 1, never taken away or redefined.
"""

from __future__ import annotations

import json
from typing import Any, TextIO

from dumpscan.mask import printable
from dumpscan.model import Coverage, DumpReport, Finding, Occurrence, Report

SCHEMA = "dumpscan-report/1"
"""The name of the schema, first field of a report."""


def write(report: Report, out: TextIO) -> None:
    """Write ``report`` to ``out``."""
    document = {"schema": SCHEMA, "tool": tool_object(report), "dumps": [dump_object(dump) for dump in report.dumps]}
    json.dump(document, out, indent=2, sort_keys=True)
    out.write("\n")


def tool_object(report: Report) -> dict[str, Any]:
    """The ``tool`` object."""
    return {"name": "dumpscan", "version": printable(report.tool_version), "ruleset": printable(report.ruleset)}


def dump_object(dump: DumpReport) -> dict[str, Any]:
    """One element of ``dumps``."""
    return dump_facts(dump) | {"findings": [finding_object(finding) for finding in dump.findings]}


def dump_facts(dump: DumpReport) -> dict[str, Any]:
    """What is said of a dump apart from its findings."""
    return {
        "path": printable(dump.path),
        "size": dump.size,
        "sha256": dump.sha256,
        "format": printable(dump.format),
        "architecture": _text(dump.architecture),
        "verdict": dump.verdict,
        "coverage": _coverage(dump.coverage),
    }


def finding_object(finding: Finding) -> dict[str, Any]:
    """One element of ``findings``."""
    return {
        "id": finding.id,
        "kind": printable(finding.kind),
        "title": printable(finding.title),
        "signature": _text(finding.signature),
        "severity": finding.severity.label,
        "confidence": finding.confidence.label,
        "evidence": printable(finding.evidence),
        "fingerprint": finding.fingerprint,
        "public": {printable(name): printable(value) for name, value in finding.public.items()},
        "preview": printable(finding.preview),
        "occurrences": [_occurrence(occurrence) for occurrence in finding.occurrences],
    }


def _occurrence(occurrence: Occurrence) -> dict[str, Any]:
    names = (("object", occurrence.object), ("member", occurrence.member))
    known: dict[str, Any] = {key: printable(name) for key, name in names if name is not None}
    if occurrence.virtual is not None:
        known["virtual_address"] = occurrence.virtual
    return known | {
        "offset": occurrence.offset,
        "length": occurrence.length,
        "component": printable(occurrence.component),
        "encoding": printable(occurrence.encoding),
        "address": occurrence.address,
        "region": _text(occurrence.region),
        "module": _text(occurrence.module),
        "thread": occurrence.thread,
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {
        "bytes": coverage.size,
        "scanned": coverage.scanned,
        "zero": coverage.zero,
        "unread": [
            {"offset": item.offset, "length": item.length, "reason": printable(item.reason)} for item in coverage.unread
        ],
        "limits": [printable(limit) for limit in coverage.limits],
    }


def _text(text: str | None) -> str | None:
    return None if text is None else printable(text)
