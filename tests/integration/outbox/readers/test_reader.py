"""A reader: the log's records from a position on, in order, gapless or loudly not, and of that very log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.database import Database

from outbox import HistoryLost, LogReplaced, Outbox
from outbox.log.log import Log
from tests.actors.command_listener import watched
from tests.actors.order_service import Document, new_outbox, placed, put_at, totals
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
