"""What is ours on the disk goes, also when a signal comes in the moment it is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dumpscan import cache
from dumpscan.parts import create_private, part_beside, remove, unused_name
from dumpscan.redact import redact_path
from dumpscan.redact_container import redact_any
from dumpscan.scan import Options
from dumpscan.source import Spool


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file or folder of ours is made, and then Ctrl-C comes."""
    make_file, make_folder = os.open, os.mkdir

    def open_(path: Any, flags: int, *more: Any, **named: Any) -> int:
        handle = make_file(path, flags, *more, **named)
        if flags & os.O_EXCL:
            os.close(handle)
            raise KeyboardInterrupt
        return handle

    def mkdir(path: Any, *more: Any, **named: Any) -> None:
        make_folder(path, *more, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "mkdir", mkdir)


def test_the_copy(tmp_path: Path, interrupted: None) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(b"nothing in it")
    with pytest.raises(KeyboardInterrupt):
        redact_path(str(dump), tmp_path / "copy", Options(jobs=1))
    assert list(tmp_path.iterdir()) == [dump]


def test_the_copy_of_a_folder(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "dump").write_bytes(b"nothing in it")
    request.getfixturevalue("interrupted")
    with pytest.raises(KeyboardInterrupt):
        redact_any(str(folder), tmp_path / "copy", Options(jobs=1))
    assert list(tmp_path.iterdir()) == [folder]


def test_the_spool(tmp_path: Path, interrupted: None) -> None:
    spool = Spool.__new__(Spool)
    with pytest.raises(KeyboardInterrupt):
        spool.__init__(tmp_path)  # type: ignore[misc]
    spool.close()  # as at the interpreter's exit
    assert not list(tmp_path.iterdir())


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path)
    request.getfixturevalue("interrupted")
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        cache.store("key", b"body")
    assert not list(tmp_path.iterdir())


def test_what_is_kept_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUMPSCAN_CACHE", str(tmp_path))
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return 7

    def kept() -> int:
        return cache.kept("seven", make, lambda number: str(number).encode(), int, (ValueError,))

    assert (kept(), kept(), len(made)) == (7, 7, 1)
    cache.store("seven", b"no number")
    assert (kept(), kept(), len(made)) == (7, 7, 2)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_private(tmp_path: Path) -> None:
    path = unused_name(tmp_path, "a")
    os.close(create_private(path))
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_private(path)


def test_what_got_its_name_stays(tmp_path: Path) -> None:
    with part_beside(tmp_path / "copy") as part:
        part.write_bytes(b"complete")
        part.replace(tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_link_goes_and_not_what_it_leads_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    link = tmp_path / "link"
    link.symlink_to(kept)
    remove(link)
    assert list(tmp_path.iterdir()) == [kept]
    remove(link)  # twice is no error
