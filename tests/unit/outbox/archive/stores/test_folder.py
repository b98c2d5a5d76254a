"""A folder as the place of an archive: what is in it is whole, and safe."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from outbox.archive.stores.folder import Folder


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files = Folder(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.create("main/a", b"1")
    assert files.names("main") == []


def test_a_file_is_safe_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda file: (steps.append("fsync"), fsync(file))[1])
    monkeypatch.setattr(os, "link", lambda *names: (steps.append("link"), link(*names))[1])
    Folder(tmp_path).create("main/a", b"1")

    assert steps == ["fsync", "link", "fsync"]  # the last one of the folder


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlinkable(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", unlinkable)
    files = Folder(tmp_path)
    files.create("main/a", b"1")
    with pytest.raises(FileExistsError):
        files.create("main/a", b"2")
    assert files.read("main/a") == b"1"
    assert files.names("main") == ["a"]


def test_what_a_killed_process_was_writing_is_removed_once_it_is_old(tmp_path: Path) -> None:
    files, left = Folder(tmp_path), f".{1:019d}-{9:019d}.jsonl.0badcafe.tmp"
    files.create("main/chunks/notes.txt", b"mine")
    (tmp_path / "main" / "chunks" / left).write_text("half")

    assert files.remove_unfinished("main/chunks", 3600) == []
    assert files.remove_unfinished("main/chunks", 0) == [left]
    assert files.names("main/chunks") == ["notes.txt"]
