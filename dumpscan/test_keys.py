"""Private keys that are public: test keys and self-test vectors that libraries carry in their files.

They are kept in a report, at severity ``info``: whoever relies on one has a problem, but a process that merely maps
the library has none. The list is ``test_keys.tsv``: SHA-256 of the SubjectPublicKeyInfo (or of the identity, for
keys without one), and where the key is published.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from dumpscan.model import Candidate


def known_test_key(candidate: Candidate) -> str | None:
    """Where the private key of ``candidate`` is published; ``None`` for any other secret."""
    digest = candidate.public.get("spki_sha256") or hashlib.sha256(candidate.identity).hexdigest()
    return _table().get(digest)


@cache
def _table() -> dict[str, str]:
    lines = files("dumpscan").joinpath("test_keys.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {row[0]: row[1] for row in rows if len(row) == 2}
