"""The wheel holds what the program reads, and nothing that it does not; the source distribution what compiles it."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import dumpscan

ROOT = Path(dumpscan.__file__).parents[1]
CHECKOUT = pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="not a checkout")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: a build leaves things behind."""
    tree = tmp_path_factory.mktemp("packaging") / "tree"
    tree.mkdir()
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("dumpscan", "signatures"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"))
    return tree


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(tree), "--no-deps", "--quiet", "-w", str(folder)]
    if int(_version("setuptools").split(".")[0]) >= 77:
        command.append("--no-build-isolation")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("no setuptools >= 77 here, and none to be had")
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("crash_dumpscan-*.whl")
    return zipfile.ZipFile(path)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "0"


@CHECKOUT
def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "dumpscan").rglob("*") if path.is_file()}
    rules = {f"dumpscan/signatures/{path.name}" for path in (ROOT / "signatures").glob("*.yar")}
    wanted = {name for name in package if not name.endswith((".pyc", ".c", ".h", ".so", ".pyd"))} | rules
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    compiled = {name for name in held if name.endswith((".so", ".pyd"))}
    assert len(compiled) == 3 or not shutil.which("gcc")
    held -= compiled
    assert {"dumpscan/py.typed", "dumpscan/test_keys.tsv", "dumpscan/__main__.py"} <= wanted
    assert len(rules) > 5
    assert held == wanted


@CHECKOUT
def test_the_source_distribution_holds_what_is_compiled(tree: Path, tmp_path: Path) -> None:
    if int(_version("setuptools").split(".")[0]) < 77:
        pytest.skip("no setuptools >= 77 here")
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=copy, check=True, capture_output=True, timeout=300)
    (path,) = tmp_path.glob("crash_dumpscan-*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    sources = [*ROOT.glob("dumpscan/*.c"), *ROOT.glob("dumpscan/*.h"), *ROOT.glob("signatures/*.yar")]
    assert {source.relative_to(ROOT).as_posix() for source in sources} <= held


@CHECKOUT
def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    texts = {Path(name).name: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert "\nName: crash-dumpscan\n" in texts["METADATA"]
    assert f"\nVersion: {dumpscan.__version__}\n" in texts["METADATA"]
    assert "\nRequires-Python: >=3.11\n" in texts["METADATA"]
    assert "dumpscan = dumpscan.__main__:main" in texts["entry_points.txt"]
    assert "Apache License" in texts["LICENSE"]


@CHECKOUT
def test_the_wheel_runs_from_elsewhere(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    (tmp_path / "dump").write_bytes(b"nothing here\n")
    code = (
        "import sys; sys.path.insert(0, 'site'); import dumpscan, dumpscan.cli;"
        "assert 'site' in dumpscan.__file__; dumpscan.cli.main(sys.argv[1:])"
    )

    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120).stdout

    assert "github" in run("signatures", "list")
    assert "CLEAN" in run("scan", "dump")
