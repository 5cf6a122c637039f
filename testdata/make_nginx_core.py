"""Make ``nginx-worker.core.zst``: run from the repository root with ``python testdata/make_nginx_core.py``.

Needs nginx, gdb and the test extra. The keys and tokens are made for the occasion and thrown away; nothing accepts
them.
"""

from __future__ import annotations

import base64
import json
import random
import sys
import tempfile
from pathlib import Path

import zstandard

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tests.makers.planted import github_token  # noqa: E402
from tests.makers.programs import nginx_core  # noqa: E402


def jwt(rng: random.Random) -> str:
    """A signed-looking token of an issuer that does not exist."""
    parts = ({"alg": "RS256", "typ": "JWT", "kid": "2025-01"}, {"iss": "https://issuer.example", "aud": "support"})
    encoded = [json.dumps(part).encode() for part in parts] + [rng.randbytes(256)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in encoded)


def main() -> None:
    """Dump a worker that served both keys and was sent a few tokens."""
    rng = random.SystemRandom()
    headers = [
        f"Authorization: Bearer {jwt(random.Random(rng.random()))}",
        f"X-Deploy-Token: {github_token(random.Random(rng.random()))}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        core = nginx_core(Path(folder), headers).core
        packed = zstandard.ZstdCompressor(level=19, write_checksum=True).compress(core.read_bytes())
    (HERE / "nginx-worker.core.zst").write_bytes(packed)


if __name__ == "__main__":
    main()
