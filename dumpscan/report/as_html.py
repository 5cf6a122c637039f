"""The report as one self-contained page: no scripts, nothing loaded from elsewhere, and a policy that says so."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import TextIO

from dumpscan.mask import printable
from dumpscan.model import DumpReport, Finding, Occurrence, Report
from dumpscan.report import wording

SHOWN = 1000
"""Occurrences of a finding that are listed; the rest is counted."""

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dumpscan report</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; overflow-wrap: anywhere; }
section, article { border-top: 1px solid #8886; margin-top: 1.5rem; }
code, td { font-family: ui-monospace, monospace; font-size: 0.875rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.15rem 0.75rem 0.15rem 0; vertical-align: top; }
td.n { text-align: right; }
.tag { border-radius: 0.25rem; padding: 0.1rem 0.5rem; color: #fff; background: #555; font-size: 0.875rem; }
.critical, .findings { background: #a40e26; } .high { background: #bc4c00; } .medium { background: #7d5600; }
.low { background: #0a5f8a; } .clean { background: #1a7f37; } .inconclusive { background: #7d5600; }
</style>
</head>
<body>
<h1>dumpscan report</h1>
"""


def write(report: Report, out: TextIO) -> None:
    """Write ``report`` to ``out``; ASCII only, so that any encoding of ``out`` will do."""
    out.write(_HEAD)
    for dump in report.dumps:
        for part in _dump(dump):
            out.write(part + "\n")
    out.write(f"<footer><p>dumpscan {_safe(report.tool_version)}, rules <code>{_safe(report.ruleset)}</code></p>")
    out.write("</footer>\n</body>\n</html>\n")


def _safe(text: object) -> str:
    """The only way for text into the page."""
    return html.escape(printable(str(text)), quote=True).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _dump(dump: DumpReport) -> Iterator[str]:
    yield f"<section>\n<h2>{_safe(dump.path)}</h2>"
    yield f'<p><span class="tag {_safe(dump.verdict)}">{_safe(dump.verdict)}</span> {_safe(wording.verdict(dump))}</p>'
    digest = f"sha256 <code>{_safe(dump.sha256)}</code><br>" if dump.sha256 else ""
    yield f"<p>{_safe(wording.origin(dump))}<br>{digest}"
    yield f"{_safe(wording.coverage(dump))}</p>"
    yield from _list("Not read", (wording.gap(unread) for unread in dump.coverage.unread))
    yield from _list("Limits", dump.coverage.limits)
    for finding in dump.findings:
        yield from _finding(finding)
    yield "</section>"


def _list(title: str, items: Iterable[str]) -> Iterator[str]:
    lines = [f"<li>{_safe(item)}</li>" for item in items]
    if lines:
        yield f"<h3>{_safe(title)}</h3>\n<ul>"
        yield from lines
        yield "</ul>"


def _finding(finding: Finding) -> Iterator[str]:
    severity = _safe(finding.severity.label)
    yield f'<article>\n<h3><span class="tag {severity}">{severity}</span>'
    yield f"{_safe(finding.id)} {_safe(finding.title)}</h3>"
    facts = {"kind": finding.kind, "confidence": finding.confidence.label, "evidence": finding.evidence,
             "preview": finding.preview, "signature": finding.signature or "", "fingerprint": finding.fingerprint,
             **finding.public}  # fmt: skip
    yield "<table>"
    for name, value in facts.items():
        if value:
            yield f"<tr><th>{_safe(name)}</th><td>{_safe(value)}</td></tr>"
    yield "</table>"
    yield f"<details{' open' if len(finding.occurrences) <= 20 else ''}>"
    yield f"<summary>{_safe(wording.many(len(finding.occurrences), 'occurrence'))}</summary>\n<table>"
    yield "<tr><th>offset</th><th>length</th><th>part</th><th>encoding</th><th>address</th><th>where</th></tr>"
    for occurrence in finding.occurrences[:SHOWN]:
        yield _row(occurrence)
    yield "</table>"
    if (more := len(finding.occurrences) - SHOWN) > 0:
        yield f"<p>+{more:,} more, listed in the JSON report</p>"
    yield "</details>\n</article>"


def _row(occurrence: Occurrence) -> str:
    numbers = (f"{occurrence.offset:#x}", str(occurrence.length))
    texts = (occurrence.component, occurrence.encoding, wording.address(occurrence), wording.place(occurrence))
    cells = [f'<td class="n">{_safe(cell)}</td>' for cell in numbers] + [f"<td>{_safe(cell)}</td>" for cell in texts]
    return f"<tr>{''.join(cells)}</tr>"
