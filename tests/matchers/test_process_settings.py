"""Values in what the dump says is an environment or a command line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.matchers.base import View
from dumpscan.matchers.process_settings import PROCESS_SETTINGS
from dumpscan.model import COMMAND_LINE, ENVIRONMENT, Candidate, Confidence, Region, Span
from dumpscan.windows import plan

WEAK = "hun" + "ter2"
CHARSETS = pytest.mark.parametrize("charset", ["utf-8", "utf-16-le"])


def found(data: bytes, *, environment: bool, lead: int = 0) -> list[Candidate]:
    spans = (Span(lead, len(data)),)
    named = {"environments" if environment else "command_lines": spans}
    view = View(memoryview(data), spans, **named)  # type: ignore[arg-type]
    return [item for item in PROCESS_SETTINGS.match(view, ()) if isinstance(item, Candidate)]


@CHARSETS
@pytest.mark.parametrize("lead", [0, 1, 3])
def test_variables(charset: str, lead: int) -> None:
    text = f"=C:=C:\\\0A=1\0Db_PassWord_Dev={WEAK}\0SVC_TOKEN= Kx7pä9€ \n\0"
    text += "X_SECRET=$REF1\0x --token=T1t2T3t4\0PATH_KEY=/a/b1\0C_PASSWORD=\0\0"
    data = b"\xff" * lead + text.encode(charset)
    items = found(data, environment=True, lead=lead)
    assert {(c.public["name"], c.identity.decode()) for c in items} == {
        ("Db_PassWord_Dev", WEAK),
        ("SVC_TOKEN", "Kx7pä9€"),
    }
    for one in items:
        assert one.confidence is Confidence.VALIDATED
        assert data[one.spans[0].start : one.spans[0].end].decode(charset) == one.identity.decode()


def test_parts_of_connection_strings_and_addresses() -> None:
    text = (
        "ConnectionStrings__Main=Server=db1;User Id=sa;Password=Zw9!kkq2;Encrypt=true\0DB_CONN_STR=pg://u:Kx7Lp4@h/d\0"
    )
    assert {c.identity for c in found(text.encode("utf-16-le"), environment=True)} == {b"Zw9!kkq2", b"Kx7Lp4"}


@CHARSETS
@pytest.mark.parametrize(
    ("line", "values"),
    [
        (f'"C:\\my app\\a.exe" --db-password={WEAK} -v', {WEAK}),
        (f"a.exe /Password:{WEAK} /api-token Kx7Lp4", {WEAK, "Kx7Lp4"}),
        ('a.exe --password "two w0rds" --x', {"two w0rds"}),
        (f"a.exe --password='{WEAK}'", {WEAK}),
        ("java -Dspring.datasource.password=Kx7Lp4 -jar a.jar", {"Kx7Lp4"}),
        ("mysql -uroot -pstaple7 db", {"staple7"}),
        ("a\0--password\0two w0rds\0-v\0", {"two w0rds"}),
        (f"a\0--db-password={WEAK}\0", {WEAK}),
        ("a --password -P3306 --token --x1y2z3", set()),
        ("a --password-file /run/x1 --token-url=https://h/1", set()),
        ("a --password $PASS1 --secret %PASS1%", set()),
        ("a password Kx7Lp4", set()),
    ],
)
def test_arguments(charset: str, line: str, values: set[str]) -> None:
    items = found(line.encode(charset), environment=False)
    assert {c.identity.decode() for c in items} == values
    assert all(c.confidence is Confidence.VALIDATED for c in items)


def test_nothing_is_read_outside() -> None:
    data = f"A_PASSWORD={WEAK}\0--password={WEAK}\0".encode()
    assert not list(PROCESS_SETTINGS.match(View(memoryview(data), (Span(0, len(data)),)), ()))


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=300, deadline=None)
def test_total(data: bytes, environment: bool) -> None:
    for item in found(data, environment=environment):
        assert all(0 <= span.start < span.end <= len(data) for span in item.spans)


@pytest.mark.parametrize(
    "unit", [b"A=", b"A_TOKEN=x9Y8z7w6\0", b"--token ", b"\"'", b"a\0", b"-p", b"mysql -p", b"=", b"a:"]
)
@pytest.mark.parametrize("environment", [False, True])
def test_hostile_blocks_take_no_time(unit: bytes, environment: bool) -> None:
    data = unit * (1_000_000 // len(unit))
    started = time.process_time()
    found(data, environment=environment)
    assert time.process_time() - started < 15


@pytest.mark.parametrize("window", [64, 1 << 20])
def test_windows_know_what_they_hold(window: int) -> None:
    regions = [
        Region(0, 100, 0x1000, "memory", "heap"),
        Region(100, 60, 0x1064, "memory", ENVIRONMENT),
        Region(160, 40, 0x10A0, "memory", ENVIRONMENT),
        Region(200, 100, 0x10C8, "memory", "heap"),
        Region(300, 50, None, "command-line", "LinuxCmdLine"),
    ]
    held: dict[str, set[int]] = {ENVIRONMENT: set(), COMMAND_LINE: set()}
    for one in plan(regions, window, 16):
        for what, offsets in held.items():
            for span in one.holding(what):
                offsets.update(i for part in one.offsets(span) for i in range(part.start, part.end))
    assert held == {ENVIRONMENT: set(range(100, 200)), COMMAND_LINE: set(range(300, 350))}
