"""What the README says is so: its session, its commands, its links, its options."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import dumpscan
from dumpscan import cli

ROOT = Path(dumpscan.__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LEFT_OUT = "…"


def session() -> Iterator[tuple[str, list[str]]]:
    """The commands that are quoted with their output: the command, the lines of its output."""
    command = ""
    lines: list[str] = []
    for line in README.splitlines():
        if line.startswith("    $ "):
            if command:
                yield command, lines
            command, lines = line[6:], []
        elif command and (line.startswith("    ") or not line):
            lines.append(line[4:])
        elif command:
            yield command, lines
            command = ""


def follows(quoted: list[str], real: list[str]) -> str | None:
    """The first quoted line that is not in ``real``, in order; a gap is allowed only where one is marked."""
    at, gap = 0, False
    for line in quoted:
        if line.strip().startswith(LEFT_OUT):
            gap = True
            continue
        if gap and not line:
            continue
        where = real.index(line, at) if line in real[at:] else -1
        if where < 0 or (where > at and not gap):
            return line
        at, gap = where + 1, False
    return None if at == len(real) or gap else f"not quoted: {real[at]}"


def without_blank_ends(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").split("\n")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "testdata").mkdir()
    shutil.copy(ROOT / "testdata" / "nginx-worker.core.zst", tmp_path / "testdata")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def test_the_session(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [(command, lines) for command, lines in session() if command.startswith("dumpscan ")]
    assert [command.split()[1] for command, _ in commands] == ["scan", "redact", "scan"]
    for command, quoted in commands:
        cli._run(command.split()[1:])
        real = "".join(capsys.readouterr())
        # the digest of the copy is that of the dump with its secrets gone, and so the same each time
        assert follows(without_blank_ends(quoted), without_blank_ends(real.splitlines())) is None, command


def test_the_comparison_can_fail() -> None:
    assert follows(["a", "… more …", "c"], ["a", "b", "c"]) is None
    assert follows(["a", "c"], ["a", "b", "c"]) == "c"
    assert follows(["a", "… more …", "d"], ["a", "b", "c"]) == "d"
    assert follows(["a"], ["a", "b"]) == "not quoted: b"


def test_the_two_commands() -> None:
    first = re.search(r"^    pip install '\.\[fast\]' && dumpscan scan (\S+)$", README, re.M)
    assert first
    assert (ROOT / first[1]).is_file()
    assert re.search(r"^    pip install -e '\.\[fast,test\]' && python -m pytest -q", README, re.M)
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert "\nfast =\n" in setup
    assert "\ntest =\n" in setup


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))]
)
def test_every_file_that_is_linked_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = {target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target}
    missing = sorted(target for target in targets if target and not ((ROOT / page).parent / target).exists())
    assert not missing


def test_every_path_in_the_readme_exists() -> None:
    paths = re.findall(r"`((?:benchmarks|docs|dumpscan|testdata|tests)/[\w./-]+)`", README)
    assert paths
    missing = sorted(path for path in paths if "NAME" not in path and not (ROOT / path).exists())
    assert not missing


def options(command: click.Command) -> set[str]:
    mine = {name for parameter in command.params for name in parameter.opts}
    if isinstance(command, click.Group):
        mine |= set().union(*map(options, command.commands.values()))
    return mine | {"--help"}


def test_every_option_and_command_exists() -> None:
    ours = re.sub(r"^    (?!\$ dumpscan).*$", "", README, flags=re.M)  # what other programs take, and output
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours))
    assert {"--baseline", "--known-key", "--accept-incomplete"} <= named
    assert named <= options(cli.cli)
    commands = set(re.findall(r"`dumpscan ([a-z]+)", README))
    assert {"scan", "redact", "formats", "signatures", "baseline"} == commands
    assert commands <= set(cli.cli.commands)


def test_the_window_is_as_large_as_it_says() -> None:
    from dumpscan.windows import WINDOW

    assert f"one window of {WINDOW >> 20} MiB" in README
