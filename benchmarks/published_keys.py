"""Compares dumpscan/test_keys.tsv with the sources that publish the keys.

    apt-get source --download-only gnutls28 libgcrypt20 mbedtls nss openssl     # and unpack them
    python -m benchmarks.published_keys SOURCE.c...

Takes the strings and byte arrays out of C sources, scans them, and prints each private key with its row of the list (or
the row to add), then the rows that no source bore out.
"""

from __future__ import annotations

import codecs
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dumpscan.model import Finding
from dumpscan.scan import Options, scan_path

ROOT = Path(__file__).resolve().parent.parent
_STRINGS = re.compile(r'(?:"(?:[^"\\]|\\.)*"\s*)+')
_ARRAY = re.compile(r"\{([\s0-9a-fA-Fx,]{60,})\}")


def blobs(source: str) -> Iterator[bytes]:
    """What the strings (adjacent ones are one) and arrays of bytes of a C source hold."""
    text = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL).replace("\\\n", "")
    for match in _STRINGS.finditer(text):
        joined = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match[0]))
        yield codecs.escape_decode(joined.encode())[0]
    for match in _ARRAY.finditer(text):
        yield bytes(int(digits, 16) for digits in re.findall(r"0x([0-9a-fA-F]{1,2})\b", match[1]))


def keys(path: Path) -> tuple[Finding, ...]:
    """The private keys in a C source."""
    padded = (bytes(64) + blob + bytes(64 - len(blob) % 16) for blob in blobs(path.read_text("utf-8", "replace")))
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(padded))
        file.flush()
        return scan_path(file.name, Options(jobs=1)).report.findings


def main(paths: list[str]) -> None:
    """Print what was compared."""
    rows = dict(line.split("\t") for line in (ROOT / "dumpscan" / "test_keys.tsv").read_text("utf-8").splitlines()[1:])
    met: set[str] = set()
    for path in map(Path, paths):
        for finding in keys(path):
            told = finding.public.get("test_key", "")
            met.add(told)
            row = told or f"{finding.public.get('spki_sha256')}\t…, {path.name}: {finding.title}"
            print(f"{path.name}: {finding.title}: {row}" if told else f"not in the list: {row}")
    for told in sorted(set(rows.values()) - met):
        print(f"in no source given: {told}")


if __name__ == "__main__":
    main(sys.argv[1:])
