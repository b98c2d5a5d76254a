"""An archive is read, checked and shortened without any server."""

from __future__ import annotations

import os
import random
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from outbox.archive import Archive, Found
from outbox.archive.formats.choice import FILES
from outbox.errors import ArchiveDamaged, HistoryLost, InvalidName, InvalidSelector, InvalidStart
from tests.actors.archives import DAY_MS, MINUTE, archive_of, files, seqs, store

START = datetime.fromtimestamp(DAY_MS / 1000, UTC)


def minute(number: int) -> datetime:
    return START + timedelta(milliseconds=MINUTE * number)


@pytest.mark.parametrize("format", FILES)
def test_it_gives_all_records_of_all_chunks_in_order(format: str, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 4), (5, 9), format=format)

    assert seqs(archive.read()) == list(range(1, 10))
    assert archive.verify() == Found(3, 9, sum(file.stat().st_size for file in files(archive, "chunks")), 1, 9)
    assert archive.head == 9


def test_an_empty_one_has_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "nowhere")

    assert (list(archive.read()), archive.head, archive.chunks()) == ([], 0, [])
    assert archive.verify() == Found(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (0, None, range(1, 10)),
        (None, None, range(1, 10)),
        (1, 1, range(1, 2)),
        (3, 6, range(3, 7)),
        (4, None, range(4, 10)),
        (10, None, ()),
        (7, 3, ()),
        (minute(3), minute(6), range(3, 7)),
        (minute(3).replace(tzinfo=None), None, range(3, 10)),
        (minute(3) + timedelta(seconds=1), minute(6) - timedelta(seconds=1), range(4, 6)),
        (None, minute(0), ()),
        (minute(100), None, ()),
        (2, minute(5), range(2, 6)),
    ],
)
def test_start_and_end_are_included(start: Any, end: Any, found: Any, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 4), (5, 9))

    assert seqs(archive.read(start, end)) == list(found)


def test_types_and_key_choose(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    store(archive, range(1, 4), type="a", key="1")
    store(archive, range(4, 7), type="b", key="1")
    store(archive, range(7, 10), type="b", key="2")

    assert seqs(archive.read(types=["a"])) == [1, 2, 3]
    assert seqs(archive.read(types=["b"], key=1)) == [4, 5, 6]
    assert seqs(archive.read(key="2")) == [7, 8, 9]


def test_a_chunk_without_the_types_is_not_read(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    store(archive, range(1, 4), type="a")
    store(archive, range(4, 7), type="b")
    files(archive, "chunks")[0].unlink()

    assert seqs(archive.read(types=["b"])) == [4, 5, 6]


@pytest.mark.parametrize(("start", "end"), [(-1, None), (True, None), ("earliest", None), (1.5, None), (1, "x")])
def test_what_is_no_place_is_refused_before_anything_is_read(start: Any, end: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidStart):
        Archive(tmp_path).read(start, end)


def test_what_selects_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSelector):
        Archive(tmp_path).read(types="order.placed")  # type: ignore[arg-type]  # text in place of a list
    with pytest.raises(InvalidSelector):
        Archive(tmp_path).read(key=1.5)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", None, "x" * 129])
def test_a_name_that_is_no_folder_s_is_refused(name: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidName):
        Archive(tmp_path, name)


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_flipped_bit_is_found_and_its_chunk_named(format: str, which: int, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6), (7, 9), format=format)
    damaged = files(archive, "chunks")[which]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)

    for work in (archive.verify, lambda: list(archive.read())):
        with pytest.raises(ArchiveDamaged, match=damaged.name) as found:
            work()
        assert found.value.chunk == f"main/chunks/{damaged.name}"


@pytest.mark.parametrize("cut", [0, 1, 50])
def test_a_cut_chunk_is_found_and_named(cut: int, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6))
    damaged = files(archive, "chunks")[1]
    damaged.write_bytes(damaged.read_bytes()[:cut])

    with pytest.raises(ArchiveDamaged, match=damaged.name):
        archive.verify()


def test_a_lost_chunk_is_found_and_named(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6))
    lost = files(archive, "chunks")[1]
    lost.unlink()

    for work in (archive.verify, lambda: list(archive.read())):
        with pytest.raises(ArchiveDamaged, match=f"{lost.name}.*is missing"):
            work()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_lost_manifest_entry_is_found_and_its_chunk_named(which: int, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6), (7, 9))
    files(archive, "manifest")[which].unlink()

    with pytest.raises(ArchiveDamaged, match=files(archive, "chunks")[which].name):
        archive.verify()


def test_reading_does_not_pass_over_a_lost_manifest_entry(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6), (7, 9))
    files(archive, "manifest")[1].unlink()

    with pytest.raises(ArchiveDamaged, match="seq 4 to 6 are missing"):
        list(archive.read(types=["nothing"]))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"first": 5}', "null"])
def test_a_manifest_entry_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6))
    entry = files(archive, "manifest")[1]
    entry.write_text(content)

    with pytest.raises(ArchiveDamaged, match=entry.name):
        archive.verify()


def test_expiring_says_first_what_it_removes_and_keeps_the_newest_chunk(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6), (7, 9))

    assert [entry.last for entry in archive.expired(minute(6))] == [3]
    assert [entry.last for entry in archive.expired(timedelta(days=1))] == [3, 6]
    assert len(files(archive, "chunks")) == 3
    assert [entry.last for entry in archive.expire(timedelta(days=1))] == [3, 6]
    assert archive.verify().first == 7
    assert len(files(archive, "chunks")) == len(files(archive, "manifest")) == 1


def test_what_has_expired_is_no_silent_gap(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6))
    archive.expire(timedelta(days=1))

    assert seqs(archive.read()) == seqs(archive.read(0)) == [4, 5, 6]
    with pytest.raises(HistoryLost) as lost:
        list(archive.read(1))
    assert (lost.value.expected, lost.value.oldest) == (1, 4)


def test_what_expires_while_it_is_read_is_no_silent_gap(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6), (7, 9))
    reading = archive.read()
    next(reading)
    archive.expire(timedelta(days=1))

    with pytest.raises(HistoryLost):
        list(reading)


def test_its_position_is_that_of_its_newest_record(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6))
    position = archive.position()

    assert position is not None
    assert (position[0], position[1], str(position[2])) == (6, minute(6), f"{6:024x}")
    assert Archive(tmp_path, "other").position() is None


def counted(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes what is asked of the place."""
    asked: list[str] = []
    for name in ("read", "names"):
        method = getattr(archive.store, name)

        def call(path: str, method: Any = method) -> Any:
            asked.append(path)
            return method(path)

        monkeypatch.setattr(archive.store, name, call)
    return asked


def test_at_most_the_next_chunk_is_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_of(tmp_path, *((first, first + 2) for first in range(1, 30, 3)))
    asked = counted(archive, monkeypatch)
    for record in archive.read():
        chunks = [path for path in asked if "/chunks/" in path]
        assert len(chunks) <= (record.seq - 1) // 3 + 2

    assert len(chunks) == 10


def test_who_takes_one_record_has_one_chunk_read_and_the_manifest_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6), (7, 9))
    asked = counted(archive, monkeypatch)
    assert next(archive.read(5)).seq == 5

    assert asked == ["main/manifest", "main/manifest/0000000000000000004.json", f"main/chunks/{4:019d}-{6:019d}.jsonl"]


def test_the_newest_chunk_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_of(tmp_path, (1, 3))
    asked = counted(archive, monkeypatch)
    assert archive.position() == archive.position()
    assert [path for path in asked if "/chunks/" in path] == [f"main/chunks/{1:019d}-{3:019d}.jsonl"]
    store(archive, range(4, 7))

    assert (archive.position() or ())[0] == 6


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_reading_holds_two_chunks_at_most_however_many_there_are(format: str, tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    size = 0
    for first in range(1, 1200, 100):
        size = store(archive, range(first, first + 100), format, data={"x": random.randbytes(20_000)}).bytes
    list(archive.read(end=100))  # what is imported when it is first used
    tracemalloc.start()
    try:
        assert sum(1 for _ in archive.read()) == 1200
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 5 * size + (8 << 20), (peak, size)


def test_a_chunk_whose_manifest_entry_was_lost_is_not_removed(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6), (7, 9))
    lost = files(archive, "manifest")[1]
    entry = lost.read_bytes()
    lost.unlink()

    assert archive.remove_leftovers() == []
    lost.write_bytes(entry)
    assert archive.verify().records == 9


def test_what_killed_archivers_were_writing_is_removed(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6))
    left = [
        tmp_path / "main" / "chunks" / f".{7:019d}-{9:019d}.jsonl.0badcafe.tmp",
        tmp_path / "main" / "manifest" / f".{7:019d}.json.0badcafe.tmp",
    ]
    for file in left:
        file.write_text("half")
    archive.expire(timedelta(days=36500))
    assert all(file.exists() for file in left)  # it may be written just now
    for file in left:
        os.utime(file, (0, 0))
    archive.expire(timedelta(days=36500))

    assert not any(file.exists() for file in left)


@pytest.mark.parametrize("format", FILES)
def test_a_message_is_found_with_its_chunk(format: str, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (1, 3), (4, 6), (7, 9), format=format)
    found = archive.find(ObjectId(f"{5:024x}"))

    assert found is not None
    assert (found[0], found[1].seq) == (f"main/chunks/{archive.chunks()[1].file}", 5)
    assert archive.find(ObjectId()) is None


def test_a_message_is_looked_for_first_where_its_id_s_date_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_of(tmp_path, *((first, first + 99) for first in range(1, 500, 100)))
    made = ObjectId.from_datetime(minute(350))
    asked = counted(archive, monkeypatch)
    archive.find(made)

    assert [int(path[-25:-6]) for path in asked if "/chunks/" in path][:2] == [400, 500]
