"""Secrets that the fields of a heap dump tell, and the fields that findings are in."""

from __future__ import annotations

from pathlib import Path

import pytest

from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from tests.makers.hprof import Dump
from tests.makers.hprof_census import hprof_census

ONE = Options(jobs=1)
SECRET = "tr0ub4" + "dor&3"
KEY = bytes((i * 37 + 11) % 256 for i in range(32))


def heap(secret: str = SECRET, word: int = 8) -> bytes:
    """A pool's configuration with a password as String, char[] and byte[], a key, and fields that hold none."""
    dump = Dump(word=word)
    dump.kind("java.lang.Object", [])
    dump.kind("java.lang.String", [("value", "ref"), ("coder", "byte")], "java.lang.Object")
    dump.kind("javax.crypto.spec.SecretKeySpec", [("key", "ref")], "java.lang.Object")
    names = ["password", "oldPassword", "apiToken", "secretName", "tokenType", "clientSecret"]
    dump.kind("com.zaxxer.hikari.HikariConfig", [(name, "ref") for name in names], "java.lang.Object")

    def text(content: bytes) -> int:
        return dump.instance("java.lang.String", dump.ref(dump.primitives("byte", content)) + b"\0")

    values = [
        text(secret.encode()),
        dump.primitives("char", (secret[::-1]).encode("utf-16-be")),
        dump.primitives("byte", secret.swapcase().encode()),
        text(b"prod-db-1x"),
        text(b"Bearer9"),
        text(b"changeme1"),
    ]
    dump.instance("com.zaxxer.hikari.HikariConfig", b"".join(map(dump.ref, values)))
    dump.instance("javax.crypto.spec.SecretKeySpec", dump.ref(dump.primitives("byte", KEY)))
    text(b"a copy: " + secret.encode() + b", elsewhere")
    return dump.build()


@pytest.mark.parametrize("word", [4, 8])
def test_values_are_found_by_their_fields(tmp_path: Path, word: int) -> None:
    path, copy = tmp_path / "heap.hprof", tmp_path / "copy"
    data = heap(word=word)
    path.write_bytes(data)
    report = scan_path(str(path), ONE).report
    found = {f.public["name"].rpartition(".")[2]: f for f in report.findings}
    assert set(found) == {"password", "oldPassword", "apiToken", "key"}
    first, second = found["password"].occurrences
    assert first.object == "com.zaxxer.hikari.HikariConfig.password (java.lang.String)"
    assert second.object == "java.lang.String"
    assert found["oldPassword"].occurrences[0].object == "com.zaxxer.hikari.HikariConfig.oldPassword (char[])"
    assert found["key"].occurrences[0].object == "javax.crypto.spec.SecretKeySpec.key (byte[])"
    assert data[first.offset : first.offset + first.length] == SECRET.encode()
    redact_path(str(path), copy, ONE)
    clean = copy.read_bytes()
    assert hprof_census(clean) == hprof_census(data)
    assert scan_path(str(copy), ONE).report.verdict == "clean"
    for form in (SECRET.encode(), SECRET[::-1].encode("utf-16-be"), SECRET.swapcase().encode(), KEY):
        assert form in data
        assert form not in clean
    assert b"prod-db-1x" in clean


@pytest.mark.parametrize("value", ["changeme1", "${DB_PASS1}", "/run/secrets/db1", "true", "postgres", "12345678"])
def test_placeholders_are_none(tmp_path: Path, value: str) -> None:
    path = tmp_path / "heap.hprof"
    path.write_bytes(heap(value).replace(value[::-1].encode("utf-16-be"), bytes(2 * len(value))))
    report = scan_path(str(path), ONE).report
    assert not [f for f in report.findings if "password" in f.public.get("name", "")]


def test_cut_off_anywhere(tmp_path: Path) -> None:
    data = heap()
    path = tmp_path / "heap.hprof"
    for size in range(40, len(data), 211):
        path.write_bytes(data[:size])
        assert scan_path(str(path), ONE).report.verdict == "inconclusive"
