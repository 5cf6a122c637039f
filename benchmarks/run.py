"""Times dumpscan and the scanners that people would use instead, on the same files in the same run.

    python benchmarks/run.py [--runs N] [--data FOLDER] [--write docs/performance.md] [NAME...]

Makes the inputs (see inputs.py; Java and gdb are needed, and 6 GB of disk), runs each program in turn, and prints
medians of wall time, bytes per second, processor time, peak memory over all processes, and ratios. Peers that are not
installed are left out, and named: ``pip install kingfisher-bin``; ``apt install yara rsakeyfind aeskeyfind``;
``go install github.com/betterleaks/betterleaks@latest``.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import random
import resource
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inputs import make

ROOT = Path(__file__).resolve().parent.parent
PEERS_ON = ("mixed", "numpy")
VARIANTS_ON = ("mixed", "zeros")
REDACTED = ("mixed", "zeros", "keys")
MORE = 1000
"""Signatures besides the built-in ones, in one of the variants."""
TIMEOUT = 1800
_FAILED = 0.1
"""Seconds in which no program reads an input: it failed."""


@dataclass(frozen=True)
class Run:
    """One run of a program: seconds of wall and processor time, and peak bytes over all its processes."""

    wall: float
    cpu: float
    peak: int


def dumpscan(path: Path, *more: str) -> list[str]:
    """The command that scans ``path``."""
    return [sys.executable, "-m", "dumpscan", "scan", "--quiet", "-f", "json", *more, str(path)]


def variants(path: Path, folder: Path) -> dict[str, list[str]]:
    """dumpscan without the digest, then in one process, with more signatures, and without its kernels."""
    more = folder / "more.yar"
    more.write_text(more_signatures())
    return {
        "dumpscan --no-digest": dumpscan(path, "--no-digest"),
        "dumpscan --no-digest --jobs 1": dumpscan(path, "--no-digest", "--jobs", "1"),
        f"dumpscan --no-digest, {MORE} more signatures": dumpscan(path, "--no-digest", "--signatures", str(more)),
        "dumpscan, DUMPSCAN_KERNEL=numpy": ["env", "DUMPSCAN_KERNEL=numpy", *dumpscan(path)],
    }


def redact(path: Path, folder: Path) -> list[str]:
    """The command that makes a copy of ``path``."""
    return [sys.executable, "-m", "dumpscan", "redact", "--quiet", "--force", "-o", str(folder / "copy"), str(path)]


def more_signatures() -> str:
    """``MORE`` rules as the built-in ones are, for tokens that nobody uses: each has a prefix of its own."""
    letters = random.Random(1)
    names = {"".join(letters.choices(string.ascii_lowercase, k=letters.randint(3, 8))) for _ in range(2 * MORE)}
    return "".join(_RULE.replace("NAME", name).replace("PREFIX", f"{name}_") for name in sorted(names)[:MORE])


_RULE = """
rule NAME_token {
  meta:
    id = "NAME-token"
    title = "A token"
    kind = "token"
    severity = "high"
    confidence = "possible"
    anchor = "PREFIX"
    longest = 60
    validator = "random"
    reference = "https://example.com"
    example = "PREFIX<base62:36>"
    counterexample = "PREFIXxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /PREFIX[0-9A-Za-z]{36}/
  condition:
    $a
}
"""


def peers(path: Path, folder: Path) -> dict[str, list[str]]:
    """The commands of the peers that are installed, by name."""
    rules = folder / "signatures.yar"
    rules.write_text("\n".join(file.read_text() for file in sorted((ROOT / "signatures").glob("*.yar"))))
    known = {
        "kingfisher": [
            "kingfisher",
            "scan",
            str(path),
            "--no-validate",
            "--no-update-check",
            "--max-file-size",
            "8000",
            "--format",
            "json",
        ],
        "betterleaks": ["betterleaks", "dir", "--max-target-megabytes", "8000", "--no-banner", str(path)],
        "yara, the same signatures": ["yara", "-w", str(rules), str(path)],
        "rsakeyfind": ["rsakeyfind", str(path)],
        "aeskeyfind": ["aeskeyfind", str(path)],
    }
    return {name: command for name, command in known.items() if shutil.which(command[0])}


def timed(command: Sequence[str]) -> Run:
    """Run ``command`` to its end; what it prints is thrown away."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        peak = _Peak(process.pid)
        peak.start()
        process.wait(TIMEOUT)
        wall = time.perf_counter() - started
        peak.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak.bytes)


KEY_STAGES = ("raw-integers", "aes-schedules", "proofs")
"""What ``--timings`` calls the search for keys and their proofs."""


def key_stages(path: Path) -> Run:
    """Of one scan without the digest, what the search for keys takes: seconds over all workers, and by each of them."""
    done = subprocess.run(
        dumpscan(path, "--no-digest", "--timings"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    lines = (line.split() for line in done.stderr.decode("utf-8", "replace").splitlines())
    spent = sum(float(words[0]) for words in lines if len(words) == 5 and words[-1] in KEY_STAGES)
    return Run(spent / len(os.sched_getaffinity(0)), spent, 0)


class _Peak(threading.Thread):
    """Samples the memory of a process and its descendants: shared pages count once (PSS). Seldom, for what is sampled
    waits for it, and the more processes there are, the longer."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._over, self.bytes = pid, threading.Event(), 0

    def run(self) -> None:
        while not self._over.wait(0.4):
            self.bytes = max(self.bytes, sum(_pss(pid) for pid in _family(self._pid)))

    def stop(self) -> None:
        """End the sampling."""
        self._over.set()
        self.join()


def _family(pid: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(c) for thread in threads for c in (thread / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(member for child in children for member in _family(child))]


def _pss(pid: int) -> int:
    """Needs root for processes that forbid to be looked at, as dumpscan's do."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def median(runs: Sequence[Run]) -> Run:
    """Each figure's median."""
    return Run(
        statistics.median(r.wall for r in runs),
        statistics.median(r.cpu for r in runs),
        max(r.peak for r in runs),
    )


def row(name: str, what: str, size: int, run: Run, ratio: float | None) -> str:
    """A line of the table."""
    cores = len(os.sched_getaffinity(0))
    cells = [
        name,
        what,
        f"{run.wall:.2f}",
        f"{size / run.wall / 1e9:.2f}",
        f"{size / run.wall / cores / 1e9:.2f}",
        f"{run.cpu:.2f}",
        f"{run.peak / 1e6:.0f}",
        "" if ratio is None else f"{ratio:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| input | program | wall s | GB/s | GB/s per core | CPU s | peak MB | times dumpscan's wall |\n"
    "|---|---|---|---|---|---|---|---|"
)


def machine() -> str:
    """The processor and what else a figure depends on."""
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.processor()}, {cores} cores, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def measure(files: dict[str, Path], runs: int) -> list[str]:
    """The table's lines."""
    lines = [HEAD]
    with tempfile.TemporaryDirectory(dir=next(iter(files.values())).parent) as folder:
        for name, path in files.items():
            size = path.stat().st_size
            commands = {"dumpscan": dumpscan(path)}
            if name in VARIANTS_ON:
                commands |= variants(path, Path(folder))
            if name in REDACTED:
                commands["dumpscan redact"] = redact(path, Path(folder))
            if name in PEERS_ON:
                commands |= peers(path, Path(folder))
            path.open("rb").read(1)
            done: dict[str, list[Run]] = {what: [] for what in commands}
            for what, command in commands.items():  # the page cache and the compiled rules are warm
                if what == "dumpscan" or "more signatures" in what:
                    timed(command)
            for _ in range(runs):
                for what, command in commands.items():
                    done[what].append(timed(command))
                if name in PEERS_ON:
                    done.setdefault("dumpscan, of that the search for keys", []).append(key_stages(path))
            ours = median(done["dumpscan"])
            for what, some in done.items():
                figures = median(some)
                if figures.wall < _FAILED:
                    print(f"{what} does not read {name}", flush=True)
                    continue
                ratio = None if what == "dumpscan" else figures.wall / ours.wall
                lines.append(row(name, what, size, figures, ratio))
                print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Read the arguments, measure, print, and write the table where it is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="inputs; default: all")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=ROOT / "benchmarks" / "data")
    parser.add_argument("--write", type=Path, help="replace the table in this file")
    arguments = parser.parse_args()
    files = make(arguments.data)
    chosen = {name: files[name] for name in arguments.names} if arguments.names else files
    compileall.compile_dir(ROOT / "dumpscan", quiet=1)  # as pip does; Python may be told not to
    print(machine(), HEAD, sep="\n\n")
    lines = measure(chosen, arguments.runs)
    if arguments.write:
        text = arguments.write.read_text()
        begin, end = text.index("<!-- table -->"), text.index("<!-- /table -->")
        how = f"Measured on {machine()}, {time.strftime('%Y-%m-%d')}, medians of {arguments.runs} runs."
        table = "\n".join([how, "", *lines])
        arguments.write.write_text(f"{text[:begin]}<!-- table -->\n{table}\n{text[end:]}")


if __name__ == "__main__":
    main()
