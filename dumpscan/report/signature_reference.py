"""The reference of the built-in signatures as Markdown: what ``docs/signatures.md`` holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from dumpscan.signatures_loader import Signature

_HEAD = """# Signatures

Made by `dumpscan signatures list -f markdown`; a test keeps it current. Each title links to the provider's
documentation of the format. *Confidence* is that of a match; a checksum that holds makes it `proven`, one that fails
drops it. *Validator* names the check of `dumpscan/validators.py` that a match has to pass.
"""


def markdown(rules: Iterable[Signature]) -> str:
    """A table for each signature file."""
    return "\n".join(_lines(sorted(rules, key=lambda rule: (rule.file, rule.id)))) + "\n"


def _lines(rules: list[Signature]) -> Iterator[str]:
    yield _HEAD
    yield f"{len(rules)} signatures, {len({rule.kind for rule in rules})} kinds."
    for file, some in groupby(rules, key=lambda rule: rule.file):
        yield f"\n## {Path(file).stem}\n"
        yield "| id | title | kind | severity | confidence | validator |"
        yield "|---|---|---|---|---|---|"
        for rule in some:
            title = f"[{rule.title}]({rule.reference})"
            severity, confidence = rule.severity.label, rule.confidence.label
            yield f"| `{rule.id}` | {title} | {rule.kind} | {severity} | {confidence} | {rule.validator} |"
