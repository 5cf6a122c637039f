"""False alarms of the signatures: ``python -m benchmarks.token_false_alarms FOLDER [SOURCE_TREE...]``.

Dumps programs that hold no secrets with ``gcore`` into ``FOLDER``, scans each core at the default threshold, and prints
findings of signatures per GB. A ``SOURCE_TREE`` is read whole by a Python process before that is dumped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dumpscan.engine import Scanner
from dumpscan.matchers.base import View
from dumpscan.matchers.signatures import SignatureMatcher
from dumpscan.model import Candidate, Severity, Span
from dumpscan.signatures_loader import load

_WINDOW, _OVERLAP = 8 << 20, 256 << 10

_STDLIB = """
import importlib, pkgutil, sys, warnings
warnings.simplefilter("ignore")
for name in sorted(sys.stdlib_module_names):
    if name not in {"antigravity", "this", "idlelib", "turtledemo"}:
        try: importlib.import_module(name)
        except Exception: pass
print("ready", flush=True); sys.stdin.read()
"""
_TREE = """
import pathlib, sys
kept = [p.read_bytes() for root in sys.argv[1:] for p in sorted(pathlib.Path(root).rglob("*"))
        if p.is_file() and not p.is_symlink() and p.stat().st_size < 4_000_000]
texts = [k.decode("utf-8", "replace") for k in kept[::4]]
print("ready", flush=True); sys.stdin.read()
"""
_NODE = "Object.keys(require('module').builtinModules); console.log('ready'); process.stdin.on('data', () => 0)"


def programs(trees: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Name and command line of each program; it prints a line when it has done its work, and waits for input."""
    yield "bash", ["bash", "-c", "compgen -A function; declare -p > /dev/null; echo ready; read line; echo"]
    yield "python, standard library", [sys.executable, "-c", _STDLIB]
    if shutil.which("node"):
        yield "node", ["node", "-e", _NODE]
    if shutil.which("jshell"):
        yield "jvm (jshell)", ["jshell", "-s", "-J-Xmx256m", "-R-Xmx128m"]
    yield "git", ["git", "cat-file", "--batch-check"]
    for tree in trees:
        yield f"python, having read {Path(tree).name}", [sys.executable, "-c", _TREE, tree]


def dump(command: list[str], path: Path) -> None:
    """Run a program until it is ready, and dump it."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None and process.stdout is not None
        if command[0] == "git":
            process.stdin.write(b"HEAD\n")
            process.stdin.flush()
        if command[0] == "jshell":
            process.stdin.write(
                b'var list = new java.util.TreeMap<>(System.getProperties());\nSystem.out.println("ready")\n'
            )
            process.stdin.flush()
        process.stdout.readline()
        time.sleep(1)
        subprocess.run(["gcore", "-o", str(path), str(process.pid)], check=True, capture_output=True)
        process.kill()
    next(path.parent.glob(f"{path.name}.*")).rename(path)


def findings(path: Path, scanner: Scanner) -> set[tuple[bytes, str, str]]:
    """What signatures find in a file: (value, rule, confidence), each value once."""
    found: set[tuple[bytes, str, str]] = set()
    kept = b""
    with path.open("rb") as file:
        while data := file.read(_WINDOW):
            text = kept + data
            kept = text[-_OVERLAP:]
            view = View(memoryview(text), (Span(0, len(text)),))
            for item in scanner.evidence(view, Counter(), []):
                if isinstance(item, Candidate) and item.severity >= Severity.LOW:
                    found.add((item.identity, item.signature or "", item.confidence.label))
    return found


def main(arguments: list[str]) -> None:
    """Print the table."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    scanner = Scanner((SignatureMatcher(load()),))
    print("| program | MB | findings of signatures | rules |\n|---|---|---|---|")
    size = alarms = 0
    for number, (name, command) in enumerate(programs(arguments[1:])):
        path = folder / f"core{number}"
        if not path.exists():
            dump(command, path)
        found = findings(path, scanner)
        size += path.stat().st_size
        alarms += len(found)
        rules = ", ".join(f"{n} {rule}" for rule, n in sorted(Counter(rule for _, rule, _ in found).items()))
        print(f"| {name} | {path.stat().st_size / 1e6:.0f} | {len(found)} | {rules} |", flush=True)
    print(f"| all | {size / 1e6:.0f} | {alarms} | {alarms / (size / 1e9):.1f} per GB |")


if __name__ == "__main__":
    main(sys.argv[1:])
