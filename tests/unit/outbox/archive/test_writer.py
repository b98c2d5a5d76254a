"""A chunk is stored once, whole and checked: whatever crashes at any step, and whoever else writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from outbox.archive import Archive
from outbox.archive.stores.folder import Folder
from outbox.archive.writer import AnotherWriterError, store_chunk
from outbox.errors import ArchiveDamaged, LeaseLost
from tests.actors.archives import archive_of, draft, files, seqs, store
from tests.doubles.crashes import Crash


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ends the process just before its n-th call of the file system."""
    left = [step]

    def counted(owner: Any, name: str) -> None:
        method: Callable[..., Any] = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return method(*arguments, **named)

        monkeypatch.setattr(owner, name, call)

    for owner, name in (
        (os, "fsync"),
        (os, "link"),
        (Path, "open"),
        (Path, "mkdir"),
        (Path, "unlink"),
        (Path, "read_bytes"),
    ):
        counted(owner, name)


@pytest.mark.parametrize("step", range(14))
def test_a_crash_at_any_step_leaves_all_of_a_chunk_or_nothing_that_counts(step: int, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3))
    with pytest.MonkeyPatch.context() as patch:
        crash_at(patch, step)
        with suppress(Crash):
            store(archive, range(4, 8))
    head = archive.head

    assert head in (3, 7)
    assert seqs(archive.read()) == list(range(1, head + 1))
    if head == 3:
        store(archive, range(4, 8))
    archive.remove_leftovers()
    assert archive.verify().records == 7


def test_what_a_crash_has_left_is_replaced_when_it_is_damaged(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3))
    _, entry = draft(range(4, 8)).finish()
    archive.store.create(archive.manifest.path(entry), b"half")
    store(archive, range(4, 8))

    assert archive.verify().records == 7


def test_a_chunk_of_other_length_that_a_crash_has_left_is_removed_later(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3))
    stored, entry = draft(range(4, 6)).finish()
    archive.store.create(archive.manifest.path(entry), stored)
    store(archive, range(4, 8))
    removed = archive.remove_leftovers()

    assert removed == [entry.file]
    assert [file.name for file in files(archive, "chunks")] == [each.file for each in archive.chunks()]


def test_a_chunk_that_may_still_count_stays(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3))
    stored, entry = draft(range(4, 6)).finish()
    archive.store.create(archive.manifest.path(entry), stored)

    assert archive.remove_leftovers() == []


@pytest.mark.parametrize("last", [5, 7, 9])
def test_of_two_writers_at_once_one_stores_and_the_other_is_told(last: int, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3))

    def another_comes_first() -> None:
        store(Archive(tmp_path), range(4, last + 1), key="other")

    with pytest.raises((AnotherWriterError, FileExistsError)):
        store_chunk(archive, draft(range(4, 8)), another_comes_first)
    archive.remove_leftovers()
    assert archive.verify().last == last
    assert [record.key for record in archive.read(4)] == ["other"] * (last - 3)


def test_the_same_chunk_of_two_writers_counts_once(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3))
    store_chunk(archive, draft(range(4, 8)), lambda: store(Archive(tmp_path), range(4, 8)) and None)

    assert archive.verify().records == 7


def test_who_has_lost_the_lease_makes_nothing_count(tmp_path: Path) -> None:
    def lost() -> None:
        raise LeaseLost("gone")

    archive = archive_of(tmp_path, (1, 3))
    with pytest.raises(LeaseLost):
        store_chunk(archive, draft(range(4, 8)), lost)
    assert archive.head == 3


def test_what_is_read_back_otherwise_than_it_was_written_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(tmp_path, (1, 3))
    monkeypatch.setattr(Folder, "read", lambda self, path: (self._root / path).read_bytes().replace(b"7", b"8"))

    with pytest.raises(ArchiveDamaged, match="not read back as it was written"):
        store(archive, range(4, 8))
    assert archive.head == 3
