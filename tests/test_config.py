"""Standing choices of a project: both files, what they refuse, and that the command line wins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dumpscan
from dumpscan.config import find_config, read_config
from dumpscan.errors import UsageError
from dumpscan.signature_examples import expand

ROOT = Path(dumpscan.__file__).parents[1]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "dumpscan", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, timeout=120, cwd=folder, env=environment)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dump").write_text("\0DB_PASSWORD=" + expand("Zq8<base62:14>") + "\0")
    return tmp_path


def test_toml_and_section_say_the_same(tmp_path: Path) -> None:
    toml = tmp_path / "dumpscan.toml"
    toml.write_text('fail-on = "high"\nignore = ["url-password", "jwt"]\nsignatures = ["rules"]\njobs = 2\n')
    setup = tmp_path / "setup.cfg"
    setup.write_text("[dumpscan]\nfail-on = high\nignore =\n    url-password\n    jwt\nsignatures = rules\njobs = 2\n")
    assert read_config(toml) == read_config(setup)
    assert read_config(toml) == {
        "min_severity": "high",
        "ignore": ["url-password", "jwt"],
        "signatures": [str(tmp_path / "rules")],
        "jobs": 2,
    }


def test_toml_comes_first_and_other_setup_files_do_not_count(tmp_path: Path) -> None:
    assert find_config(tmp_path) is None
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = other\n")
    assert find_config(tmp_path) is None
    (tmp_path / "setup.cfg").write_text("[dumpscan]\njobs = 1\n")
    assert find_config(tmp_path) == tmp_path / "setup.cfg"
    (tmp_path / "dumpscan.toml").write_text("")
    assert find_config(tmp_path) == tmp_path / "dumpscan.toml"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('fail-onn = "high"', "unknown key fail-onn"),
        ('fail-on = "dire"', "fail-on: is one of info, low"),
        ("ignore = 3", "ignore: is a text or a list"),
        ("jobs = true", "jobs: is a number"),
        ("baseline = 1", "baseline: is a path"),
        ("ignore = [", "dumpscan.toml"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "dumpscan.toml").write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_config(tmp_path / "dumpscan.toml")


def test_the_command_line_wins(project: Path) -> None:
    assert run(project, "scan", "dump").returncode == 1
    (project / "dumpscan.toml").write_text('fail-on = "critical"\n')
    assert run(project, "scan", "dump").returncode == 0
    assert run(project, "scan", "--min-severity", "low", "dump").returncode == 1


def test_ignored_rules_are_reported_and_fail_no_gate(project: Path) -> None:
    (project / "dumpscan.toml").write_text('ignore = ["password"]\n')
    done = run(project, "scan", "dump")
    assert done.returncode == 0, done.stderr
    assert b"Password" in done.stdout


def test_a_bad_file_is_bad_usage(project: Path) -> None:
    (project / "own.toml").write_text("jobs = -1\n")
    done = run(project, "--config", "own.toml", "scan", "dump")
    assert done.returncode == 2
    assert b"own.toml: jobs: is a number" in done.stderr
