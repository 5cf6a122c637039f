"""The command line: parse, call, write."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click

from dumpscan import __version__
from dumpscan.baseline import dump_baseline, load_baseline
from dumpscan.config import find_config, read_config
from dumpscan.containers.folder import NAME as FOLDER
from dumpscan.containers.opening import UNREAD, kinds
from dumpscan.decoders import WRAPPERS
from dumpscan.errors import DumpscanError, IncompleteError, UsageError
from dumpscan.formats.registry import formats
from dumpscan.mask import printable
from dumpscan.model import Confidence, Coverage, DumpReport, Finding, PublicKey, Report, Severity, Unread
from dumpscan.parts import remove
from dumpscan.protect import forbid_core_dumps
from dumpscan.report.output import report_output
from dumpscan.report.signature_reference import markdown
from dumpscan.report.writers import WRITERS
from dumpscan.scan import Options, Progress, counts, silent
from dumpscan.scan_container import scan_any
from dumpscan.signatures_loader import Ruleset, load

EXIT = {"clean": 0, "findings": 1, "inconclusive": 3}
USAGE, INCOMPLETE = 2, 3

_EXISTING = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _common(command: _Command) -> _Command:
    """The options that ``scan``, ``redact`` and ``baseline`` share."""
    levels = [level.label for level in Severity]
    degrees = [degree.label for degree in Confidence]
    for option in reversed(
        (
            click.option("--signatures", multiple=True, type=_EXISTING, help="YARA rules of your own; repeatable."),
            click.option("--known-key", multiple=True, type=_FILE, help="PEM, certificate, JWKS or SSH public key."),
            click.option("--min-confidence", type=click.Choice(degrees), default="possible", show_default=True),
            click.option("--min-severity", type=click.Choice(levels), default="low", show_default=True),
            click.option("--ignore", multiple=True, help="Signature or kind that does not fail the gate; repeatable."),
            click.option("--baseline", type=_FILE, help="Accepted findings; needs --fingerprint-key."),
            click.option("--fingerprint-key", type=_FILE, help="File whose bytes key the fingerprints."),
            click.option("--jobs", type=click.IntRange(0), default=0, help="Worker processes; 0: one a processor."),
            click.option("--quiet", is_flag=True, help="Nothing on standard error but errors."),
            click.option("--no-digest", is_flag=True, help="Leave the dump's SHA-256 out of the report: faster."),
            click.option("--no-progress", is_flag=True, help="No progress bar."),
        )
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dumpscan")
@click.option("--config", type=_FILE, help="Standing choices; default: dumpscan.toml or setup.cfg of this folder.")
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """Find secrets in crash and memory dumps, and take them out before the dump moves."""
    if path := config or find_config(Path()):
        context.default_map = dict.fromkeys(("scan", "redact", "baseline"), read_config(path))


@cli.command()
@click.argument("dumps", nargs=-1, required=True, metavar="DUMP...")
@click.option("-f", "--format", "writer", type=click.Choice(list(WRITERS)), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the report to this file.")
@click.option("--timings", is_flag=True, help="Say on standard error where the time went.")
@_common
def scan(dumps: tuple[str, ...], writer: str, output: Path | None, timings: bool, **common: Any) -> int:
    """Report the secrets in each DUMP (- is standard input)."""
    _keep_inputs(output, dumps)
    ruleset, options = _options(common)
    reports = []
    codes = []
    for path in dumps:
        try:
            with _progress(common) as progress:
                done = scan_any(path, options, progress)
        except IncompleteError as error:
            _complain(f"{path}: {error}")
            reports.append(_unreadable(path, str(error)))
            codes.append(INCOMPLETE)
            continue
        reports.append(done.report)
        codes.append(EXIT[done.report.verdict])
        if timings:
            _tell_timings(done.seconds)
    with report_output(output) as out:
        WRITERS[writer](Report(__version__, ruleset.digest, tuple(reports)), out)
    return max(codes)


@cli.command()
@click.argument("dump", metavar="DUMP")
@click.option("-o", "--output", "copy", required=True, type=click.Path(path_type=Path), help="The redacted copy.")
@click.option("--report", type=click.Path(path_type=Path), help="Write what was found, as JSON.")
@click.option("--force", is_flag=True, help="Replace an existing COPY.")
@click.option("--accept-incomplete", is_flag=True, help="Redact a dump that could not be read whole.")
@click.option("--mark", is_flag=True, help="Say in COPY what was redacted: ELF core, minidump, hprof, kdump.")
@click.option("--mode", default="600", show_default=True, help="Permissions of the copy, octal.")
@_common
def redact(
    dump: str,
    copy: Path,
    report: Path | None,
    force: bool,
    accept_incomplete: bool,
    mark: bool,
    mode: str,
    **common: Any,
) -> int:
    """Write a copy of DUMP without the secrets, verified."""
    from dumpscan.redact_container import redact_any  # here, for a scan does not need it

    _keep_inputs(report, (dump, str(copy)))
    ruleset, options = _options(common)
    with _progress(common) as progress:
        done = redact_any(
            dump,
            copy,
            options,
            force=force,
            accept_incomplete=accept_incomplete,
            mode=_octal(mode),
            progress=progress,
            mark=mark,
        )
    if report:
        try:
            with report_output(report) as out:
                WRITERS["json"](Report(__version__, ruleset.digest, (done.report,)), out)
        except BaseException:  # what ends with another code than 0 leaves no copy
            remove(copy)
            raise
    if not common["quiet"]:
        findings = done.report.findings
        places = sum(len(finding.occurrences) for finding in findings)
        _say(f"{printable(str(copy))}: {_many(len(findings), 'finding')} in {_many(places, 'place')} taken out, ")
        _say(f"{done.overwritten} of {done.report.size} bytes overwritten; verified: nothing is found in the copy\n")
    return 0


@cli.command()
@click.argument("dumps", nargs=-1, required=True, metavar="DUMP...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The baseline file; default: standard output.")
@_common
def baseline(dumps: tuple[str, ...], output: Path | None, **common: Any) -> int:
    """Accept what is found in each DUMP: write its fingerprints for --baseline. Needs --fingerprint-key."""
    if common["fingerprint_key"] is None:
        raise UsageError("a baseline needs --fingerprint-key, or its fingerprints match in no other run")
    _keep_inputs(output, dumps)
    _, options = _options(common)
    found: list[Finding] = []
    for path in dumps:
        with _progress(common) as progress:
            report = scan_any(path, options, progress).report
        found.extend(finding for finding in report.findings if counts(finding, options))
    with report_output(output) as out:
        out.write(dump_baseline(found))
    return 0


@cli.command("formats")
def formats_command() -> int:
    """List the formats, containers and wrappers that are recognised, and what is done with each."""
    rows = [(fmt.name, f"{fmt.title}: {fmt.handling}") for fmt in formats()]
    for kind in (packed := kinds()):
        unread = f"; not read: {kind.unread}" if kind.unread else ""
        rows.append((kind.name, f"{kind.title}: every member is scanned; the copy has the same members{unread}"))
    rows.append((FOLDER, "folder: as an archive; the copy is a folder"))
    rows += [
        (name, "compressed file: taken off, and put on again around the copy")
        for name in WRAPPERS
        if name not in [kind.name for kind in packed]
    ]
    rows += [(name, "archive: recognised, and not read; the verdict is inconclusive") for name in UNREAD.values()]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}")
    return 0


@cli.group()
def signatures() -> None:
    """The rules for tokens and passwords."""


@signatures.command("list")
@click.option("-f", "--format", "style", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
def list_signatures(style: str) -> int:
    """List the built-in rules: id, kind, severity, validator, title."""
    if style == "markdown":
        click.echo(markdown(load().rules), nl=False)
        return 0
    rows = [
        (rule.id, rule.kind, rule.severity.label, rule.validator or "-", rule.title)
        for rule in sorted(load().rules, key=lambda rule: rule.id)
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        click.echo("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]))
    return 0


@signatures.command("check")
@click.argument("paths", nargs=-1, type=_EXISTING, metavar="[PATH]...")
def check_signatures(paths: tuple[Path, ...]) -> int:
    """Test rules against their own examples and against the limits of the engine (default: the built-in rules)."""
    from dumpscan.signature_check import check  # here, for a scan does not need it

    problems = list(check(paths))
    for problem in problems:
        click.echo(str(problem))
    click.echo(_many(len(problems), "problem"))
    return 1 if problems else 0


# ---------------------------------------------------------------- parts


def _options(common: dict[str, Any]) -> tuple[Ruleset, Options]:
    ruleset = load(user_paths=common["signatures"])
    if not common["quiet"]:
        for warning in (*ruleset.warnings, *ruleset.refused):
            _complain(str(warning))
    if common["baseline"] and common["fingerprint_key"] is None:
        raise UsageError("--baseline needs the --fingerprint-key that it was written with")
    key = _key(common["fingerprint_key"]) if common["fingerprint_key"] else os.urandom(32)
    options = Options(
        jobs=common["jobs"],
        signature_paths=tuple(common["signatures"]),
        known_keys=tuple(key for path in common["known_key"] for key in _known_keys(path)),
        min_confidence=Confidence[common["min_confidence"].upper()],
        min_severity=Severity[common["min_severity"].upper()],
        accepted=load_baseline(common["baseline"]) if common["baseline"] else frozenset(),
        ignored=frozenset(common["ignore"]),
        refused=tuple(str(rule) for rule in ruleset.refused),
        digest=not common["no_digest"],
        fingerprint_key=key,
    )
    return ruleset, options


def _known_keys(path: Path) -> tuple[PublicKey, ...]:
    from dumpscan.known_keys import load_known_keys  # here, for certificates take a tenth of the start

    return load_known_keys(path)


def _key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(key) < 16:
        raise UsageError(f"{path}: a fingerprint key has at least 16 bytes")
    return key


def _octal(mode: str) -> int:
    try:
        value = int(mode, 8)
    except ValueError:
        value = -1
    if not 0 <= value <= 0o777:
        raise UsageError(f"--mode takes octal permissions like 640, not {mode!r}")
    return value


def _unreadable(path: str, reason: str) -> DumpReport:
    coverage = Coverage(0, 0, 0, (Unread(0, 0, reason),))
    return DumpReport(path, 0, "", "unknown", None, "inconclusive", coverage)


def _keep_inputs(output: Path | None, inputs: Sequence[str]) -> None:
    """Refuse to write over what is read."""
    if output is None:
        return
    for path in map(Path, inputs):
        if path == output or (output.exists() and path.exists() and output.samefile(path)):
            raise UsageError(f"{output} would be overwritten")
    if output.is_dir():
        raise UsageError(f"{output} is a directory")
    if not output.parent.is_dir():
        raise UsageError(f"no directory {output.parent}")


@contextmanager
def _progress(common: dict[str, Any]) -> Iterator[Progress]:
    if common["quiet"] or common["no_progress"] or not sys.stderr.isatty():
        yield silent
        return
    from tqdm import tqdm  # here, for it takes a tenth of the start, and few runs need it

    bar: tqdm[Any] | None = None
    name = ""

    def show(stage: str, done: int, total: int) -> None:
        nonlocal bar, name
        if bar is None or name != stage:
            if bar is not None:
                bar.close()
            name = stage
            bar = tqdm(total=total, desc=stage, unit="B", unit_scale=True, leave=False, file=sys.stderr)
        bar.update(done)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def _tell_timings(seconds: dict[str, float]) -> None:
    total = sum(seconds.values()) or 1.0
    for name, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        _say(f"{spent:9.3f} s  {100 * spent / total:5.1f} %  {name}\n")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _say(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _complain(text: str) -> None:
    _say(f"dumpscan: {printable(text)}\n")


def _on_term(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and exit with the code of the contract."""
    forbid_core_dumps()
    _open_streams()
    signal.signal(signal.SIGTERM, _on_term)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup stays in force
        signal.signal(signal.SIGHUP, _on_term)
    code = _run(arguments)
    if code == INCOMPLETE:  # an orderly exit may wait for ever for a pool's thread after a worker's death
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _open_streams() -> None:
    """Give the numbers of streams that were closed from the start to nothing, lest a file of ours gets them.

    Python has None in the place of such streams. What is written to standard output is an error then, as on a pipe
    that nobody reads.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number < 2 else os.O_WRONLY)  # the lowest free number
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = io.StringIO()


class _Closed(io.StringIO):
    """Standard output where there is none."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def _run(arguments: Sequence[str] | None) -> int:
    try:
        # not cli.main(): that turns a closed pipe into exit 1, which is a verdict here, and Ctrl-C into an empty line
        with cli.make_context("dumpscan", list(sys.argv[1:] if arguments is None else arguments)) as context:
            return int(cli.invoke(context) or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except UsageError as error:
        _complain(str(error))
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted")
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except DumpscanError as error:
        _complain(str(error))
    except MemoryError:
        _complain("out of memory")
    except OSError as error:
        _complain(error.strerror or type(error).__name__)
    except Exception as error:  # its text and traceback may quote the dump
        _complain(f"internal error: {type(error).__name__}; please report it")
    return INCOMPLETE
