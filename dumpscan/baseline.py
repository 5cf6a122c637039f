"""Accepted findings: keyed fingerprints in a file, without any secret.

The file is JSON, ``{"schema": "dumpscan-baseline/1", "fingerprints": {"hmac-sha256:…": "title"}}``. Fingerprints of two
runs agree only under one ``--fingerprint-key``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from dumpscan.errors import UsageError
from dumpscan.mask import printable
from dumpscan.model import Finding

SCHEMA = "dumpscan-baseline/1"


def load_baseline(path: Path) -> frozenset[str]:
    """The fingerprints that ``path`` accepts. Raises :class:`UsageError` for anything but a baseline file."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the baseline {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not a baseline: not JSON") from None
    fingerprints = content.get("fingerprints") if isinstance(content, dict) else None
    if not isinstance(fingerprints, dict) or content.get("schema") != SCHEMA:
        raise UsageError(f"{path} is not a baseline: schema is not {SCHEMA}")
    return frozenset(fingerprints)


def dump_baseline(findings: Iterable[Finding]) -> str:
    """The text of a baseline file that accepts ``findings``."""
    accepted = {finding.fingerprint: printable(finding.title) for finding in findings}
    return json.dumps({"schema": SCHEMA, "fingerprints": accepted}, indent=2, sort_keys=True) + "\n"
