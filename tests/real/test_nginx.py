"""The case that the project exists for: a TLS server's core holds its keys as raw integers only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dumpscan.model import Confidence
from dumpscan.redact import redact_path
from dumpscan.scan import Options, Scan, scan_path
from tests.makers.programs import NginxCore, need, nginx_core, program, run

BASIC = "Authorization: Basic " + "c3VwcG9ydDpncmVlbi1ob3JzZS00Mg=="


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> NginxCore:
    return nginx_core(tmp_path_factory.mktemp("nginx"), [BASIC])


@pytest.fixture(scope="module")
def scan(server: NginxCore) -> Scan:
    return scan_path(str(server.core), Options())


def limbs(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 63) // 64 * 8, "little")


def test_both_keys_are_proven(server: NginxCore, scan: Scan) -> None:
    proven = {f.kind: f for f in scan.report.findings if f.confidence is Confidence.PROVEN}
    assert proven["rsa-private-key"].title == "RSA private key (2048 bits)"
    assert proven["ec-private-key"].title == "EC private key (P-256)"
    assert "CN=dumpscan.test" in proven["rsa-private-key"].evidence
    assert scan.report.format == "elf-core"
    assert scan.report.verdict == "findings"


def test_no_pattern_could_have_found_them(server: NginxCore) -> None:
    core = server.core.read_bytes()
    n = server.rsa.private_numbers()
    assert n.p.to_bytes(128, "big") not in core
    assert limbs(n.p) in core


def test_every_copy_is_an_occurrence(server: NginxCore, scan: Scan) -> None:
    core = server.core.read_bytes()
    numbers = server.rsa.private_numbers()
    finding = next(f for f in scan.report.findings if f.kind == "rsa-private-key")
    covered = [(o.offset, o.offset + o.length) for o in finding.occurrences]
    for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp"):
        wanted = limbs(getattr(numbers, name))
        for match in re.finditer(re.escape(wanted), core):
            assert any(low <= match.start() and match.end() <= high for low, high in covered), name


def backtraces(core: Path) -> str:
    nginx = program("nginx") or "nginx"
    commands = ["info threads", "thread apply all bt", "thread apply all info registers", "info files"]
    arguments = [part for command in commands for part in ("-ex", command)]
    done = run("gdb", "-nx", "-batch", *arguments, nginx, core)
    assert "#0 " in done.stdout
    return done.stdout.replace(str(core), "CORE")


def test_the_copy_opens_in_gdb_and_holds_no_key(server: NginxCore, tmp_path: Path) -> None:
    need("gdb")
    copy = tmp_path / "copy"
    redact_path(str(server.core), copy, Options())
    assert backtraces(copy) == backtraces(server.core)
    content = copy.read_bytes()
    numbers = server.rsa.private_numbers()
    secrets = [getattr(numbers, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")]
    secrets.append(server.ec.private_numbers().private_value)
    for number in secrets:
        value = limbs(number)
        for form in (value, value[::-1]):
            assert not any(form[i : i + 16] in content for i in range(len(form) - 15))
    assert b"c3VwcG9ydDpncmVlbi1ob3JzZS00Mg" not in content
