"""A Windows program that crashed under Wine and wrote its own minidump: texts, blobs, and what others see of the copy.

Its keys are the subject of ``test_libraries``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dumpscan.matchers.cng import CNG
from dumpscan.model import Candidate, Confidence, Finding, PublicKey
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from tests.makers.match import run
from tests.makers.readers import by_lldb, by_package, by_stackwalk
from tests.makers.truth import LEAST, Form, Search, forms, span_is_covered
from tests.makers.wine import Crashed, crashed

pytestmark = pytest.mark.heavy


@dataclass(frozen=True)
class Case:
    """The program's files, what dumpscan finds in its minidump, and the redacted copy."""

    program: Crashed
    findings: tuple[Finding, ...]
    copy: Path


ARCHITECTURES = {64: "x86_64", 32: "x86"}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("wine")
    with crashed(folder, bits=request.param) as program:
        pass
    copy = folder / "copy.dmp"
    report = redact_path(str(program.minidump), copy, Options(jobs=1)).report
    assert (report.format, report.architecture, report.verdict) == (
        "minidump",
        ARCHITECTURES[request.param],
        "findings",
    )
    assert (report.coverage.unread, report.coverage.limits) == ((), ())
    return Case(program, report.findings, copy)


def text(name: str, value: str) -> Search:
    """Search for ``value`` in either width of characters, whole or 16 characters of it."""
    widths = {"utf-8": 1, "utf-16-le": 2}
    return Search(Form(name, "value", code, value.encode(code), LEAST * width) for code, width in widths.items())


@pytest.mark.parametrize(
    ("attribute", "kind", "confidence"),
    [("token", "github-token", Confidence.PROVEN), ("password", "password", Confidence.VALIDATED)],
)
def test_texts_are_found_and_gone(case: Case, attribute: str, kind: str, confidence: Confidence) -> None:
    search = text(attribute, getattr(case.program, attribute))
    seen = search.sightings(case.program.minidump)
    assert any(s.whole and s.form.name == "utf-16-le" for s in seen)
    covered = [(o.offset, o.offset + o.length) for f in case.findings for o in f.occurrences]
    assert [(hex(s.start), s.end - s.start) for s in seen if not span_is_covered(s.start, s.end, covered)] == []
    assert [(hex(s.start), s.end - s.start) for s in search.sightings(case.copy)] == []
    places = {s.start for s in seen if s.whole}
    (finding,) = (f for f in case.findings if places & {o.offset for o in f.occurrences})
    assert (finding.kind, finding.confidence) == (kind, confidence)


def test_the_copy_is_clean(case: Case) -> None:
    assert case.copy.stat().st_size == case.program.minidump.stat().st_size
    assert scan_path(str(case.copy), Options(jobs=1)).report.verdict == "clean"


def test_another_parser_sees_the_same(case: Case) -> None:
    before = by_package(case.program.minidump)
    assert before is not None
    assert len(before["threads"]) == 2
    assert {"held.exe", "rsaenh.dll", "bcrypt.dll"} <= {name.rpartition("\\")[2] for name, _, _ in before["modules"]}
    assert len(before["ranges"]) > 50
    assert by_package(case.copy) == before


def test_lldb_sees_the_same(case: Case) -> None:
    before = by_lldb(case.program.minidump)
    assert "Exception 0xc0000005" in before
    assert "mainCRTStartup" in before
    assert by_lldb(case.copy) == before


def test_breakpad_sees_the_same(case: Case) -> None:
    before = by_stackwalk(case.program.minidump)
    assert "EXCEPTION_ACCESS_VIOLATION_WRITE" in before
    assert by_stackwalk(case.copy) == before


def test_a_minidump_of_wine_does_not_hold_the_keys_of_cng(case: Case) -> None:
    """They are GnuTLS's, in Linux's heap: what docs/libraries.md says of the two kinds of dump."""
    cng = [key for key in case.program.held if key.spki_sha256 and key.name.startswith("cng")]
    assert len(cng) == 4
    assert Search(f for key in cng for f in forms(key.name, key.parts)).sightings(case.program.minidump) == []


BLOBS = {
    "cng-rsa2048.rsa1": "cng-rsa2048",
    "cng-rsa2048.rsa2": "cng-rsa2048",
    "cng-rsa2048.rsa3": "cng-rsa2048",
    "cng-rsa3072.rsa3": "cng-rsa3072",
    "cng-p256.eccpublic": "cng-p256",
    "cng-p256.ecc": "cng-p256",
    "cng-p384.eccpublic": "cng-p384",
    "cng-p384.ecc": "cng-p384",
    "cng-aes256.kdbm": "cng-aes256",
    "capi-rsa2048.public": "capi-rsa2048",
    "capi-rsa2048.private": "capi-rsa2048",
    "capi-read.private": "capi-rsa2048-read",
    "capi-aes128.plain": "capi-aes128",
}


@pytest.mark.parametrize("blob", BLOBS)
def test_blobs_that_the_program_exported(case: Case, blob: str) -> None:
    (key,) = (key for key in case.program.held if key.name == BLOBS[blob])
    data = b"\xa5" * 13 + (case.program.folder / blob).read_bytes() + b"\xa5" * 13
    (found,) = run(CNG, data)
    if "public" in blob or blob.endswith(".rsa1"):
        assert isinstance(found, PublicKey)
        assert spki_sha256(found) == key.spki_sha256
        return
    assert isinstance(found, Candidate)
    assert (found.kind, found.public.get("spki_sha256", "")) == (key.kind, key.spki_sha256)
    assert found.confidence is (Confidence.PROVEN if key.spki_sha256 else Confidence.POSSIBLE)
    spanned = [data[span.start : span.end] for span in found.spans]
    assert set(spanned) <= {form.data for form in forms(key.name, key.parts)}


def spki_sha256(key: PublicKey) -> str:
    if key.algorithm == "rsa":
        n, e = key.numbers
        public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = rsa.RSAPublicNumbers(e, n).public_key()
    else:
        x, y = key.numbers
        public = ec.EllipticCurvePublicNumbers(
            x, y, ec.SECP256R1() if key.curve == "P-256" else ec.SECP384R1()
        ).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).hexdigest()
