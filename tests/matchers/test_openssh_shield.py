"""Shielded keys of a real ssh-agent, and of structures made here."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.openssh_shield import OpensshShield
from dumpscan.model import Candidate, Clue, Span
from dumpscan.prove.openssh import decrypted, unshield
from tests.makers.match import run

BASE = 0x5555_0000_0000
NEEDED = ("ssh-agent", "ssh-add", "ssh-keygen", "gcore")


class Memory:
    """Stretches of memory, neighbours joined: (address, file offset, bytes)."""

    def __init__(self, segments: list[tuple[int, int, bytes]]) -> None:
        self.stretches: list[tuple[int, int, bytes]] = []
        for address, offset, data in sorted(segments):
            if self.stretches:
                start, first, before = self.stretches[-1]
                if start + len(before) == address and first + len(before) == offset:
                    self.stretches[-1] = (start, first, before + data)
                    continue
            self.stretches.append((address, offset, data))

    def read(self, address: int, size: int) -> bytes:
        for start, _, data in self.stretches:
            if start <= address < start + len(data):
                return data[address - start : address - start + size]
        return b""

    def locate(self, address: int, size: int) -> Span | None:
        for start, offset, data in self.stretches:
            if start <= address and address + size <= start + len(data):
                return Span(offset + address - start, offset + address - start + size)
        return None

    def clues(self) -> list[Clue]:
        found = []
        for start, offset, data in self.stretches:
            for clue in run(OpensshShield(), data, start):
                assert isinstance(clue, Clue)
                found.append(clue._replace(start=clue.start + offset, end=clue.end + offset))
        return found


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def shield(plain: bytes, prekey: bytes) -> bytes:
    digest = hashlib.sha512(prekey).digest()
    plain += bytes(range(1, 1 + -len(plain) % 16))
    return Cipher(algorithms.AES(digest[:32]), modes.CTR(digest[32:48])).encryptor().update(plain)


def ed25519_plain() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    return string(b"ssh-ed25519") + string(public) + string(key.private_bytes_raw() + public)


def heap(plain: bytes, gap: int = 64) -> tuple[Memory, bytes, bytes]:
    """A heap of one key: prekey chunk, ciphertext, structure."""
    prekey = os.urandom(16384)
    ciphertext = shield(plain, prekey)
    data = bytes(gap) + struct.pack("<Q", 0x4011) + prekey
    at = len(data)
    data += ciphertext + struct.pack("<4Q", BASE + at, len(ciphertext), BASE + gap + 8, 16384) + bytes(64)
    return Memory([(BASE, 1000, data)]), prekey, ciphertext


def test_made_structure() -> None:
    memory, prekey, ciphertext = heap(ed25519_plain())
    (found,) = unshield(memory.clues(), memory.read, memory.locate)
    assert found.kind == "ed25519-private-key"
    assert {c.value for c in found.components} >= {prekey, ciphertext}
    assert found.spans == (Span(1072, 1072 + 16384), Span(1072 + 16384, 1072 + 16384 + len(ciphertext)))
    (without_map,) = unshield(memory.clues(), memory.read)
    assert without_map.spans == (Span(1072, 1072 + 16384),)


def test_prekey_that_the_pointer_misses() -> None:
    memory, _prekey, _ciphertext = heap(ed25519_plain())

    def read(address: int, size: int) -> bytes:
        return b"" if size == 16384 else memory.read(address, size)

    assert len(unshield(memory.clues(), read)) == 1
    assert unshield([c for c in memory.clues() if c.kind != "sshkey-prekey"], read) == []


def test_near_misses() -> None:
    plain = bytearray(ed25519_plain())
    plain[-40] ^= 1
    memory, _, _ = heap(bytes(plain))
    assert unshield(memory.clues(), memory.read) == []
    _good, prekey, ciphertext = heap(ed25519_plain())
    assert decrypted(ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]), prekey) is None
    assert decrypted(ciphertext, prekey[:-1] + bytes([prekey[-1] ^ 1])) is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_total(plain: bytes) -> None:
    """Whatever stands inside, it is refused quietly."""
    memory, prekey, _ciphertext = heap(plain.ljust(32, b"\0"))
    assert unshield(memory.clues(), memory.read) == []
    assert decrypted(plain, prekey) is None
    broken = Clue("sshkey-shielded", b"", 0, 8, "", plain)
    assert unshield([broken], memory.read) == []


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_many_anchors(byte_order: str) -> None:
    matcher = OpensshShield(byte_order)
    for anchor in matcher.anchors:
        assert run(matcher, anchor * 100_000) == []


@pytest.mark.parametrize(("byte_order", "letter"), [("little", "<"), ("big", ">")])
def test_a_structure_of_either_byte_order(byte_order: str, letter: str) -> None:
    words = struct.pack(f"{letter}4Q", 0x7F0000001000, 96, 0x7F0000002000, 16384)
    (clue,) = run(OpensshShield(byte_order), bytes(8) + words)
    assert isinstance(clue, Clue)
    assert (clue.kind, clue.note) == ("sshkey-shielded", struct.pack(">3Q", 0x7F0000001000, 96, 0x7F0000002000))
    assert run(OpensshShield("big" if byte_order == "little" else "little"), bytes(8) + words) == []


@pytest.mark.skipif(any(shutil.which(name) is None for name in NEEDED), reason="needs ssh-agent and gcore")
def test_real_agent(tmp_path: Path) -> None:
    core = agent_core(tmp_path, ("ed25519", "rsa", "ecdsa"))
    memory = Memory(load_segments(core))
    found = unshield(memory.clues(), memory.read, memory.locate)
    assert {c.kind for c in found} == {"ed25519-private-key", "rsa-private-key", "ec-private-key"}
    assert all(c.confidence.label == "proven" and len(c.spans) == 2 for c in found)
    assert {end - start for c in found for start, end in [(c.spans[0].start, c.spans[0].end)]} & {16384}
    assert_residues_known(core, found)


def assert_residues_known(core: bytes, found: list[Candidate]) -> None:
    """Spans point at the octets of the components."""
    for candidate in found:
        values = {c.value for c in candidate.components}
        assert all(core[span.start : span.end] in values for span in candidate.spans)


def agent_core(where: Path, kinds: tuple[str, ...]) -> bytes:
    """The core of an ssh-agent that holds one key of each kind."""
    names = []
    for kind in kinds:
        names.append(str(where / kind))
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", names[-1]], check=True)
    socket = where / "s"
    output = subprocess.run(["ssh-agent", "-a", str(socket)], check=True, capture_output=True, text=True).stdout
    number = re.search(r"SSH_AGENT_PID=(\d+)", output)
    assert number
    try:
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", *names], check=True, env=environment, capture_output=True)
        made = subprocess.run(["gcore", "-a", "-o", str(where / "core"), number[1]], capture_output=True, check=False)
    finally:
        os.kill(int(number[1]), signal.SIGTERM)
    core = where / f"core.{number[1]}"
    if made.returncode or not core.exists():
        pytest.skip("gcore may not attach here")
    return core.read_bytes()


def load_segments(core: bytes) -> list[tuple[int, int, bytes]]:
    """PT_LOAD segments of a little-endian ELF64 core."""
    table, count = struct.unpack_from("<Q", core, 32)[0], struct.unpack_from("<H", core, 56)[0]
    rows = [struct.unpack_from("<IIQQQQQQ", core, table + 56 * i) for i in range(count)]
    return [(row[3], row[2], core[row[2] : row[2] + row[5]]) for row in rows if row[0] == 1 and row[5]]
