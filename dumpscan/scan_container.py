"""Scanning whatever a path names: a dump, a container with many, a folder.

Each member is scanned by itself; then every secret is looked for in all of them, and one report has them all: a secret
is one finding, and its places name the member.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dumpscan.containers.base import Member
from dumpscan.containers.opening import OpenedContainer, leaves, open_any, troubles
from dumpscan.digest import content_digest
from dumpscan.findings import Locator, Place, Secret, findings
from dumpscan.model import Coverage, DumpReport, Finding, Span, Unread, merged_spans
from dumpscan.scan import (
    Options,
    Progress,
    Scan,
    needles_of,
    scan_source,
    silent,
    sweep_source,
    verdict,
)
from dumpscan.source import FileSource
from dumpscan.sweep import Needles


@dataclass(frozen=True, slots=True)
class Leaf:
    """A member with bytes of its own, scanned; ``secrets`` also has the places of what was found in other members."""

    name: str
    member: Member
    scan: Scan
    secrets: tuple[Secret, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContainerScan:
    """A scanned container."""

    report: DumpReport
    leaves: tuple[Leaf, ...]
    seconds: dict[str, float]


def scan_any(path: str, options: Options, progress: Progress = silent) -> Scan | ContainerScan:
    """Scan the dump, container or folder at ``path``. Raises :class:`dumpscan.errors.SourceError`."""
    with open_any(path) as opened:
        if isinstance(opened, OpenedContainer):
            return scan_container(opened, path, options, progress)
        return scan_source(opened.source, path, options, progress, opened.unread)


def scan_container(opened: OpenedContainer, path: str, options: Options, progress: Progress = silent) -> ContainerScan:
    """Scan all members of ``opened``; ``path`` is what the report calls it."""
    container = opened.container
    scans: list[tuple[str, Member, Scan]] = []
    for name, member in leaves(container):
        assert member.path
        with FileSource(member.path) as source:
            scans.append((name, member, scan_source(source, name, options, progress)))
    known = _union(scan.secrets for _, _, scan in scans)
    orders = {scan.layout.byte_order: scan.layout for _, _, scan in scans}
    needles = {order: needles_of(known, layout) for order, layout in orders.items()}
    done = tuple(_spread(name, member, scan, known, needles, options) for name, member, scan in scans)
    found = _joined(done, options)
    unread = tuple(Unread(0, 0, trouble) for trouble in troubles(container))
    if not scans:
        unread = (*unread, Unread(0, 0, f"no file with anything in it in the {container.kind}"))
    dropped = max((one.dropped for one in needles.values()), default=0)
    limits = (f"{dropped} secrets too many to be looked for in all members",) if dropped else ()
    coverage = _coverage(scans, (*opened.unread, *unread), limits)
    incomplete = bool(coverage.unread or coverage.limits)
    incomplete |= any(scan.report.verdict == "inconclusive" for _, _, scan in scans)
    report = DumpReport(
        path=path,
        size=coverage.size,
        sha256=content_digest(opened.opened.source) if opened.opened and options.digest else "",
        format=container.kind,
        architecture=None,
        verdict=verdict(found, incomplete, options),
        coverage=coverage,
        findings=found,
    )
    seconds: dict[str, float] = {}
    for _, _, scan in scans:
        for stage, spent in scan.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    return ContainerScan(report, done, seconds)


def _union(groups: Iterable[Sequence[Secret]]) -> list[Secret]:
    """The secrets of all members, each once, with all its components and no place."""
    known: dict[bytes, Secret] = {}
    for secrets in groups:
        for secret in secrets:
            one = known.setdefault(secret.best.identity, Secret(secret.best))
            one.components |= secret.components
    return list(known.values())


def _spread(
    name: str, member: Member, scan: Scan, known: Sequence[Secret], needles: Mapping[str, Needles], options: Options
) -> Leaf:
    """Look in a member for the secrets of the others."""
    if not known:
        return Leaf(name, member, scan, ())
    assert member.path
    with FileSource(member.path) as source:
        swept = sweep_source(source, scan.layout, known, options, needles[scan.layout.byte_order])
        covered = merged_spans(place.span for secret in scan.secrets for place in secret.tidy())
        fresh = []
        for secret in swept:
            places = [place for place in secret.tidy() if not _covered(place, covered)]
            if places:
                new = Secret(secret.best)
                for place in places:
                    new.place(place)
                fresh.append(new)
        if not fresh:
            return Leaf(name, member, scan, scan.secrets)
        more = findings(fresh, Locator(source, scan.layout), options.fingerprint_key)
    report = replace(scan.report, findings=(*scan.report.findings, *more))
    return Leaf(name, member, replace(scan, report=report), (*scan.secrets, *fresh))


def _covered(place: Place, spans: Sequence[Span]) -> bool:
    return any(span.start <= place.span.start and place.span.end <= span.end for span in spans)


def _joined(done: Sequence[Leaf], options: Options) -> tuple[Finding, ...]:
    """One finding for each secret, its places with the names of the members."""
    merged: dict[str, Finding] = {}
    for leaf in done:
        for finding in leaf.scan.report.findings:
            places = tuple(replace(place, member=leaf.name) for place in finding.occurrences)
            other = merged.get(finding.fingerprint)
            if other is None:
                merged[finding.fingerprint] = replace(finding, occurrences=places)
                continue
            better = max(other, finding, key=lambda one: (one.confidence, one.severity))
            merged[finding.fingerprint] = replace(better, occurrences=other.occurrences + places)
    order = sorted(merged.values(), key=lambda f: (-f.severity, -f.confidence))
    return tuple(replace(finding, id=f"F{number}") for number, finding in enumerate(order, 1))


def _coverage(scans: Sequence[tuple[str, Member, Scan]], unread: Sequence[Unread], limits: Sequence[str]) -> Coverage:
    parts = [(name, scan.report.coverage) for name, _, scan in scans]
    gaps = [replace(gap, reason=f"{name}: {gap.reason}") for name, part in parts for gap in part.unread]
    all_limits = dict.fromkeys((*limits, *(f"{name}: {limit}" for name, part in parts for limit in part.limits)))
    return Coverage(
        sum(part.size for _, part in parts),
        sum(part.scanned for _, part in parts),
        sum(part.zero for _, part in parts),
        (*unread, *gaps),
        tuple(all_limits),
    )
