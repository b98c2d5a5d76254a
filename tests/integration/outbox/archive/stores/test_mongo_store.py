"""Another MongoDB as the place of an archive: the same as in files, and nobody's documents are harmed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pymongo
import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.collection import Collection

from outbox.archive import Archive
from outbox.archive.writer import AnotherWriterError, store_chunk
from outbox.errors import ArchiveDamaged, HistoryLost
from tests.actors.archives import draft, seqs, store
from tests.doubles.crashes import Crash


class Place:
    """An archive in a collection, and a look past it at what is there."""

    def __init__(self, uri: str, client: MongoClient[Any]) -> None:
        self.database = client[f"test_{uuid.uuid4().hex}"]
        host, _, options = uri.removeprefix("mongodb://").partition("/")
        self.url = f"mongodb://{host}/{self.database.name}.history?{options.partition('?')[2]}"
        self.records: Collection[Any] = self.database["history"]
        self.entries: Collection[Any] = self.database["history.manifest"]

    def archive(self, *chunks: tuple[int, int], name: str = "main") -> Archive:
        made = Archive(self.url, name)
        for first, last in chunks:
            store(made, range(first, last + 1), "bson")
        return made


@pytest.fixture
def place(mongo_uri: str, mongo: MongoClient[Any]) -> Iterator[Place]:
    made = Place(mongo_uri, mongo)
    yield made
    mongo.drop_database(made.database.name)


def test_a_record_is_a_document_under_its_seq(place: Place) -> None:
    place.archive((1, 3))
    found = place.records.find_one({"_id": 2})

    assert found is not None
    assert list(found) == ["_id", "id", "created", "type", "key", "headers", "data"]
    assert (found["_id"], found["key"], found["data"]) == (2, "42", {"total": 2})
    assert [each["last"] for each in place.entries.find()] == [3]


def test_it_is_read_verified_listed_and_shortened_as_any_other(place: Place) -> None:
    archive = place.archive((1, 3), (4, 4), (5, 9))

    assert seqs(archive.read()) == list(range(1, 10))
    assert seqs(archive.read(3, 6, types=["order.placed"], key="42")) == [3, 4, 5, 6]
    assert (archive.head, archive.oldest, archive.verify().records) == (9, 1, 9)
    assert [entry.format for entry in archive.chunks()] == ["bson"] * 3
    assert [entry.first for entry in archive.expire(timedelta(days=1))] == [1, 4]
    assert place.records.count_documents({}) == 5
    assert archive.verify().first == 5
    with pytest.raises(HistoryLost):
        list(archive.read(1))


def test_whatever_its_name_it_is_the_archive_of_its_collection(place: Place) -> None:
    place.archive((1, 3), name="a")

    assert place.archive(name="b").head == 3


def test_a_changed_document_is_found_and_its_chunk_named(place: Place) -> None:
    archive = place.archive((1, 3), (4, 6))
    place.records.update_one({"_id": 5}, {"$set": {"key": "43"}})

    with pytest.raises(ArchiveDamaged, match=f"{4:019d}-{6:019d}"):
        archive.verify()


def test_a_lost_document_a_lost_chunk_and_a_lost_entry_are_found(place: Place) -> None:
    archive = place.archive((1, 3), (4, 6), (7, 9))
    place.entries.delete_one({"_id": 4})
    with pytest.raises(ArchiveDamaged, match="seq 4 to 6 are missing"):
        archive.verify()
    assert archive.remove_leftovers() == []
    place.entries.delete_one({"_id": 7})
    with pytest.raises(ArchiveDamaged, match=f"{4:019d}-{9:019d}.bson .*has no manifest entry"):
        archive.verify()
    place.records.delete_one({"_id": 2})
    with pytest.raises(ArchiveDamaged, match=f"{1:019d}-{3:019d}"):
        archive.verify()
    place.records.delete_many({"_id": {"$lte": 3}})
    with pytest.raises(ArchiveDamaged, match="is missing"):
        archive.verify()


@pytest.mark.parametrize("step", range(5))
def test_a_crash_at_any_step_leaves_all_of_a_chunk_or_nothing_that_counts(
    step: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = place.archive((1, 3))
    left = [step]

    def crashing(patch: pytest.MonkeyPatch, name: str) -> None:
        method: Callable[..., Any] = getattr(Collection, name)

        def call(collection: Any, *arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == -1:
                if name == "insert_many":  # some are there, and some are not
                    method(collection, arguments[0][:2], **named)
                raise Crash
            return method(collection, *arguments, **named)

        patch.setattr(Collection, name, call)

    with monkeypatch.context() as patch:
        for name in ("insert_many", "insert_one", "find"):
            crashing(patch, name)
        with suppress(Crash):
            store(archive, range(4, 8), "bson")
    head = Archive(place.url).head
    assert seqs(Archive(place.url).read()) == list(range(1, head + 1))
    if head == 3:
        store(archive, range(4, 10), "bson")  # longer than what was begun

    assert archive.verify().last in (7, 9)
    assert place.records.count_documents({}) == archive.head


@pytest.mark.parametrize("last", [5, 7, 9])
def test_of_two_writers_at_once_one_stores_and_the_other_is_told(last: int, place: Place) -> None:
    archive = place.archive((1, 3))
    another = draft(range(4, last + 1), "bson")

    def another_comes_first() -> None:
        store_chunk(Archive(place.url), another, lambda: None)

    with suppress(AnotherWriterError):  # or both have stored the very same
        store_chunk(archive, draft(range(4, 8), "bson"), another_comes_first)
    archive.remove_leftovers()
    assert archive.head == last
    assert place.records.count_documents({}) == max(7, last)  # behind the newest chunk another may be writing
    assert seqs(archive.read()) == list(range(1, last + 1))


def test_another_log_s_records_do_not_replace_what_counts(place: Place) -> None:
    archive = place.archive((1, 3), (4, 6))
    for seqs_of_other in (range(4, 6), range(4, 7), range(5, 9)):
        with pytest.raises((AnotherWriterError, FileExistsError)):
            store(archive, seqs_of_other, "bson", key="other")

    assert {record.key for record in archive.read()} == {"42"}
    assert archive.head == 6


def test_documents_that_are_not_the_archive_s_are_left_alone_and_named(place: Place) -> None:
    place.records.insert_one({"_id": "mine"})
    with pytest.raises(OSError, match=r"no archive's, such as the one with _id 'mine'"):
        place.archive((1, 3))
    place.records.drop()
    place.archive((1, 3))
    place.records.insert_one({"_id": Int64(5), "created": 0, "mine": True})
    with pytest.raises(OSError, match="has other documents where"):
        place.archive((4, 6))

    assert place.records.find_one({"_id": 5, "mine": True})
    assert place.archive().head == 3


def test_a_server_that_does_not_answer_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbox.archive.stores.mongo_store.time_limit", lambda *_: pymongo.timeout(0.1))
    with pytest.raises(OSError, match="the archive's MongoDB"):
        Archive("mongodb://127.0.0.1:1/shop.history").verify()
