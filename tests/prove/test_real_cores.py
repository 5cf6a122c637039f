"""Raw keys in cores of real programs, against ground truth by exact search; no other part of dumpscan is involved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from elftools.elf.elffile import ELFFile

from dumpscan.matchers.base import View
from dumpscan.matchers.raw_integers import RAW_INTEGERS
from dumpscan.model import Candidate, Clue, Mapped, PublicKey, Span, all_clues
from dumpscan.prove import ec, okp, rsa
from tests.makers.programs import NginxCore, free_port, gcore, need, nginx_core, run, running, wait_for_port


@dataclass(frozen=True)
class Memory:
    """The loaded segments of a core: (address, offset, size)."""

    data: bytes
    segments: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, path: Path) -> Memory:
        with path.open("rb") as file:
            loads = [s for s in ELFFile(file).iter_segments("PT_LOAD") if s["p_filesz"]]
            segments = tuple((s["p_vaddr"], s["p_offset"], s["p_filesz"]) for s in loads)
        return cls(path.read_bytes(), segments)

    def read(self, address: int, size: int) -> bytes:
        for start, offset, length in self.segments:
            if start <= address < start + length:
                at = offset + address - start
                return self.data[at : min(at + size, offset + length)]
        return b""

    def wiped(self, *values: bytes) -> Memory:
        data = self.data
        for value in values:
            data = data.replace(value, bytes(len(value)))
        return replace(self, data=data)

    def evidence(self) -> tuple[list[Clue], list[PublicKey]]:
        clues: list[Clue] = []
        publics: list[PublicKey] = []
        for address, offset, size in self.segments:
            places = (Mapped(0, address, size),)
            view = View(memoryview(self.data)[offset : offset + size], (Span(0, size),), address=address, mapped=places)
            found = list(RAW_INTEGERS.match(view, ()))
            publics.extend(item for item in found if isinstance(item, PublicKey))
            for clue in all_clues(found):
                assert clue.kind != "limit"
                clues.append(clue._replace(start=clue.start + offset, end=clue.end + offset))
        return clues, publics


def proofs(memory: Memory, known: Sequence[PublicKey]) -> list[Candidate]:
    clues, publics = memory.evidence()
    return [c for prover in (rsa, ec, okp) for c in prover.prove(clues, [*publics, *known], memory.read, [])]


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> NginxCore:
    return nginx_core(tmp_path_factory.mktemp("nginx"))


def limbs(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 63) // 64 * 8, "little")


def rsa_public(core: NginxCore) -> PublicKey:
    return PublicKey("rsa", (core.rsa.private_numbers().public_numbers.n, 65537))


def ec_public(core: NginxCore) -> PublicKey:
    numbers = core.ec.private_numbers().public_numbers
    return PublicKey("ec", (numbers.x, numbers.y), curve="P-256")


def test_nginx_with_the_modulus_known_and_unknown(nginx: NginxCore) -> None:
    memory = Memory.of(nginx.core)
    numbers = nginx.rsa.private_numbers()
    for known in ([], [rsa_public(nginx), ec_public(nginx)]):
        kinds = {c.kind: c for c in proofs(memory, known)}
        assert set(kinds) >= {"rsa-private-key", *(["ec-private-key"] if known else [])}
        found = {memory.data[span.start : span.end] for span in kinds["rsa-private-key"].spans}
        assert found == {limbs(numbers.p), limbs(numbers.q)}
        assert all(c.confidence.label == "proven" for c in kinds.values())


@pytest.mark.parametrize("left", ["p", "d"])
def test_nginx_with_one_component_left(nginx: NginxCore, left: str) -> None:
    numbers = nginx.rsa.private_numbers()
    names = {"p", "q", "d", "dmp1", "dmq1", "iqmp"} - {left}
    memory = Memory.of(nginx.core).wiped(*(limbs(getattr(numbers, name)) for name in names))
    assert limbs(getattr(numbers, left)) in memory.data
    found = proofs(memory, [rsa_public(nginx)])
    assert "rsa-private-key" in {c.kind for c in found}
    assert not [c for c in proofs(memory.wiped(limbs(getattr(numbers, left))), [rsa_public(nginx)])
                if c.kind == "rsa-private-key"]  # fmt: skip


def test_openssl_server_with_ed25519(tmp_path: Path) -> None:
    """OpenSSL keeps the public key in ECX_KEY and the seed behind its pointer."""
    need("openssl", "gcore")
    key_path, certificate = tmp_path / "k.pem", tmp_path / "c.pem"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", key_path)
    run("openssl", "req", "-x509", "-key", key_path, "-out", certificate, "-subj", "/CN=dumpscan.test", "-days", "2")
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    port = free_port()
    server = ["openssl", "s_server", "-accept", str(port), "-key", str(key_path), "-cert"]
    with running([*server, str(certificate), "-quiet"]) as process:
        wait_for_port(port)
        core = gcore(process.pid, tmp_path)
    public = key.public_key().public_bytes_raw()
    memory = Memory.of(core)
    assert key.private_bytes_raw() in memory.data
    assert b"ed25519:" + public in {c.identity for c in proofs(memory, [])}
