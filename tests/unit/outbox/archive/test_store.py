"""Where files are: each is written whole, by one, in a folder and in an object store."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from outbox.archive.store import Folder, ObjectStore, Store, store
from outbox.errors import InvalidArchive


@pytest.fixture(params=["folder", "file", "memory", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name = f"{tmp_path}/new/ä b"
    memory = f"memory://{uuid.uuid4().hex}/new"
    return {"folder": name, "file": f"file://{name}", "memory": memory, "local": f"local://{name}"}[request.param]


def test_what_is_created_is_there(place: str) -> None:
    files = store(place)
    files.create("main/chunks/b", b"2")
    files.create("main/chunks/a", b"1")

    assert files.names("main/chunks") == ["a", "b"]
    assert store(place).read("main/chunks/b") == b"2"


def test_only_one_creates_a_file(place: str) -> None:
    files = store(place)
    files.create("main/a", b"1")

    with pytest.raises(FileExistsError):
        files.create("main/a", b"2")
    assert files.read("main/a") == b"1"
    assert files.names("main") == ["a"]


def test_what_is_removed_is_gone_and_may_be_gone_before(place: str) -> None:
    files = store(place)
    files.create("main/a", b"1")
    files.remove("main/a")
    files.remove("main/a")

    assert files.names("main") == []
    with pytest.raises(FileNotFoundError):
        files.read("main/a")


def test_there_may_be_no_folder_yet(place: str) -> None:
    assert store(place).names("main/chunks") == []


def test_a_folder_is_used_without_fsspec() -> None:
    assert isinstance(store("/tmp/x"), Folder)
    assert isinstance(store(Path("x")), Folder)
    assert isinstance(store("memory://x"), ObjectStore)


@pytest.mark.parametrize("url", ["", None, 5, "nothing://x", "mongodb://x/y"])
def test_what_is_no_place_is_refused(url: Any) -> None:
    with pytest.raises(InvalidArchive):
        store(url)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files: Store = Folder(tmp_path)
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
    test_only_one_creates_a_file(str(tmp_path))
