"""The floors of the design: imports only point down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dumpscan

PACKAGE = Path(dumpscan.__file__).parent

FLOORS = (
    ("model", "kernel", "errors", "protect", "mappings", "parts", "entry"),
    (
        "cache",
        "workers",
        "source",
        "plain",
        "literals",
        "mask",
        "aes",
        "asn1",
        "chacha20",
        "keys",
        "curves",
        "huffman",
        "telltales",
        "checksums",
        "documentation_examples",
    ),
    ("bip39", "verdicts", "as_file", "cursor"),
    ("plausibility",),
    (
        "decoders",
        "zip_methods",
        "zip_file",
        "windows",
        "pieces",
        "digest",
        "seams",
        "encodings",
        "public_keys",
        "ssh_wire",
        "validators",
        "signature_examples",
        "test_keys",
    ),
    ("telling_names",),
    ("wrappers",),
    ("containers",),
    ("formats",),
    ("matchers.base", "signatures_loader", "foreign_rules", "rule_source"),
    ("matchers",),
    ("matchers.registry", "prove", "signature_check", "known_keys", "heap_values"),
    ("engine",),
    ("sweep",),
    ("public_places",),
    ("findings",),
    ("scan",),
    ("scan_container",),
    ("rewrite", "marks"),
    ("redact", "report", "baseline", "config"),
    ("redact_container",),
    ("cli",),
    ("__main__",),
)
ONLY_IN_CLI = {"click", "tqdm"}


def floor(module: str) -> int:
    """The floor of ``module`` (dotted, below the package); the longest name decides."""
    named = [
        (len(name), level)
        for level, names in enumerate(FLOORS)
        for name in names
        if module == name or module.startswith(name + ".")
    ]
    if not named:
        pytest.fail(f"dumpscan.{module} is on no floor: add it to FLOORS")
    return max(named)[1]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").strip(".")
        yield name, ast.parse(path.read_text("utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_imports_point_down() -> None:
    upward = [
        f"dumpscan.{name} (floor {floor(name)}) imports {target} (floor {floor(target[9:])})"
        for name, tree in modules()
        if name and not name.startswith("signatures")
        for target in imports(tree)
        if target.startswith("dumpscan.") and floor(target[9:]) > floor(name)
    ]
    assert not upward


def test_command_line_libraries_stay_on_the_top_floor() -> None:
    strays = [
        f"dumpscan.{name} imports {target}"
        for name, tree in modules()
        if name != "cli"
        for target in imports(tree)
        if target.split(".")[0] in ONLY_IN_CLI
    ]
    assert not strays


def test_packages_hold_no_logic_in_their_init() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text("utf-8")).body
        rest = [node for node in body if not isinstance(node, ast.Expr | ast.Assign)]
        assert not rest, f"{path.relative_to(PACKAGE)} holds code"


def test_no_file_grows_out_of_hand() -> None:
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := path.read_text("utf-8").count("\n")) > 440
    }
    assert not long
