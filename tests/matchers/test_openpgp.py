"""OpenPGP keys in armor and packets, and libgcrypt's S-expressions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from dumpscan import keys
from dumpscan.matchers.openpgp import OPENPGP
from dumpscan.matchers.pem import PEM
from dumpscan.model import Confidence, Severity
from tests.matchers.test_der import candidates, fields, plant


def export(home: Path, algorithm: str, passphrase: str, armor: bool = True) -> bytes:
    gpg = [
        "gpg",
        "--homedir",
        str(home),
        "--batch",
        "--quiet",
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        passphrase,
    ]
    try:
        subprocess.run([*gpg, "--quick-gen-key", "me@example", algorithm, "default", "0"], check=True, timeout=60)
        more = ["--armor"] if armor else []
        return subprocess.run([*gpg, *more, "--export-secret-keys"], check=True, timeout=60, capture_output=True).stdout
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, timeout=60)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
@pytest.mark.parametrize("algorithm", ["rsa2048", "ed25519", "nistp256", "dsa1024"])
def test_armor_of_gpg(tmp_path: Path, algorithm: str) -> None:
    tmp_path.chmod(0o700)
    found = candidates(PEM, plant(export(tmp_path, algorithm, "")))
    assert found
    assert all(f.confidence is Confidence.PROVEN and "OpenPGP checksum" in f.evidence for f in found)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
@pytest.mark.parametrize("passphrase", ["", "secret"])
def test_binary_packets_of_gpg(tmp_path: Path, passphrase: str) -> None:
    tmp_path.chmod(0o700)
    found = candidates(OPENPGP, plant(export(tmp_path, "ed25519", passphrase, armor=False)))
    assert found
    for item in found:
        assert item.severity is (Severity.MEDIUM if passphrase else Severity.CRITICAL)


def test_s_expression() -> None:
    n, e, d, p, q, *_ = fields(rsa.generate_private_key(65537, 1024))

    def expression(p: int, d: int, q: int) -> bytes:
        parts = b"".join(
            b"(1:%s%d:%s)" % (name, len(value), value)
            for name, value in zip((b"n", b"e", b"d", b"p", b"q"), map(keys.octets, (n, e, d, p, q)), strict=True)
        )
        return b"(11:private-key(3:rsa" + parts + b"))"

    (found,) = candidates(OPENPGP, plant(expression(p, d, q)))
    assert found.identity == b"rsa:" + keys.octets(n)
    assert not candidates(OPENPGP, plant(expression(p ^ 8, d ^ 8, q ^ 8)))
    whole = expression(p, d, q)
    for cut in range(0, len(whole), 5):
        candidates(OPENPGP, whole[:cut])


def test_dense() -> None:
    for anchor in OPENPGP.anchors:
        assert not candidates(OPENPGP, anchor * 3000)
