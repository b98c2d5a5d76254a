"""The manifest: what it says of a chunk, and that an entry is there once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from outbox.archive.manifest import Manifest
from outbox.errors import ArchiveDamaged
from tests.actors.archives import archive_of, files, store


def test_an_entry_says_what_its_chunk_has(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, format="jsonl.gz")
    store(archive, range(1, 4), "jsonl.gz")
    [chunk], [entry] = files(archive, "chunks"), files(archive, "manifest")

    assert chunk.name == "0000000000000000001-0000000000000000003.jsonl.gz"
    assert entry.name == "0000000000000000001.json"
    assert json.loads(entry.read_text()) == {
        "first": 1, "last": 3, "created_first": "2025-01-01T00:01:00.000Z", "created_last": "2025-01-01T00:03:00.000Z",
        "count": 3, "bytes": chunk.stat().st_size, "sha256": hashlib.sha256(chunk.read_bytes()).hexdigest(),
        "format": "jsonl.gz", "types": ["order.placed"],
    }  # fmt: skip


def test_an_entry_is_added_once(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3))
    with pytest.raises(FileExistsError):
        archive.manifest.add(archive.chunks()[0])


def test_entries_begin_with_the_chunk_that_holds_a_seq(tmp_path: Path) -> None:
    manifest: Manifest = archive_of(tmp_path, (1, 3), (4, 6), (7, 9)).manifest

    assert [entry.first for entry in manifest.entries(since=5)] == [4, 7]
    assert [entry.first for entry in manifest.entries(since=50)] == [7]


def test_chunks_that_overlap_are_named(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 5))
    store(archive, range(4, 9))

    with pytest.raises(ArchiveDamaged, match="begins before the one before it has ended"):
        archive.verify()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3))
    for folder in ("chunks", "manifest"):
        (tmp_path / "main" / folder / ".0000.json.tmp").write_text("half")
        (tmp_path / "main" / folder / "notes.txt").write_text("mine")

    assert archive.verify().records == 3
    assert archive.remove_leftovers() == []
