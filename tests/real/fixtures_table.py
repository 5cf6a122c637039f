"""All real dumps of the fixture folder in one run: ``python -m tests.real.fixtures_table > docs/fixtures.md``."""

from __future__ import annotations

from collections import Counter

from dumpscan.model import DumpReport
from dumpscan.scan import Options
from dumpscan.scan_container import scan_any
from tests.makers.fixtures import manifest

HEAD = """# Real dumps

    DUMPSCAN_FIXTURES=FOLDER python -m tests.real.fixtures_table > docs/fixtures.md

Dumps that other projects keep for their own tests, each named by its repository. Their commits are
in the `MANIFEST.tsv` of the folder. *unread* counts bytes; a dump that does not hold what it promises is
*inconclusive*.

| dump | bytes | stated format | recognised as | verdict | findings | unread | limits |
|---|---|---|---|---|---|---|---|"""


def scanned(path: str) -> DumpReport:
    """The report on one dump."""
    return scan_any(path, Options(jobs=1, now=0)).report


def main() -> None:
    """Print the table."""
    print(HEAD)
    for row in sorted(manifest(), key=lambda r: (r.format, r.id)):
        report = scanned(str(row.file))
        levels = Counter(f"{finding.confidence.label} {finding.severity.label}" for finding in report.findings)
        told = ", ".join(f"{count} {level}" for level, count in sorted(levels.items())) or "–"
        unread = sum(part.length for part in report.coverage.unread)
        limits = "; ".join(report.coverage.limits) or "–"
        cells = (
            f"{row.repo} {row.path.rpartition('/')[2]}",
            f"{report.size:,}",
            row.format,
            report.format,
            report.verdict,
            told,
            f"{unread:,}",
            limits,
        )
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
