"""Values by the names that hold them, in every place where names and values stand."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.named_values import NAMED_VALUES
from dumpscan.model import Confidence
from dumpscan.redact import redact_path
from dumpscan.scan import Options, scan_path
from dumpscan.telling_names import is_secret_value, is_telling
from tests.makers.match import candidates, run, spanned
from tests.makers.minidump import MinidumpMaker
from tests.makers.programs import gcore, running

KEY = "q8ZrT2mV" + "w0Kx7Lp4+Yh3Nc9Jd5Sg1Bf6Ut0Qe2Wi"
WEAK = "hun" + "ter2"
BLOCK = [
    "SHELL=/bin/bash",
    f"DB_PASSWORD={WEAK}",
    f"AWS_SECRET_ACCESS_KEY={KEY}",
    "PWD=/root/work1",
    "GIT_ASKPASS=/usr/lib/git-core/askpass1",
    "A_SECRET=$VAULT_SECRET1",
    "B_TOKEN=true",
    "C_PASSWORD=changeme1",
    "D_SECRET=<your secret 1>",
    "E_TOKEN=1234567890",
    "F_PASSWORD=postgres",
    "G_SECRET_KEY=arn:aws:sm:eu-1:1:x9",
    "TOKENIZERS_PARALLELISM=n0tAsecret1",
    "XDG_ACTIVATION_TOKEN=shell-1-host_TIME9",
    "ConnectionStrings__Main=Server=db1;User Id=sa;Password=" + "Zw9!kkq2;Encrypt=true",
    "PATH=/usr/bin:/bin",
]
ENVIRONMENT = "\0".join(["x86_64", "./app", *BLOCK, "/app", ""])


def values(data: bytes) -> dict[str, str]:
    return {item.public["name"]: item.identity.decode() for item in candidates(NAMED_VALUES, data)}


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_environment_block(charset: str, shift: int) -> None:
    data = b"\1\0\0\0"[:shift] + ENVIRONMENT.encode(charset)
    found = candidates(NAMED_VALUES, data)
    assert {(c.public["name"], c.identity.decode()) for c in found} == {
        ("DB_PASSWORD", WEAK),
        ("AWS_SECRET_ACCESS_KEY", KEY),
        ("ConnectionStrings__Main", "Zw9!kkq2"),
    }
    assert all(c.confidence is Confidence.VALIDATED and "environment block" in c.evidence for c in found)
    assert {c.kind for c in found} == {"password", "named-value"}
    for one in found:
        assert spanned(data, one) == [one.identity.decode().encode(charset)]
        assert one.identity not in (one.preview + one.evidence + one.title + repr(one)).encode()


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("\0java\0-Dspring.datasource.password=Kx7Lp4mV\0-jar\0", "spring.datasource.password", "Kx7Lp4mV"),
        ("\0app\0--db-password=horse77\0-v\0", "db-password", "horse77"),
        ("\0app\0--api-token\0Kx7Lp4mVq8\0-v\0", "--api-token", "Kx7Lp4mVq8"),
        ('\0"C:\\app.exe" --password Kx7!Lp4mVq8 -v\0', "--password", "Kx7!Lp4mVq8"),
        ("\0mysql\0-uroot\0-pstaple7\0-hdb\0", "mysql -p", "staple7"),
        ("\0/usr/bin/mysqldump -u root -pstaple7 db\0", "mysqldump -p", "staple7"),
        ("\0sshpass\0-p\0staple7!\0ssh\0", "sshpass -p", "staple7!"),
        ("\0curl\0-s\0-u\0bob:staple77\0https://x\0", "curl -u", "staple77"),
        ("\0sh -c PGPASSWORD=Kx7!Lp4mV psql\0", "PGPASSWORD", "Kx7!Lp4mV"),
        ("a=b\nexport NPM_TOKEN=Kx7Lp4mVq8Zr\n", "NPM_TOKEN", "Kx7Lp4mVq8Zr"),
        ("# x\nspring.datasource.password=Kx7!Lp4mV\nc=d", "spring.datasource.password", "Kx7!Lp4mV"),
        ('"Env":["SVC_TOKEN=Kx7Lp4mVq8Zr","PATH=/bin"]', "SVC_TOKEN", "Kx7Lp4mVq8Zr"),
        ("\0\0SVC_SECRET=staple7\0\0", "SVC_SECRET", "staple7"),
        ("HOME=/\nDB_PASSWORD=staple7\nLANG=C\n", "DB_PASSWORD", "staple7"),
        ("ProcEnviron:\n HOME=/\n DB_PASSWORD=staple7\n LANG=C\n", "DB_PASSWORD", "staple7"),
    ],
)
def test_arguments_and_settings(text: str, name: str, value: str) -> None:
    assert values(text.encode()) == {name: value}


@pytest.mark.parametrize(
    "text",
    [
        "\0PASSWORD=%s\0TOKEN=%d\0",
        "\0--password\0--username\0password\0",
        "# set\nDB_PASSWORD=staple7\nthen go\n",
        "usage: app --password PASSWORD --token TOKEN1\n",
        "    token=self.next_token2()\n",
        "mysql -ppassword1 -u root\n",
        "\nPublicKeyToken=b03f5f7f11d50a3a\n",
        "f(password=passwords2[0], token=tok1)",
        "https://host/?token=Kx7Lp4mVq8Zr",
        "\0SSH_AUTH_KEY=ecdsa-sha2-nistp256-cert-v01@openssh.com\0",
    ],
)
def test_code_and_manuals_are_no_secrets(text: str) -> None:
    assert values(text.encode()) == {}


@pytest.mark.parametrize(
    ("name", "telling"),
    [
        (b"DB_PASSWORD", True),
        (b"GITHUB_TOKEN", True),
        (b"spring.datasource.password", True),
        (b"MYSQL_PWD", True),
        (b"REDISCLI_AUTH", True),
        (b"RAILS_MASTER_KEY", True),
        (b"SECRET_KEY_BASE", True),
        (b"PGPASSWORD", True),
        (b"PWD", False),
        (b"OLDPWD", False),
        (b"PUBLIC_KEY", False),
        (b"GPG_KEY", False),
        (b"AWS_ACCESS_KEY_ID", False),
        (b"PASSWORD_STORE_DIR", False),
        (b"SSH_AUTH_SOCK", False),
        (b"TOKEN_URL", False),
        (b"MAX_TOKENS", False),
        (b"--service-request-channel-token", False),
        (b"primordial-pipe-token", False),
        (b"KEYBOARD", False),
    ],
)
def test_names(name: bytes, telling: bool) -> None:
    assert is_telling(name) is telling


@given(st.binary(max_size=300), st.sampled_from(NAMED_VALUES.anchors), st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_total(before: bytes, anchor: bytes, after: bytes) -> None:
    data = before + anchor + after
    for item in candidates(NAMED_VALUES, data):
        assert all(0 <= span.start < span.end <= len(data) for span in item.spans)


@pytest.mark.parametrize(
    "unit",
    [b"A_TOKEN=\0", b"A_TOKEN=x9Y8z7w6\0", b"mysql -", b"--password ", b"TOKEN_" * 8 + b"=", b"_TOKEN=<" + b" " * 99],
)
def test_hostile_windows_take_no_time(unit: bytes) -> None:
    data = unit * (1_000_000 // len(unit))
    started = time.process_time()
    run(NAMED_VALUES, data)
    assert time.process_time() - started < 30  # minutes, were it quadratic
    assert not is_secret_value(unit * 1000, True)


def test_minidump_streams_end_to_end(tmp_path: Path) -> None:
    windows = ENVIRONMENT.encode("utf-16-le") + b"\0\0"
    maker = MinidumpMaker().system(9).stream(0x47670007, "\0".join(BLOCK).encode())
    maker.stream(0x47670006, b"app\0--token=" + KEY[::-3].encode() + b"\0")
    dump, copy = tmp_path / "dump", tmp_path / "copy"
    dump.write_bytes(maker.memory64((0x10000, bytes(32) + windows.ljust(8192, b"\0"))).build())
    scan = scan_path(str(dump), Options(jobs=1))
    regions = {f.public["name"]: {o.region for o in f.occurrences} for f in scan.report.findings}
    assert {"LinuxEnviron", "memory"} <= regions["DB_PASSWORD"]
    assert regions["token"] == {"LinuxCmdLine"}
    redact_path(str(dump), copy, Options(jobs=1))
    content = copy.read_bytes()
    assert scan_path(str(copy), Options(jobs=1)).report.verdict == "clean"
    for value in (WEAK, KEY, KEY[::-3], "Zw9!kkq2"):
        assert value.encode() not in content
        assert value.encode("utf-16-le") not in content
    assert b"DB_PASSWORD=XXXXXXX\0AWS_SECRET_ACCESS_KEY=X" in content


def test_core_of_a_shell(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/", "DB_PASSWORD": WEAK, "SVC_TOKEN": KEY, "LANG": "C"}
    with running(["sh", "-c", "read x; true"], env=environment, stdin=-1) as process:
        time.sleep(0.3)
        core = gcore(process.pid, tmp_path)
    report = scan_path(str(core), Options(jobs=1)).report
    found = {f.public["name"]: f for f in report.findings if f.signature == "named-value"}
    assert set(found) == {"DB_PASSWORD", "SVC_TOKEN"}
    assert "environment block" in found["DB_PASSWORD"].evidence
    content = core.read_bytes()
    for name, value in (("DB_PASSWORD", WEAK), ("SVC_TOKEN", KEY)):
        at = {o.offset for o in found[name].occurrences}
        assert content.count(f"{name}={value}".encode()) == len(at)
        assert all(content[o : o + len(value)] == value.encode() for o in at)
