"""Where an archive's files are: each is written whole, by one, in a folder and in an object store."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from outbox.archive.stores.opening import store


@pytest.fixture(params=["folder", "file", "memory", "local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name = f"{tmp_path}/new/ä b"
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}/ä b"
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


def test_of_many_at_once_one_creates_a_file(place: str) -> None:
    files, ready = store(place), threading.Barrier(8)
    if place.startswith("memory:"):
        pytest.skip("fsspec's memory looks and then writes, in one process alone")

    def create(number: int) -> int:
        ready.wait()
        try:
            files.create("main/a", b"%d" % number)
        except FileExistsError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(8))) == 1


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
    assert store(place).remove_unfinished("main/chunks", 0) == []
