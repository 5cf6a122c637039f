"""PuTTY key files, written here by the rules of the manual's appendix C."""

from __future__ import annotations

import base64
import os
import struct
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from dumpscan.matchers.putty import PUTTY
from dumpscan.model import Confidence, Severity
from tests.makers.programs import need
from tests.matchers.test_der import candidates, fields, plant


def strings(*values: bytes | int) -> bytes:
    raw = (v if isinstance(v, bytes) else v.to_bytes(v.bit_length() // 8 + 1, "big") for v in values)
    return b"".join(struct.pack(">I", len(v)) + v for v in raw)


def ppk(kind: bytes, public: bytes, private: bytes, cipher: bytes = b"none") -> bytes:
    blocks = [base64.encodebytes(blob).replace(b"\n", b"") for blob in (public, private)]
    lines = [[b[i : i + 64] for i in range(0, len(b), 64)] for b in blocks]
    head = [b"PuTTY-User-Key-File-3: " + kind, b"Encryption: " + cipher, b"Comment: me"]
    body = [b"Public-Lines: %d" % len(lines[0]), *lines[0], b"Private-Lines: %d" % len(lines[1]), *lines[1]]
    return b"\r\n".join([*head, *body, b"Private-MAC: " + b"00" * 32, b""])


def rsa_file(*damage: int) -> bytes:
    n, e, d, p, q, _, _, u = fields(rsa.generate_private_key(65537, 2048))
    mask = damage[0] if damage else 0
    return ppk(b"ssh-rsa", strings(b"ssh-rsa", e, n), strings(d ^ mask, p ^ mask, q ^ mask, u))


def test_rsa_and_ed25519() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    small = ppk(b"ssh-ed25519", strings(b"ssh-ed25519", key.public_key().public_bytes_raw()),
                strings(key.private_bytes_raw()))  # fmt: skip
    for text in (rsa_file(), small, rsa_file().decode().encode("utf-16-le")):
        data = plant(text)
        (found,) = candidates(PUTTY, data)
        assert found.confidence is Confidence.PROVEN
        blank = data[: found.spans[0].start] + b"#" * len(found.spans[0]) + data[found.spans[0].end :]
        assert not candidates(PUTTY, blank)


def test_damage_and_encryption() -> None:
    assert not candidates(PUTTY, rsa_file(8))
    public = strings(b"ssh-rsa", 65537, 1 << 2047 | 1)
    (found,) = candidates(PUTTY, ppk(b"ssh-rsa", public, os.urandom(640), b"aes256-cbc"))
    assert found.severity is Severity.MEDIUM
    whole = rsa_file()
    for cut in range(0, len(whole), 17):
        candidates(PUTTY, whole[:cut])


def test_puttygen(tmp_path: Path) -> None:
    need("puttygen")
    out = tmp_path / "key.ppk"
    command = ["puttygen", "-t", "rsa", "-b", "2048", "--new-passphrase", "/dev/null", "-o", str(out)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    (found,) = candidates(PUTTY, out.read_bytes())
    assert found.confidence is Confidence.PROVEN
