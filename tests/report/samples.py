"""Reports for the tests of writers; nothing in them is or was a secret."""

from __future__ import annotations

from dumpscan.model import Confidence, Coverage, DumpReport, Finding, Occurrence, Report, Severity, Unread

HOSTILE = "a\x00\x1b[31m\r\n\x7f\x85\u2028\u202e\u2066\u200b\ufeff\udc80\U000e0041<script>\"'&](http://x){0}\\é漢\u0301"
"""Everything that must not reach a terminal or a page as it is."""


def rsa() -> Finding:
    return Finding(
        id="F1",
        kind="rsa-private-key",
        title="RSA private key (2048 bits)",
        severity=Severity.CRITICAL,
        confidence=Confidence.PROVEN,
        evidence="p*q = n; n in certificate CN=example.test, issuer CN=Example Test CA, valid from 2026-01-01 to "
        "2027-01-01, serial 5d0c6d3a",
        fingerprint="hmac-sha256:" + "5a" * 32,
        occurrences=tuple(
            Occurrence(903696 + 4096 * i, 128, "pq"[i % 2], "limbs-le64", 0x7F3A10000000 + 4096 * i, "heap")
            for i in range(20)
        ),
        public={"spki_sha256": "c3" * 32},
        preview="RSA-2048 e=65537",
    )


def token() -> Finding:
    return Finding(
        id="F2",
        kind="github-token",
        title="GitHub personal access token",
        severity=Severity.HIGH,
        confidence=Confidence.VALIDATED,
        evidence="CRC-32 of the token agrees",
        fingerprint="hmac-sha256:" + "6b" * 32,
        occurrences=(
            Occurrence(512, 40, "token", "utf-8", None, None),
            Occurrence(70000, 80, "token", "utf-16-le", 0x5581, "/usr/bin/tool", "/usr/bin/tool", 4711),
        ),
        signature="github-pat",
        preview="ghp_… (40 characters)",
    )


def hostile() -> Finding:
    return Finding(
        id="F3",
        kind=HOSTILE,
        title=HOSTILE,
        severity=Severity.INFO,
        confidence=Confidence.POSSIBLE,
        evidence=HOSTILE,
        fingerprint="hmac-sha256:" + "7c" * 32,
        occurrences=(Occurrence(1, 9, HOSTILE, HOSTILE, 1 << 63, HOSTILE, HOSTILE, 1),),
        signature=HOSTILE,
        public={HOSTILE: HOSTILE},
        preview=HOSTILE,
    )


def dump(path: str, verdict: str, *findings: Finding, coverage: Coverage | None = None) -> DumpReport:
    seen = coverage or Coverage(3439176, 3000000, 439176)
    return DumpReport(path, seen.size, "ab" * 32, "elf-core", "x86_64", verdict, seen, findings)


def ordinary() -> Report:
    partial = Coverage(
        size=5000,
        scanned=4096,
        zero=0,
        unread=(Unread(4096, 904, "segment 3 ends past the file"), Unread(5000, 0, "the gzip file is cut short")),
        limits=("more key candidates than can be kept",),
    )
    dumps = (
        dump("core.1234", "findings", rsa(), token()),
        dump("/var/crash/clean core.zst", "clean"),
        dump("cut.dmp", "inconclusive", token(), coverage=partial),
    )
    return Report("0.1.0", "sha256:" + "cd" * 32, dumps)


def evil() -> Report:
    bad = Coverage(10, 0, 0, (Unread(0, 10, HOSTILE),), (HOSTILE,))
    hostile_dump = DumpReport(HOSTILE, 10, "", HOSTILE, HOSTILE, "inconclusive", bad, (hostile(),))
    return Report(HOSTILE, HOSTILE, (hostile_dump, dump("C:\\dumps\\a b.dmp", "inconclusive")))
