"""The report as JSON lines: one line for each finding, and after those of a dump one line about the dump.

Every line is an object with ``schema`` and ``type``. A line of type ``finding`` holds the fields of a finding of the
JSON report, and ``dump`` (the path) and ``dump_sha256``. A line of type ``dump`` holds the fields of a dump of the
JSON report, with ``findings`` the number of findings, ``severities`` their number by severity, and ``tool``. A dump
without its line was not finished. Text is treated as in the JSON report.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, TextIO

from dumpscan.mask import printable
from dumpscan.model import Report
from dumpscan.report.as_json import SCHEMA, dump_facts, finding_object, tool_object


def write(report: Report, out: TextIO) -> None:
    """Write ``report`` to ``out``."""
    for dump in report.dumps:
        home = {"dump": printable(dump.path), "dump_sha256": dump.sha256}
        for finding in dump.findings:
            _line(out, "finding", home | finding_object(finding))
        severities = Counter(finding.severity.label for finding in dump.findings)
        summary = {"tool": tool_object(report), "findings": len(dump.findings), "severities": dict(severities)}
        _line(out, "dump", summary | dump_facts(dump))


def _line(out: TextIO, type_: str, fields: dict[str, Any]) -> None:
    json.dump({"schema": SCHEMA, "type": type_} | fields, out, sort_keys=True)
    out.write("\n")
