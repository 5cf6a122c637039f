"""OpenSSH key files and agents' wire form."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from dumpscan.matchers.openssh import MAGIC, OPENSSH
from dumpscan.matchers.pem import PEM
from dumpscan.model import Confidence, Severity
from tests.matchers.test_der import candidates, plant

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
KINDS = [("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("ed25519", "256")]


def generate(folder: Path, kind: str, bits: str, passphrase: str = "") -> bytes:
    path = folder / "key"
    command = ["ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", "me@example", "-f", str(path)]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return path.read_bytes()


def binary(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.splitlines()[1:-1]))


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_file_binary_and_wire_are_one_key(tmp_path: Path, kind: str, bits: str) -> None:
    text = generate(tmp_path, kind, bits)
    blob = binary(text)
    section = blob.index(b"me@example")
    wire = blob[blob.rindex(b"\0\0\0", 0, blob.rindex(b"ssh-" if kind != "ecdsa" else b"ecdsa-")) : section]
    (in_text,), (in_binary,), (in_wire,) = (
        candidates(PEM, plant(text)),
        candidates(OPENSSH, plant(blob)),
        candidates(OPENSSH, plant(wire)),
    )
    assert in_text.identity == in_binary.identity == in_wire.identity
    assert in_text.confidence is in_wire.confidence is Confidence.PROVEN


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_a_cut_or_changed_key(tmp_path: Path, kind: str, bits: str) -> None:
    blob = binary(generate(tmp_path, kind, bits))
    for cut in range(0, len(blob), 13):
        candidates(OPENSSH, blob[:cut])
    changed = bytearray(blob)
    for pos in range(blob.rindex(b"ssh-" if kind != "ecdsa" else b"ecdsa-") + 60, len(blob) - 40):
        changed[pos] ^= 0x55
    assert not candidates(OPENSSH, bytes(changed))


def test_encrypted(tmp_path: Path) -> None:
    text = generate(tmp_path, "ed25519", "256", "passphrase")
    for found in (*candidates(PEM, text), *candidates(OPENSSH, binary(text))):
        assert (found.kind, found.severity) == ("openssh-private-key", Severity.MEDIUM)
    assert len(candidates(PEM, text)) == len(candidates(OPENSSH, binary(text))) == 1


def test_dense() -> None:
    for anchor in OPENSSH.anchors:
        assert not candidates(OPENSSH, anchor * 5000)
    assert not candidates(OPENSSH, MAGIC)
