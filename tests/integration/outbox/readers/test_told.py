"""What one reader has read goes to another one without a read of its own, if both read the very same log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.database import Database

from outbox import LogReplaced, Outbox
from outbox.readers.head import Head
from outbox.readers.reader import LogReader
from outbox.readers.recent import Recent
from tests.actors.command_listener import watched
from tests.actors.order_service import Document, new_outbox, placed, put_at

pytestmark = pytest.mark.oldest_server


class Readers:
    """Readers of one log, woken by one head, and what the first of them has read last."""

    def __init__(self, orders: Outbox, stack: ExitStack) -> None:
        self.orders = orders
        self.head = Head()
        self.recent = Recent()
        self._stack = stack
        self.first = self.open()

    def open(self, position: int = 1) -> LogReader:
        return self._stack.enter_context(closing(LogReader(self.orders.collections, position, head=self.head)))

    def put(self, *numbers: int) -> None:
        self.orders.put([placed(number) for number in numbers], standalone=True)
        self.orders.sequence()

    def read(self) -> None:
        batches = self.first.read_batches()
        self.recent.add(self.first.sight(), batches, self.first.position)


@pytest.fixture
def readers(database: Database[Document]) -> Iterator[Readers]:
    with new_outbox(database, sequence=False) as orders, ExitStack() as stack:
        readers = Readers(orders, stack)
        readers.put(1, 2)
        readers.read()
        yield readers


def _seqs(reader: LogReader, recent: Recent) -> list[int] | None:
    batches = reader.told(recent)
    return None if batches is None else [record.seq for batch in batches for record in batch.records()]


def test_a_reader_is_told_what_comes_and_goes_on_behind_it(readers: Readers) -> None:
    second = readers.open()

    assert _seqs(second, readers.recent) == [1, 2]
    assert _seqs(second, readers.recent) == []

    readers.put(3)
    assert [record.seq for record in second.read()] == [3]
    assert _seqs(second, readers.recent) is None  # it is ahead


def test_a_reader_of_another_log_is_told_nothing(readers: Readers) -> None:
    readers.orders.drop()
    readers.orders.create()
    other = readers.open()

    assert other.told(readers.recent) is None
    assert other.position == 1


def test_a_reader_that_another_head_wakes_is_told_nothing(readers: Readers) -> None:
    readers.head = Head()

    assert readers.open().told(readers.recent) is None


def test_after_the_tail_s_cursor_has_ended_it_looks_whether_it_is_the_same_log(readers: Readers) -> None:
    """A backup that was restored in place keeps the collection's UUID."""
    slow = readers.open()
    slow.read()
    readers.head.broken(is_followed=True)
    readers.orders.collections.log.update_one(
        {"_id": Int64(1)}, {"$set": {"records.1.id": ObjectId()}}, bypass_document_validation=True
    )
    readers.first, readers.recent = readers.open(3), Recent()  # which has read nothing that it could compare
    readers.put(3)
    readers.read()

    assert readers.recent.since(3)
    assert slow.told(readers.recent) is None
    with pytest.raises(LogReplaced):
        slow.read_batches()


def test_those_that_had_read_the_same_need_not_look_for_themselves(readers: Readers) -> None:
    """All of some thousands would, after each step-down."""
    same, new = readers.open(), readers.open(3)
    same.told(readers.recent)
    for number in (3, 4):
        readers.head.broken(is_followed=True)
        readers.read()  # which looks
        readers.put(number)
        readers.read()

        assert _seqs(same, readers.recent) == [number]
        assert _seqs(new, readers.recent) == [number]


def test_what_comes_after_it_is_read_causally_after_it(database: Database[Document], mongo_uri: str) -> None:
    with new_outbox(database, sequence=False) as orders, watched(mongo_uri, database) as (same, commands):
        put_at(orders, 1, 2)
        with Outbox(same, sequence=False) as reading, ExitStack() as stack:
            readers = Readers(reading, stack)
            second = readers.open()
            second.rest()
            readers.read()
            second.told(readers.recent)
            commands.clear()
            second.read_batches()

    asked: list[dict[str, Any]] = [find["readConcern"] for find in commands.of("find")]
    _, seen = readers.recent.sight.times if readers.recent.sight is not None else (None, None)
    assert asked
    assert all(each["afterClusterTime"] >= seen for each in asked)
