"""False alarms in cores of programs without secrets, by confidence: ``python -m benchmarks.false_alarms [TREE...]``.

Prints the table of docs/libraries.md. Findings of severity ``info`` (the states of random generators, which every
program with TLS has) are counted apart. A ``TREE`` is read whole by a Python process before that is dumped. The larger
programs (a browser, a scanner of secrets) are made to dump themselves, which needs a plain ``core`` in
/proc/sys/kernel/core_pattern; what is not installed is left out.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dumpscan.model import DumpReport, Severity
from dumpscan.scan import Options, scan_path

_PYTHON_TLS = """
import ssl, socket
context = ssl.create_default_context()
context.load_verify_locations(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
print("ready", flush=True); input()
"""

_PYTHON_LIBRARY = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
for name in sorted(sys.stdlib_module_names - {"antigravity", "this", "idlelib", "tkinter", "turtledemo"}):
    try: importlib.import_module(name)
    except BaseException: pass
print("ready", flush=True); input()
"""

_PYTHON_HEAP = """
import base64, hashlib, json, os, uuid
kept = []
for i in range(250_000):
    made = os.urandom(24)
    kept.append(json.loads(json.dumps({
        "id": str(uuid.UUID(bytes=made[:16])), "sha256": hashlib.sha256(made).hexdigest(), "etag": made.hex(),
        "cache_key": hashlib.md5(made).hexdigest(), "cursor": base64.b64encode(made).decode(),
        "path": f"/objects/{made[:6].hex()}", "revision": hashlib.sha1(made).hexdigest()})))
text = "\\n".join(json.dumps(k) for k in kept[::4])
print("ready", flush=True); input()
"""

_PYTHON_TREE = """
import pathlib, sys
kept = [p.read_bytes() for p in sorted(pathlib.Path(sys.argv[1]).rglob("*"))
        if p.is_file() and not p.is_symlink() and p.stat().st_size < 4_000_000]
texts = [k.decode("utf-8", "replace") for k in kept[::4]]
print("ready", flush=True); input()
"""

_JAVA = """
public class Idle {
    public static void main(String[] arguments) throws Exception {
        javax.net.ssl.SSLContext context = javax.net.ssl.SSLContext.getDefault();
        var factory = javax.net.ssl.TrustManagerFactory.getInstance("PKIX");
        factory.init((java.security.KeyStore) null);
        System.out.println("ready");
        System.in.read();
        System.out.println(context + " " + factory);
    }
}
"""

_JAVA_HEAP = """
public class Heap {
    public static void main(String[] arguments) throws Exception {
        var random = new java.util.Random(1);
        var digest = java.security.MessageDigest.getInstance("SHA-256");
        var kept = new java.util.HashMap<String, Object>();
        for (int i = 0; i < 600_000; i++) {
            byte[] made = new byte[24];
            random.nextBytes(made);
            String id = new java.util.UUID(random.nextLong(), random.nextLong()).toString();
            String hex = java.util.HexFormat.of().formatHex(digest.digest(made));
            String text = java.util.Base64.getEncoder().encodeToString(made);
            kept.put(id, java.util.Map.of("digest", hex, "cursor", text, "bytes", made, "line", "sha256:" + hex));
        }
        System.out.println("ready");
        System.in.read();
        System.out.println(kept.size());
    }
}
"""

_NODE = "require('tls').createSecureContext(); console.log('ready'); process.stdin.resume()"
_PAGE = """<!doctype html><title>page</title><h1>page</h1><script>
const kept = new Map();
for (let i = 0; i < 100000; i++) kept.set('entry' + i, {number: i, text: String(i * 7)});
window.kept = kept; crypto.getRandomValues(new Uint8Array(32));
</script>"""


_OUTPUT = 16 << 20
"""Bytes that git prints before it is dumped."""


def programs(folder: Path, trees: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """(name, command) of the programs that are installed; each prints a line when it is idle."""
    yield "bash", ["bash", "-c", "for i in {1..2000}; do v[i]=$RANDOM; done; echo ready; read -r line; echo $line"]
    yield "Python, TLS and CA bundle", [sys.executable, "-c", _PYTHON_TLS]
    yield "Python, its standard library", [sys.executable, "-c", _PYTHON_LIBRARY]
    yield "Python, records with digests and identifiers", [sys.executable, "-c", _PYTHON_HEAP]
    if shutil.which("javac"):
        for name, source in (("Idle", _JAVA), ("Heap", _JAVA_HEAP)):
            (folder / f"{name}.java").write_text(source)
            subprocess.run(["javac", "-d", str(folder), str(folder / f"{name}.java")], check=True)
        yield "Java, default trust store", ["java", "-Xmx256m", "-cp", str(folder), "Idle"]
        yield "Java, records with digests and identifiers", ["java", "-Xmx1g", "-cp", str(folder), "Heap"]
    if shutil.which("node"):
        yield "Node.js, a TLS context", ["node", "-e", _NODE]
    if shutil.which("git"):
        git = ["git", "-C", str(_repository(folder / "git", trees)), "--no-pager"]
        yield "git cat-file", [*git, "cat-file", "--batch-check"]
        yield "git log -p", [*git, "log", "-p"]
        yield "git grep", [*git, "grep", "-n", "-e", "[a-z]"]
    for tree in trees:
        yield f"Python, having read {tree}", [sys.executable, "-c", _PYTHON_TREE, tree]


def busy(folder: Path, trees: Sequence[str]) -> Iterator[tuple[str, list[str], float]]:
    """(name, command, seconds after which it is dumped) of programs of many processes, or that never are idle."""
    if program := shutil.which("chromium"):
        (folder / "page.html").write_text(_PAGE)
        quiet = ("background-networking", "component-update", "gpu", "sync")
        options = [f"--user-data-dir={folder / 'profile'}", *(f"--disable-{name}" for name in quiet)]
        start = [program, "--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-port=0", *options]
        yield "Chromium", [*start, f"file://{folder / 'page.html'}"], 15
    if program := shutil.which("kingfisher"):
        yield "Kingfisher, reading", [program, "scan", *trees, "--no-validate", "--no-update-check"], 6


def _repository(folder: Path, trees: Sequence[str]) -> Path:
    """A repository of the first tree, or of this package, so that git has objects to read."""
    shutil.copytree(trees[0] if trees else Path(__file__).parent.parent / "dumpscan", folder, symlinks=True)
    git = ["git", "-C", str(folder), "-c", "gc.auto=0", "-c", "user.name=a", "-c", "user.email=a@test.invalid"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a"], ["gc", "-q"]):
        subprocess.run([*git, *command], check=True)
    return folder


@contextmanager
def idle(command: Sequence[str]) -> Iterator[int]:
    """The process of ``command`` after its first line; one that never is idle waits for its output to be read."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        if "cat-file" in command:
            process.stdin.write(b"HEAD\nHEAD^{tree}\nHEAD:cli.py\n")
            process.stdin.flush()
        process.stdout.readline()
        if command[-1] in ("-p", "[a-z]"):
            process.stdout.read(_OUTPUT)
        try:
            yield process.pid
        finally:
            process.kill()


def row(name: str, reports: Sequence[DumpReport]) -> str:
    """One line of the table: the dumps of a program's processes, each secret of a dump once."""
    live = sum(report.coverage.scanned for report in reports) / 1e9
    findings = [finding for report in reports for finding in report.findings]
    alarms = [f for f in findings if f.severity > Severity.INFO]
    counts = Counter(f.confidence.label for f in alarms)
    rates = " | ".join(f"{counts[label]} ({counts[label] / live:.1f})" for label in ("proven", "validated", "possible"))
    size = sum(report.size for report in reports) / 1e6
    verdicts = ", ".join(sorted({report.verdict for report in reports}))
    return f"| {name} | {size:.0f} | {live * 1e3:.0f} | {rates} | {len(findings) - len(alarms)} | {verdicts} |"


def main(trees: Sequence[str]) -> None:
    """Print the table, and what was found on standard error."""
    print("| program | MB | not zero | proven (a GB) | validated (a GB) | possible (a GB) | info | verdict |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, cores in _cores(folder, trees):
            reports = []
            for core in cores:
                reports.append(scan_path(str(core), Options()).report)
                core.unlink()
            if reports:
                print(row(title, reports), flush=True)
            for report in reports:
                _tell(title, report)


def _tell(title: str, report: DumpReport) -> None:
    for finding in report.findings:
        where = finding.occurrences[0].region if finding.occurrences else ""
        told = (finding.severity.label, finding.confidence.label, finding.title, finding.signature, finding.preview)
        print(f"  {title}:", *told, where, file=sys.stderr)
    print(f"  {title}: limits {report.coverage.limits}", file=sys.stderr)


def _cores(folder: Path, trees: Sequence[str]) -> Iterator[tuple[str, list[Path]]]:
    for title, command in programs(folder, trees):
        with idle(command) as pid:
            subprocess.run(["gcore", "-a", "-o", str(folder / "core"), str(pid)], check=True, capture_output=True)
        yield title, [folder / f"core.{pid}"]
    if Path("/proc/sys/kernel/core_pattern").read_text("ascii").strip() == "core":
        for title, command, seconds in busy(folder, trees):
            yield title, list(_quit(folder, command, seconds))


def _quit(folder: Path, command: Sequence[str], seconds: float) -> Iterator[Path]:
    """What the kernel writes of each process of ``command``, the youngest first; holes where memory was never used."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (8 << 30, 8 << 30)),
    ) as leader:
        time.sleep(seconds)
        for pid in sorted(_session(leader.pid), reverse=True):
            os.kill(pid, signal.SIGQUIT)
            deadline = time.monotonic() + 60
            while _running(pid) and time.monotonic() < deadline:
                time.sleep(0.2)
            for made in (folder / "core", folder / f"core.{pid}"):
                if made.exists():
                    yield made.rename(folder / f"dump.{pid}")


def _session(leader: int) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and os.getsid(int(folder.name)) == leader:
                yield int(folder.name)
        except ProcessLookupError:
            continue


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


if __name__ == "__main__":
    main(sys.argv[1:])
