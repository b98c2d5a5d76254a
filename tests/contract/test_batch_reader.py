"""What every reader of batches promises (outbox/delivery/ports.py, outbox/readers/reader.py), asked of each adapter."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox, Record
from outbox.dead_letters.requeued import RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.ports import BatchReader, LogBatchReader
from outbox.delivery.read_ahead import ReadAhead
from outbox.log.log import Log
from outbox.readers.reader import LogReader
from outbox.shares.layout import share_cursor
from tests.actors.order_service import Document, new_outbox
from tests.actors.small_log import append
from tests.waiting import wait_until

BATCHES = 8
SIZE = 150
LAST = BATCHES * SIZE


class Bench:
    """A log of BATCHES batches of SIZE records each, and a reader of it from the first record on."""

    reader: BatchReader
    grows = True
    """What is appended later is to come."""
    asks = True
    """It asks the server, which may fail."""

    def __init__(self, orders: Outbox, stack: ExitStack) -> None:
        self.orders = orders
        self.stack = stack

    def records(self) -> list[Record[Any]]:
        """All that the log has."""
        return [record for batch in self.orders.log.batches_from(1, BATCHES) for record in batch.records()]


class LogBench(Bench):
    """A reader that looks for itself."""

    def __init__(self, orders: Outbox, stack: ExitStack) -> None:
        super().__init__(orders, stack)
        reader = self.reader = self.opened()
        stack.callback(reader.close)

    def opened(self) -> LogBatchReader:
        return LogReader(self.orders.collections, 1)


class WokenBench(LogBench):
    """A reader that the process's own tail wakes, beside another one that reads the same log."""

    def opened(self) -> LogBatchReader:
        self.stack.enter_context(self.orders.running())
        self.stack.callback(self.orders.reader().close)
        return self.orders.reader(1)


class ReadAheadBench(LogBench):
    """Reads of more than a hundred records, so that the next one is always under way."""

    def opened(self) -> LogBatchReader:
        return ReadAhead(LogReader(self.orders.collections, 1))


class LettersBench(Bench):
    """All records of the log as letters that were requeued."""

    grows = False
    asks = False

    def __init__(self, orders: Outbox, stack: ExitStack) -> None:
        super().__init__(orders, stack)
        cursors = share_cursor(orders.collections.cursors, "relay:kafka")
        self.reader = RequeuedLetters(DeadLetterStore(orders.collections, cursors, 1, "dead-letter"), self.records())


KINDS = [LogBench, WokenBench, ReadAheadBench, LettersBench]


@pytest.fixture(scope="module")
def full(mongo: MongoClient[Document]) -> Iterator[Outbox]:
    """An outbox whose log has all these batches, for those who only read."""
    name = f"test_{uuid.uuid4().hex}"
    with new_outbox(mongo[name], sequence=False) as orders:
        append(orders, [(SIZE, 10)] * BATCHES)
        yield orders
    mongo.drop_database(name)


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, full: Outbox) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield request.param(full, stack)


@pytest.fixture
def reader(bench: Bench) -> BatchReader:
    return bench.reader


def read(reader: BatchReader) -> list[int]:
    """The seqs of one read."""
    return [record.seq for batch in reader.read_batches() for record in batch.records()]


def rest(reader: BatchReader) -> list[int]:
    """The seqs of all reads until one gives nothing."""
    return [seq for seqs in iter(lambda: read(reader), []) for seq in seqs]


def test_every_record_is_given_once_in_order(reader: BatchReader) -> None:
    assert rest(reader) == list(range(1, LAST + 1))


def test_each_record_is_as_the_log_has_it(bench: Bench) -> None:
    given = [record for found in iter(bench.reader.read_batches, []) for batch in found for record in batch.records()]

    assert given == bench.records()


def test_no_batch_is_empty(reader: BatchReader) -> None:
    """A pump takes a read without records for the end of what there is."""
    for found in iter(reader.read_batches, []):
        assert all(batch.records() for batch in found)


def test_after_the_last_record_nothing_is_given_however_often_it_is_asked_for(reader: BatchReader) -> None:
    rest(reader)

    assert [read(reader) for _ in range(3)] == [[], [], []]


def test_the_records_of_a_batch_can_be_asked_for_again(reader: BatchReader) -> None:
    (first, *_) = reader.read_batches()

    assert list(first.records()) == list(first.records())


@pytest.mark.parametrize("seq", [1, 2, SIZE - 1, SIZE, SIZE + 1, 4 * SIZE + 70, LAST - 1, LAST])
def test_it_goes_on_from_any_seq_also_inside_a_batch(reader: BatchReader, seq: int) -> None:
    reader.move(seq)

    assert rest(reader) == list(range(seq, LAST + 1))


def test_moved_back_it_gives_again_what_it_gave(reader: BatchReader) -> None:
    rest(reader)
    reader.move(SIZE + 20)

    assert rest(reader) == list(range(SIZE + 20, LAST + 1))


@pytest.mark.parametrize("seq", [1, SIZE - 7, 5 * SIZE, LAST])
def test_moved_between_two_reads_it_gives_nothing_of_where_it_was(reader: BatchReader, seq: int) -> None:
    """Goes red when what was read ahead is given after all."""
    read(reader)
    read(reader)
    reader.move(seq)

    assert rest(reader) == list(range(seq, LAST + 1))


def test_of_several_moves_the_last_one_counts(reader: BatchReader) -> None:
    for seq in (LAST, 1, 3 * SIZE, 2 * SIZE + 5):
        reader.move(seq)

    assert rest(reader) == list(range(2 * SIZE + 5, LAST + 1))


def test_moved_behind_the_last_record_it_gives_nothing_and_can_be_moved_back(reader: BatchReader) -> None:
    reader.move(LAST + 1)
    assert read(reader) == []

    reader.move(LAST)
    assert read(reader) == [LAST]


def test_waiting_takes_nothing_away(reader: BatchReader) -> None:
    """A pump waits between two reads for acknowledgements, too."""
    given: list[int] = []
    while found := read(reader):
        given += found
        reader.wait(0.001)

    assert given == list(range(1, LAST + 1))


def test_waiting_at_the_end_comes_to_an_end(reader: BatchReader) -> None:
    rest(reader)
    reader.wait(0.001)

    assert read(reader) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_is_given_by_a_later_read(kind: type[Bench], database: Database[Document]) -> None:
    with new_outbox(database, sequence=False) as orders, ExitStack() as stack:
        append(orders, [(3, 10)])
        bench = kind(orders, stack)
        assert rest(bench.reader) == [1, 2, 3]
        append(orders, [(2, 10)])
        given: list[int] = []

        def came() -> bool:
            bench.reader.wait(0.1)
            given.extend(read(bench.reader))
            return given == ([4, 5] if bench.grows else [])

        wait_until(came, 30, "what was appended later, if this reader has more than what it was made with")


def test_a_read_that_raised_may_be_made_again_and_nothing_is_left_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when a reader goes on before it is sure of what it gives."""
    raised: list[AutoReconnect] = []

    def failing_at_first(method: Callable[..., Any]) -> Callable[..., Any]:
        left = [AutoReconnect("cut off"), AutoReconnect("cut off again")]

        def asked(*arguments: Any) -> Any:
            if left:
                raise left.pop()
            return method(*arguments)

        return asked

    for name in ("batch_at", "batches_from"):
        monkeypatch.setattr(Log, name, failing_at_first(getattr(Log, name)))
    given: list[int] = []

    def ended() -> bool:
        try:
            found = read(bench.reader)
        except AutoReconnect as error:
            raised.append(error)
            return False
        given.extend(found)
        return not found

    wait_until(ended, 30, "all to be read")
    assert given == list(range(1, LAST + 1))
    assert len(raised) == (4 if bench.asks else 0)
