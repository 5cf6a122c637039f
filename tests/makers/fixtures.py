"""Where the real dumps are: ``DUMPSCAN_FIXTURES``, else ``../shared/fixtures`` beside the repository."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of ``MANIFEST.tsv``. ``format`` is ``elf-core``, ``minidump``, …; sizes are bytes."""

    repo: str
    path: str
    commit: str
    license: str
    sha256: str
    size: int
    format: str
    inner_size: int
    file: Path

    @property
    def id(self) -> str:
        """A name for ``pytest.param(..., id=)``."""
        return f"{self.repo.partition('/')[2]}:{self.path.rpartition('/')[2]}"


def fixture_root() -> Path | None:
    """The directory that holds ``MANIFEST.tsv``; ``None`` where there is none."""
    root = Path(os.environ.get("DUMPSCAN_FIXTURES") or _REPOSITORY.parent / "shared" / "fixtures")
    return root if (root / "MANIFEST.tsv").is_file() else None


def manifest() -> list[Row]:
    """The fixtures that are really there; an empty list without a fixture directory."""
    root = fixture_root()
    if root is None:
        return []
    with (root / "MANIFEST.tsv").open(encoding="utf-8", newline="") as lines:
        rows = [_row(root, fields) for fields in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return [row for row in rows if row.file.is_file()]


def _row(root: Path, fields: dict[str, str]) -> Row:
    return Row(
        repo=fields["repo"],
        path=fields["path"],
        commit=fields["commit"],
        license=fields["license"],
        sha256=fields["sha256"],
        size=int(fields["size"] or 0),
        format=fields["format"],
        inner_size=int(fields["inner_size"] or 0),
        file=root / fields["repo"].replace("/", "+") / fields["path"],
    )
