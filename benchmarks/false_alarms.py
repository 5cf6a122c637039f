"""False alarms in cores of programs that hold no secrets, by confidence: ``python -m benchmarks.false_alarms``.

Prints the table of docs/libraries.md. Findings of severity ``info`` (the state of OpenSSL's random generator, which
every program with TLS has) are counted apart.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
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

_NODE = "require('tls').createSecureContext(); console.log('ready'); process.stdin.resume()"


def programs(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """(name, command) of the programs that are installed; each prints a line when it is idle."""
    yield "bash", ["bash", "-c", "for i in {1..2000}; do v[i]=$RANDOM; done; echo ready; read -r line; echo $line"]
    yield "Python, TLS and CA bundle", [sys.executable, "-c", _PYTHON_TLS]
    yield "Python, its standard library", [sys.executable, "-c", _PYTHON_LIBRARY]
    if shutil.which("javac"):
        (folder / "Idle.java").write_text(_JAVA)
        subprocess.run(["javac", "-d", str(folder), str(folder / "Idle.java")], check=True)
        yield "Java, default trust store", ["java", "-Xmx256m", "-cp", str(folder), "Idle"]
    if shutil.which("node"):
        yield "Node.js, a TLS context", ["node", "-e", _NODE]
    if shutil.which("git"):
        yield "git cat-file", ["git", "-C", str(_repository(folder / "git")), "cat-file", "--batch-check"]


def _repository(folder: Path) -> Path:
    """A small repository, so that git has objects to read."""
    shutil.copytree(Path(__file__).parent.parent / "dumpscan", folder)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@test.invalid"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a"], ["gc", "-q"]):
        subprocess.run([*git, *command], check=True)
    return folder


@contextmanager
def idle(command: Sequence[str]) -> Iterator[int]:
    """The process of ``command`` after its first line."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        if "cat-file" in command:
            process.stdin.write(b"HEAD\nHEAD^{tree}\nHEAD:cli.py\n")
            process.stdin.flush()
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def row(name: str, report: DumpReport) -> str:
    """One line of the table."""
    live = report.coverage.scanned / 1e9
    alarms = [f for f in report.findings if f.severity > Severity.INFO]
    counts = Counter(f.confidence.label for f in alarms)
    rates = " | ".join(f"{counts[label]} ({counts[label] / live:.1f})" for label in ("proven", "validated", "possible"))
    info = len(report.findings) - len(alarms)
    return f"| {name} | {report.size / 1e6:.0f} | {live * 1e3:.0f} | {rates} | {info} | {report.verdict} |"


def main() -> None:
    """Print the table, and what was found on standard error."""
    print("| program | MB | not zero | proven (a GB) | validated (a GB) | possible (a GB) | info | verdict |")
    print("|---|---|---|---|---|---|---|---|")
    for name, command, core in _cores():
        report = scan_path(str(core), Options()).report
        print(row(name, report), flush=True)
        for finding in report.findings:
            where = finding.occurrences[0].region if finding.occurrences else ""
            told = (finding.severity.label, finding.confidence.label, finding.title, finding.signature, finding.preview)
            print(f"  {command[0]}:", *told, where, file=sys.stderr)
        print(f"  {command[0]}: limits {report.coverage.limits}", file=sys.stderr)


def _cores() -> Iterator[tuple[str, list[str], Path]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, command in programs(folder):
            with idle(command) as pid:
                subprocess.run(["gcore", "-a", "-o", str(folder / "core"), str(pid)], check=True, capture_output=True)
            core = folder / f"core.{pid}"
            yield title, command, core
            core.unlink()


if __name__ == "__main__":
    main()
