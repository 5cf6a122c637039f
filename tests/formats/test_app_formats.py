"""Text and JSON that programs write when they die: recognised, redacted, and still text and JSON."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.node_json import HeapSnapshot
from dumpscan.formats.registry import recognise
from dumpscan.formats.snapshot_objects import SnapshotIndex
from dumpscan.model import Span
from dumpscan.redact import redact_path, text_filler, whole_escapes
from dumpscan.scan import Options, scan_path
from tests.makers.planted import github_token
from tests.makers.programs import need, run
from tests.makers.source import BytesSource

ONE = Options(jobs=1)
TOKEN = github_token(random.Random(5))
SECRET = "tr0ub4" + "dor&3"

TOMBSTONE = f"""*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
Build fingerprint: 'google/panther/panther:14/UQ1A.240205.002/11224170:user/release-keys'
Revision: 'MP1.0'
ABI: 'arm64'
Cmdline: com.example.app
pid: 17946, tid: 17949, name: Binder  >>> com.example.app <<<
signal 6 (SIGABRT), code -1 (SI_QUEUE), fault addr --------
Abort message: 'request failed: Authorization token {TOKEN}'
    x0  0000000000000000  x1  000000000000461d

backtrace:
      #00 pc 0000000000053a34  /apex/com.android.runtime/lib64/bionic/libc.so (abort+168)
"""
FAULT = f"""Fatal Python error: Segmentation fault

Current thread 0x00007f3cc6071b80 (most recent call first):
  File "/srv/app/{TOKEN}.py", line 105 in call
"""
PROTO = (
    b"\x08\x01\x12\x49google/panther/panther:14/UQ1A.240205.002/11224170:user/release-keys12345"
    b"\x1a\x05MP1.0\x72" + bytes([len(TOKEN)]) + TOKEN.encode()
)


def snapshot(secret: str = SECRET) -> bytes:
    """Two objects: a configuration with a password, a user and a number, and one that refers to the user."""
    fields = ["type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness"]
    types = ["hidden", "array", "string", "object", "code"]
    edges = ["context", "element", "property", "internal"]
    meta: dict[str, Any] = {
        "node_fields": fields,
        "node_types": [types, *["number"] * 6],
        "edge_fields": ["type", "name_or_index", "to_node"],
        "edge_types": [edges, "string_or_number", "node"],
    }
    strings = ["<dummy>", "HikariConfig", "password", secret, "user", "sa", "Other", '"nodes":[] \\ "', "token9"]
    nodes = [[3, 1, 1, 8, 3, 0, 0], [2, 3, 3, 8, 0, 0, 0], [2, 5, 5, 8, 0, 0, 0], [3, 6, 7, 8, 1, 0, 0]]
    links = [[2, 2, 7], [2, 4, 14], [1, 0, 21], [2, 4, 14]]
    parts = [
        json.dumps(meta, separators=(",", ":")),
        "\n,".join(",".join(map(str, row)) for row in nodes),
        "\n,".join(",".join(map(str, row)) for row in links),
        ",\n".join(map(json.dumps, strings)),
    ]
    text = '{{"snapshot":{{"meta":{},"node_count":4,"edge_count":4}},\n"nodes":[{}],\n"edges":[{}],\n"locations":[],\n'
    return (text + '"strings":[{}]}}').format(*parts).encode()


REPORT = json.dumps(
    {
        "header": {"reportVersion": 3, "event": "Fatal error"},
        "environmentVariables": {"HOME": "/", "DB_PASSWORD": SECRET, "QUOTED": f'a"\\n{TOKEN}\\"'},
    },
    indent=2,
).encode()
FILES = {
    "android-tombstone": TOMBSTONE.encode(),
    "android-tombstone-proto": PROTO,
    "python-faulthandler": FAULT.encode(),
    "node-report": REPORT,
    "v8-heap-snapshot": snapshot(),
}


@pytest.mark.parametrize("name", list(FILES))
def test_end_to_end(name: str, tmp_path: Path) -> None:
    path, copy = tmp_path / "dump", tmp_path / "copy"
    path.write_bytes(FILES[name])
    report = scan_path(str(path), ONE).report
    assert (report.format, report.verdict) == (name, "findings")
    redact_path(str(path), copy, ONE)
    clean = copy.read_bytes()
    assert len(clean) == len(FILES[name])
    assert TOKEN.encode() not in clean
    assert SECRET.encode() not in clean
    assert b"\0" not in clean or name.endswith("proto")
    if FILES[name][:1] == b"{":
        assert _shape(json.loads(clean)) == _shape(json.loads(FILES[name]))
    assert scan_path(str(copy), ONE).report.verdict == "clean"


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("name", list(FILES))
def test_another_file_is_not_taken_for_it(name: str) -> None:
    for other, data in FILES.items():
        assert (recognise(BytesSource(data)).name == name) is (other == name)
    assert recognise(BytesSource(b"x" + FILES[name])).name in ("raw", "android-tombstone")


@pytest.mark.parametrize("secret", [SECRET, 'q"1\\n2\\u20ac', "pässwörter€12", "7ab\ttab\nline"])
def test_a_string_is_told_by_its_property(secret: str, tmp_path: Path) -> None:
    path, copy = tmp_path / "a.heapsnapshot", tmp_path / "copy"
    path.write_bytes(snapshot(secret))
    report = scan_path(str(path), ONE).report
    if not secret.isprintable():
        assert not report.findings
        return
    (finding,) = report.findings
    assert finding.title == "Password in HikariConfig.password"
    assert finding.occurrences[0].object == "HikariConfig.password (string)"
    redact_path(str(path), copy, ONE)
    before, after = json.loads(path.read_bytes()), json.loads(copy.read_bytes())
    assert set(after["strings"][3]) == {"X"}
    assert [s for i, s in enumerate(after["strings"]) if i != 3] == [
        s for i, s in enumerate(before["strings"]) if i != 3
    ]
    assert after["nodes"] == before["nodes"]


def test_cut_off_snapshots_are_inconclusive(tmp_path: Path) -> None:
    data = snapshot()
    path = tmp_path / "cut"
    for size in range(60, len(data), 97):
        path.write_bytes(data[:size])
        assert scan_path(str(path), ONE).report.verdict == "inconclusive"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"type"', b'"tipe"'),
        (b"[3,1,1", b"[3,-1,99999999999999999999"),
        (b",7\n", b",700000000\n"),
        (b",7\n", b",-7\n"),
        (b"[2,2,7", b"[2,99,7"),
        (b"[2,2,7", b"[2,2,x"),
        (b'"edge_fields"', b'"edge_fields":[],"f"'),
        (b'{"meta":{', b'{"meta":{"a":' + b"[" * 9000 + b"]" * 9000 + b","),
    ],
)
def test_lying_snapshots(old: bytes, new: bytes) -> None:
    data = snapshot().replace(old, new, 1)
    assert data != snapshot()
    try:
        index = SnapshotIndex(BytesSource(data))
    except FormatError:
        return
    assert all(0 <= start <= start + size <= len(data) for start, size, _ in index.named_values())
    index.owners(list(range(0, len(data), 7)))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_span_of_a_json_string_leaves_json(data: st.DataObject) -> None:
    text = json.dumps([data.draw(st.text(max_size=30)), "end"], ensure_ascii=data.draw(st.booleans())).encode()
    start = data.draw(st.integers(2, len(text) - 8))
    end = data.draw(st.integers(start, len(text) - 8))
    span = whole_escapes(BytesSource(text), Span(start, end))
    assert span.start <= start
    assert end <= span.end
    changed = text[: span.start] + text_filler(text[span.start : span.end]) + text[span.end :]
    assert len(changed) == len(text)
    try:
        changed.decode()
    except UnicodeDecodeError:
        return  # a span that begins inside a character
    assert len(json.loads(changed)) == 2


_PROGRAM = """
class HikariConfig { constructor(p) { this.password = p; this.username = "sa"; } }
const values = require("fs").readFileSync(0, "utf8").split("|");
globalThis.config = new HikariConfig(values[0]);
globalThis.cloud = { apiToken: Buffer.from(values[1]).toString(), tokenType: "Bearer9" };
globalThis.quiet = { secretName: "db-1x", password: "changeme1" };
require("v8").writeHeapSnapshot(process.argv[2]);
process.report.writeReport(process.argv[3]);
"""


def test_real_node(tmp_path: Path) -> None:
    need("node")
    heap, report = tmp_path / "a.heapsnapshot", tmp_path / "report.json"
    (tmp_path / "a.js").write_text(_PROGRAM)
    tail = "qZ7" + "xk29w"
    done = run("node", tmp_path / "a.js", heap, report, input=f"{SECRET}|t0ken-€-{tail}", cwd=tmp_path)
    assert heap.is_file(), done.stderr
    found = scan_path(str(heap), ONE).report
    assert HeapSnapshot.name == found.format
    named = {f.public["name"] for f in found.findings if "name" in f.public}
    assert named == {"HikariConfig.password", "Object.apiToken"}, named
    copy = tmp_path / "copy"
    redact_path(str(heap), copy, ONE)
    after = json.loads(copy.read_bytes())
    assert len(after["strings"]) == len(json.loads(heap.read_bytes())["strings"])
    assert not [text for text in after["strings"] if SECRET in text or tail in text]
    assert scan_path(str(report), ONE).report.format == "node-report"


def test_real_faulthandler(tmp_path: Path) -> None:
    code = "import faulthandler, os; faulthandler.enable(); os.abort()"
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert recognise(BytesSource(done.stderr)).name == "python-faulthandler"
