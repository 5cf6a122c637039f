"""Containers with given members, made by the standard library and by hand."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def tar(members: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar with modes and times that differ from member to member."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for number, (name, data) in enumerate(members.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), 1_600_000_000 + number, 0o600 + number
            info.uid, info.uname, info.gname = 1000 + number, "user", "grüppe"
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for number, (name, data) in enumerate(members.items()):
            info = zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 2 * (number % 30)))
            info.compress_type, info.external_attr = method, (0o600 + number) << 16
            archive.writestr(info, data)
    return out.getvalue()


def apport(core: bytes, fields: Mapping[str, str]) -> bytes:
    """As ``problem_report.py`` writes it: the gzip header in a line of its own, then a line a block."""
    packed = gzip.compress(core, mtime=0)
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines.append("CoreDump: base64")
    pieces = [packed[:10], *(packed[at : at + 5000] for at in range(10, len(packed), 5000))]
    lines += [" " + base64.b64encode(piece).decode() for piece in pieces]
    lines.append("Tags: amd64")
    return ("\n".join(["ProblemType: Crash", *lines]) + "\n").encode()


def folder(root: Path, members: Mapping[str, bytes]) -> Path:
    for name, data in members.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root
