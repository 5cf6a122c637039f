"""The signature matcher: every encoding, its place, and nothing else."""

from __future__ import annotations

import base64
import pickle
import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.signatures import MOST_JUDGED, SignatureMatcher
from dumpscan.model import Candidate, Clue, Confidence, Severity, Span
from dumpscan.scan import Options, scan_source
from dumpscan.signature_check import run
from dumpscan.signature_examples import expand
from dumpscan.signatures_loader import load
from tests.makers.source import BytesSource

MATCHER = SignatureMatcher(load())
TOKEN = expand("ghp_<base62:30><crc32>")


def found(data: bytes) -> list[Candidate]:
    return run(MATCHER, data)


def base64_at(shift: int) -> bytes:
    return base64.b64encode(b"-;="[:shift] + TOKEN.encode() + b" ")


@pytest.mark.parametrize(
    ("data", "encoding", "length"),
    [
        (TOKEN.encode(), "utf-8", 40),
        (TOKEN.encode("utf-16-le"), "utf-16le", 80),
        (b"\1" + TOKEN.encode("utf-16-be") + b"\1", "utf-16be", 80),
        (TOKEN.encode("utf-32-le"), "utf-32le", 160),
        (TOKEN.encode("utf-32-be") + b"\1", "utf-32be", 160),
        (TOKEN.encode().hex().encode(), "hex", 80),
        (TOKEN.encode().hex().upper().encode(), "hex", 80),
        (base64_at(0), "base64", 54),
        (base64_at(1), "base64", 54),
        (base64_at(2), "base64", 54),
        (base64.b64encode(TOKEN.encode("utf-16-le")), "base64+utf-16", 107),
    ],
)
def test_encodings(data: bytes, encoding: str, length: int) -> None:
    for pad in range(4):
        candidates = found(b"\2" * pad + data + b"\0\0\0\0")
        assert [(c.encoding, len(c.spans[0]), c.identity) for c in candidates] == [(encoding, length, TOKEN.encode())]


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("pad", range(5))
def test_little_endian_wins_where_both_readings_fit(width: int, pad: int) -> None:
    data = b"\2" * pad + b"\0\0\0" + TOKEN.encode(f"utf-{8 * width}-le") + b"\0\0\0\0"
    (candidate,) = found(data)
    assert (candidate.encoding, candidate.spans[0].start) == (f"utf-{8 * width}le", pad + 3)


def test_base64_in_base64() -> None:
    inner = base64.b64encode(b"deploy:" + expand("<base62:20>").encode())
    outer = base64.b64encode(b'{"auths":{"registry.local":{"auth":"' + inner + b'"}}}')
    candidates = found(b" " + outer + b" ")
    assert [c.kind for c in candidates] == ["basic-auth"]
    assert candidates[0].identity == inner


def test_escaped_and_encoded_surroundings() -> None:
    for before in (b"token%3D", b"\\n", b"\\u003d", b"key="):
        assert len(found(before + TOKEN.encode() + b"&x")) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"x" + TOKEN.encode(),
        TOKEN.encode() + b"x",
        TOKEN[:-1].encode() + b"!",
        b"ghp_[0-9A-Za-z]{36}",
        b"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        b"AKIA" + b"IOSFODNN7EXAMPLE",
        b"https://user:password@example.com/",
        b"https://%s:%s@host/",
        b"password=os.environ['X']",
    ],
)
def test_near_misses(data: bytes) -> None:
    assert found(b"\0" + data + b"\0") == []


def test_value_alone_is_the_span() -> None:
    data = b"\0postgres://app:" + b"Zq8hunter2" + b"@db/app\0"
    (candidate,) = found(data)
    assert data[candidate.spans[0].start : candidate.spans[0].end] == b"Zq8hunter2"
    assert "hunter" not in repr(candidate)


def test_proven_beats_generic() -> None:
    (candidate,) = found(b"API_KEY=" + TOKEN.encode() + b"\0")
    assert (candidate.kind, candidate.confidence) == ("github-token", Confidence.PROVEN)


def test_position_does_not_matter() -> None:
    data = b"\0" * 5000 + b"Authorization: Bearer " + expand("<base62:44>").encode() + b"\r\n" + b"\0" * 5000
    spans = {run(MATCHER, data[cut:])[0].spans[0].start + cut for cut in (0, 1, 2, 3, 4990)}
    assert len(spans) == 1


def test_dense_hits_stay_linear() -> None:
    def seconds(count: int) -> float:
        data = b"password=" * count
        hits = [Hit(MATCHER.anchors.index(b"password"), 9 * i) for i in range(count)]
        begin = time.perf_counter()
        list(MATCHER.match(View(memoryview(data), (Span(0, len(data)),)), hits))
        return time.perf_counter() - begin

    seconds(1000)
    assert seconds(80_000) < 24 * max(seconds(10_000), 0.01)


def test_matcher_is_picklable() -> None:
    again = pickle.loads(pickle.dumps(MATCHER))
    assert [c.identity for c in run(again, TOKEN.encode())] == [TOKEN.encode()]


@settings(deadline=None)
@given(st.lists(st.sampled_from(range(len(MATCHER.anchors))), max_size=6), st.binary(max_size=64))
def test_total_on_noise(indices: list[int], noise: bytes) -> None:
    data = noise.join(MATCHER.anchors[i] for i in indices)
    run(MATCHER, data)


def test_hits_that_lie_do_no_harm() -> None:
    hits = [Hit(i, p) for i in range(0, len(MATCHER.anchors), 37) for p in (0, 5, 63)]
    assert list(MATCHER.match(View(memoryview(bytes(64)), (Span(0, 64),)), hits)) == []


AWS_SECRET = expand("<base62:20>/<base62:19>")
CLIENT_SECRET = expand("<base62:40>")
PASSWORD = expand("Zq8<base62:10>")


@pytest.mark.parametrize(
    ("text", "secret", "told"),
    [
        (
            f"[default]\naws_access_key_id = AKIAQYLPMN5HF2XKJ3ZD\naws_secret_access_key = {AWS_SECRET}\n",
            AWS_SECRET,
            {"access_key_id": "AKIAQYLPMN5HF2XKJ3ZD"},
        ),
        (
            f'{{"AccessKeyId": "ASIAQYLPMN5HF2XKJ3ZD", "SecretAccessKey": "{AWS_SECRET}"}}',
            AWS_SECRET,
            {"access_key_id": "ASIAQYLPMN5HF2XKJ3ZD"},
        ),
        (f"AWSSecretKey {AWS_SECRET} of AKIAQYLPMN5HF2XKJ3ZD", AWS_SECRET, {"access_key_id": "AKIAQYLPMN5HF2XKJ3ZD"}),
        (
            f"grant_type=client_credentials&client_id=web-frontend&client_secret={CLIENT_SECRET}",
            CLIENT_SECRET,
            {"client_id": "web-frontend"},
        ),
        (
            f'{{"clientSecret": "{CLIENT_SECRET}", "clientId": "a1b2.apps"}}',
            CLIENT_SECRET,
            {"client_id": "a1b2.apps"},
        ),
        (f"postgres://deploy:{PASSWORD}@db.internal:5432/app", PASSWORD, {"user": "deploy"}),
        ("Authorization: Basic " + expand("<basic>"), expand("<basic>"), {"user": "deploy"}),
    ],
    ids=["aws", "aws-json", "aws-without-names", "client", "client-json", "url", "basic"],
)
def test_pairs_are_one_finding(text: str, secret: str, told: dict[str, str]) -> None:
    shown = [c for c in found(f"\0{text}\0".encode()) if c.severity >= Severity.LOW]
    assert {c.identity for c in shown} == {secret.encode()}
    assert told.items() <= max(shown, key=lambda c: (c.confidence, c.severity, len(c.public))).public.items()


def limits_of(name: str, count: int) -> list[bytes]:
    """The limits that ``count`` different values of ``name`` in one window meet."""
    source = random.Random(4)
    data = b"".join(b'{"%s": "%s"}\n' % (name.encode(), source.randbytes(16).hex().encode()) for _ in range(count))
    view = View(memoryview(data), (Span(0, len(data)),))
    number = MATCHER.anchors.index(b'_key":')
    hits = [Hit(number, match.start()) for match in re.finditer(rb'_key":', data)]
    return [e.note for e in MATCHER.match(view, hits) if isinstance(e, Clue)]


def test_harmless_names_do_not_use_up_what_a_window_may_hold() -> None:
    count = MOST_JUDGED + 500
    assert limits_of("cache_key", count) == []
    assert limits_of("acme_key", count) == [b"more matches of named-secret than the limit of one window"]


def test_matches_beyond_the_limit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dumpscan.matchers.signatures.MOST_MATCHES", 9)
    for count, told in ((9, []), (10, [b"more matches of signatures than the limit of one window"])):
        data = b" " + (TOKEN.encode() + b" ") * count
        places = [match.start() for match in re.finditer(b"ghp_", data)]
        anchor = MATCHER.anchors.index(b"ghp_")
        items = list(MATCHER.match(View(memoryview(data), (Span(0, len(data)),)), [Hit(anchor, at) for at in places]))
        assert [item.note for item in items if isinstance(item, Clue)] == told
        assert len([item for item in items if isinstance(item, Candidate)]) == 9


@pytest.mark.parametrize(
    ("written", "password"),
    [
        (b"Authorization: Basic " + base64.b64encode(b"anna:Zq7-tannenbaum-41x"), b"Zq7-tannenbaum-41x"),
        (b"AUTH PLAIN " + base64.b64encode(b"\0anna\0Zq7-tannenbaum-41x"), b"Zq7-tannenbaum-41x"),
        (b"postgres://anna:Zq7%40tannenbaum%2F41x@db.corp.net/x", b"Zq7@tannenbaum/41x"),
    ],
)
def test_what_credentials_encode_is_looked_for_by_itself(written: bytes, password: bytes) -> None:
    """A server has decoded them: haproxy's list of users, the buffer of a decoder."""
    data = bytes(64) + written + bytes(200) + b"anna\0" + password + bytes(64)
    report = scan_source(BytesSource(data), "d", Options(jobs=1)).report
    at = data.rindex(password)
    places = [(o.offset, o.length, o.component) for f in report.findings for o in f.occurrences]
    assert (at, len(password), "password") in places
