"""A reader: the log's records from a position on, in order, gapless or loudly not, and of that very log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from bson import Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database
from pymongo.errors import InvalidOperation

from outbox import HistoryLost, LogCorrupt, LogReplaced, Outbox, OutboxNotCreated
from outbox.log.log import Log
from outbox.readers.reader import LogReader
from tests.actors.command_listener import watched
from tests.actors.order_service import Document, new_outbox, placed, put_at, totals
from tests.actors.small_log import append
from tests.actors.subscriber import roll

pytestmark = pytest.mark.oldest_server


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB", sequence=False) as outbox:
        yield outbox


def test_reading_starts_at_a_seq_inside_a_batch(orders: Outbox) -> None:
    orders.put([placed(n) for n in range(1, 11)], standalone=True)
    orders.sequence()

    for seq in range(1, 11):
        assert totals(orders.read(seq)) == list(range(seq, 11))


def test_history_that_was_lost_is_told_in_exact_numbers(orders: Outbox) -> None:
    put_at(orders, 1, 2, 3)
    roll(orders)
    oldest = next(orders.read("earliest")).seq

    with pytest.raises(HistoryLost) as raised:
        list(orders.read(2))
    assert (raised.value.expected, raised.value.oldest) == (2, oldest)
    assert f"{oldest - 2} record(s)" in str(raised.value)


def test_a_reader_that_is_overrun_while_it_reads_learns_where_history_ends(orders: Outbox) -> None:
    put_at(orders, 1)
    roll(orders, 5)
    records = orders.read("earliest")
    assert next(records).seq == 1
    roll(orders, 20)

    with pytest.raises(HistoryLost) as raised:
        list(records)
    assert raised.value.oldest == orders.log.oldest()


def test_reading_a_log_that_was_dropped_meanwhile_says_so(orders: Outbox) -> None:
    roll(orders, 7)
    records = orders.read()
    next(records)
    orders.collections.log.drop()

    with pytest.raises(LogReplaced, match="dropped"):
        list(records)


def test_reading_a_log_that_was_made_anew_meanwhile_says_so(orders: Outbox) -> None:
    roll(orders, 7)
    records = orders.read()
    next(records)
    orders.drop()
    orders.create()

    with pytest.raises(LogReplaced):
        list(records)


def test_another_record_at_the_last_seen_seq_is_another_log(orders: Outbox) -> None:
    """A backup that was restored in place keeps the collection's UUID."""
    put_at(orders, 1, 2)
    reader = orders.reader()
    reader.read()
    orders.collections.log.update_one({"_id": Int64(1)}, {"$set": {"records.1.id": ObjectId()}})

    with pytest.raises(LogReplaced, match="another record at seq 2"):
        reader.verify()
    reader.close()


def test_a_log_that_is_dropped_while_a_reader_looks_whether_it_is_the_same_is_another_log(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_at(orders, 1, 2)
    reader = orders.reader()
    reader.read()
    at = Log.record_at

    def dropped_before(self: Log, *arguments: Any) -> Any:
        orders.collections.log.drop()
        return at(self, *arguments)

    monkeypatch.setattr(Log, "record_at", dropped_before)

    with pytest.raises(LogReplaced, match="dropped"):
        reader.verify()
    reader.close()


def test_whether_it_is_still_the_same_log_is_asked_causally_after_what_was_read(
    database: Database[Document], mongo_uri: str, orders: Outbox
) -> None:
    """Goes red without the reader's session: a new primary, whose majority lags behind the old one's for a moment,
    would seem to hold another log."""
    put_at(orders, 1, 2)
    with watched(mongo_uri, database) as (same, commands), Outbox(same, sequence=False) as reading:
        reader = reading.reader("earliest")
        assert totals(reader.read()) == [1, 2]
        commands.clear()
        reader.verify()
        reader.close()

    asked = [find["readConcern"] for find in commands.of("find")]
    assert asked
    assert all("afterClusterTime" in each for each in asked)


def test_a_log_made_anew_before_anything_was_read_of_it_is_another_one(database: Database[Document]) -> None:
    """Only its UUID tells: no record can differ."""
    orders = new_outbox(database, sequence=False)
    reader = orders.reader("earliest")
    orders.drop()
    orders.create()

    with closing(reader), pytest.raises(LogReplaced):
        reader.verify()


@pytest.fixture
def reader(orders: Outbox) -> Iterator[LogReader]:
    with closing(orders.reader(1)) as reader:
        yield reader


def test_its_position_is_the_seq_that_it_will_give_next(orders: Outbox, reader: LogReader) -> None:
    append(orders, [(3, 10)])
    assert reader.position == 1
    reader.read()
    assert reader.position == 4
    reader.move(2)

    assert reader.position == 2


def test_a_read_is_a_bounded_part_of_a_backlog(orders: Outbox, reader: LogReader) -> None:
    """Goes red when a read takes a thousand batches of any size: 1 GiB at once."""
    append(orders, [(250, 1000)] * 24)
    reads = [sum(len(each.raw) for each in found) for found in iter(reader.read_batches, [])]

    assert sum(reads) > 6 << 20
    assert max(reads) <= 2 << 20


def test_of_small_batches_a_read_has_many(orders: Outbox, reader: LogReader) -> None:
    append(orders, [(1, 10)] * 500)
    reads = [len(found) for found in iter(reader.read_batches, [])]

    assert sum(reads) == 500
    assert len(reads) < 6


def test_what_is_no_record_is_an_error_and_the_reader_stays_before_it(orders: Outbox, reader: LogReader) -> None:
    append(orders, [(2, 10)])
    [batch] = orders.log.batches_from(1, 1)
    odd = RawBSONDocument(batch.raw.replace(b"\x07id\x00", b"\x07ix\x00", 1))
    orders.collections.log.drop()
    database = orders.collections.database
    database.create_collection("outbox", capped=True, size=8 << 20).insert_one(odd)

    with closing(orders.reader(1)) as reading:
        for _ in range(2):
            with pytest.raises(LogCorrupt, match="record 0 of the batch 1"):
                reading.read()
            assert reading.position == 1


def test_what_is_whole_is_given_before_a_gap_is_told(
    orders: Outbox, reader: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a log that was tampered with: a sequencer leaves no gap."""
    append(orders, [(1, 10)] * 6)
    holed = [each for each in orders.log.batches_from(1, 10) if each.first != 5]
    monkeypatch.setattr(Log, "batches_from", lambda _, first, *__: [each for each in holed if each.first >= first])

    assert [[each.first for each in reader.read_batches()] for _ in range(2)] == [[1], [2, 3, 4]]
    with pytest.raises(HistoryLost) as raised:
        reader.read_batches()
    assert (raised.value.expected, raised.value.oldest) == (5, 6)


def test_a_reader_that_nobody_wakes_does_not_wait(orders: Outbox) -> None:
    """Whoever has it asks again at a pace of its own; a wait of ten minutes would be seen here."""
    with closing(LogReader(orders.collections, 1)) as reader:
        assert not reader.wait(600)


def test_the_identity_is_of_this_very_log(orders: Outbox, reader: LogReader) -> None:
    assert reader.identity == orders.log.identity()
    assert reader.identity.startswith(f"{orders.collections.log.full_name}/")
    orders.drop()
    orders.create()

    assert orders.log.identity() != reader.identity


def test_a_log_that_only_grew_is_still_the_same(orders: Outbox, reader: LogReader) -> None:
    append(orders, [(3, 10)])
    reader.read()
    append(orders, [(3, 10)])

    reader.verify()
    assert [record.seq for record in reader.read()] == [4, 5, 6]


def test_a_log_whose_last_read_record_was_rolled_over_is_still_the_same(orders: Outbox, reader: LogReader) -> None:
    append(orders, [(3, 10)])
    reader.read()
    roll(orders)

    reader.verify()


def test_a_log_that_ends_before_what_was_read_is_another_one(orders: Outbox, reader: LogReader) -> None:
    """It was restored from a backup that is older."""
    append(orders, [(3, 10), (1, 10)])
    reader.read()
    reader.read()
    head = Log.head

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "record_at", lambda *_: None)
        patch.setattr(Log, "head", lambda self, session: head(self, session) - 1)
        with pytest.raises(LogReplaced, match="another record at seq 4"):
            reader.verify()


def test_closing_twice_does_nothing_and_a_closed_reader_reads_no_more(reader: LogReader) -> None:
    reader.close()
    reader.close()

    with pytest.raises(InvalidOperation):
        reader.read()


def test_a_log_that_was_never_made_has_no_reader(database: Database[Document]) -> None:
    with pytest.raises(OutboxNotCreated, match="create"):
        LogReader(Outbox(database, "other").collections, 1)
