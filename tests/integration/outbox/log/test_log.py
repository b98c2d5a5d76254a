"""Positions in the log: by number, by word and by date, also inside a batch and while it rolls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from pymongo.collection import Collection
from pymongo.database import Database

from outbox import HistoryLost, InvalidStart, LogReplaced, Outbox, OutboxNotCreated
from outbox.log.log import Log
from outbox.readers.start import resolve
from tests.actors.command_listener import watched
from tests.actors.order_service import OrderCancelled, OrderPlaced, StockCounted, foreign, new_outbox, placed, totals

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]

DAY = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB", sequence=False) as outbox:
        yield outbox


def _put_at(orders: Outbox, *minutes: int) -> None:
    """One batch, of messages put at these minutes of DAY."""
    for minute in minutes:
        orders.collections.staging.insert_one(foreign(minute, created=DAY + timedelta(minutes=minute)))
    orders.sequence()


def _roll(orders: Outbox, messages: int = 12) -> None:
    """Fills the log's 8 MiB with messages of 0.9 MB, each a batch of its own."""
    for n in range(messages):
        orders.put(placed(1000 + n, note="x" * 900_000), standalone=True)
        orders.sequence()


def test_an_empty_log_has_no_head_and_begins_at_1(orders: Outbox) -> None:
    assert (orders.log.head(), orders.log.oldest()) == (0, 1)
    assert list(orders.read()) == []


def test_a_record_that_is_appended_while_the_oldest_is_asked_for_is_not_passed_over(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when an empty log's oldest is `head() + 1`, read after it was found to be empty."""
    find_one = Collection.find_one

    def appended_meanwhile(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        found = find_one(self, *arguments, **options)
        if options.get("sort") == [("$natural", 1)]:
            monkeypatch.undo()
            _put_at(orders, 1)
        return found

    monkeypatch.setattr(Collection, "find_one", appended_meanwhile)

    assert orders.log.oldest() == 1


@pytest.mark.parametrize("use", ["head", "oldest", "describe"])
def test_a_log_that_was_never_made_is_an_error_that_says_so(database: Database[Document], use: str) -> None:
    with pytest.raises(OutboxNotCreated, match="create"):
        getattr(Outbox(database).log, use)()


def test_reading_starts_at_a_seq_inside_a_batch(orders: Outbox) -> None:
    orders.put([placed(n) for n in range(1, 11)], standalone=True)
    orders.sequence()

    for seq in range(1, 11):
        assert totals(orders.read(seq)) == list(range(seq, 11))


def test_reading_starts_at_the_head_or_the_record_after_it(orders: Outbox) -> None:
    _put_at(orders, 1, 2, 3)

    assert totals(orders.read(3)) == [3]
    assert totals(orders.read(4)) == []
    assert totals(orders.read("latest")) == []


def test_a_start_beyond_the_head_is_refused(orders: Outbox) -> None:
    _put_at(orders, 1, 2, 3)

    with pytest.raises(InvalidStart, match="beyond the log, whose newest"):
        next(orders.read(5))


@pytest.mark.parametrize("start", [0, True, -3, "beginning"])
def test_a_start_that_is_none_is_refused_at_once(orders: Outbox, start: Any) -> None:
    with pytest.raises(InvalidStart):
        orders.read(start)


def test_a_date_is_the_first_record_of_then_or_later(orders: Outbox) -> None:
    _put_at(orders, 0, 10, 20)
    _put_at(orders, 20, 30)
    _put_at(orders, 30)

    for minute, expected in [(-1, 1), (0, 1), (1, 2), (10, 2), (15, 3), (20, 3), (21, 5), (30, 5), (31, 7)]:
        assert resolve(DAY + timedelta(minutes=minute), orders.log) == expected


def test_a_naive_date_is_utc(orders: Outbox) -> None:
    _put_at(orders, 0, 10, 20)

    assert totals(orders.read(datetime(2025, 1, 1, 0, 10))) == [10, 20]  # noqa: DTZ001  # naive is the point


def test_a_date_in_an_empty_log_is_its_beginning(orders: Outbox) -> None:
    assert resolve(DAY, orders.log) == 1


def test_a_date_is_found_in_a_log_that_has_rolled(orders: Outbox) -> None:
    _put_at(orders, 0)
    _roll(orders)

    assert resolve(DAY, orders.log) == orders.log.oldest() > 1


def test_history_that_was_lost_is_told_in_exact_numbers(orders: Outbox) -> None:
    _put_at(orders, 1, 2, 3)
    _roll(orders)
    oldest = next(orders.read("earliest")).seq

    with pytest.raises(HistoryLost) as raised:
        list(orders.read(2))
    assert (raised.value.expected, raised.value.oldest) == (2, oldest)
    assert f"{oldest - 2} record(s)" in str(raised.value)


def test_on_gap_is_told_once_and_reading_goes_on_at_the_oldest(orders: Outbox) -> None:
    """Goes red when a start that has rolled away raises before `on_gap` is asked."""
    _roll(orders)
    gaps: list[HistoryLost] = []

    seqs = [each.seq for each in orders.read(1, on_gap=gaps.append)]

    assert seqs == list(range(orders.log.oldest(), orders.log.head() + 1))
    assert [(each.expected, each.oldest) for each in gaps] == [(1, seqs[0])]


def test_a_reader_that_is_overrun_while_it_reads_learns_where_history_ends(orders: Outbox) -> None:
    _put_at(orders, 1)
    _roll(orders, 5)
    records = orders.read("earliest")
    assert next(records).seq == 1
    _roll(orders, 20)

    with pytest.raises(HistoryLost) as raised:
        list(records)
    assert raised.value.oldest == orders.log.oldest()


def test_earliest_means_nothing_before_the_first_record_was_delivered(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when `pull` raises for 'earliest' as for any other: on a hot log the first batch is often gone."""
    _roll(orders, 5)
    holding = Log.batch_at

    def rolled_meanwhile(self: Log, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(Log, "batch_at", holding)
        _roll(orders, 12)
        return holding(self, *arguments, **options)

    monkeypatch.setattr(Log, "batch_at", rolled_meanwhile)

    seqs = [each.seq for each in orders.read("earliest")]
    assert seqs[0] > 1
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_types_and_key_filter(orders: Outbox) -> None:
    orders.put([placed(1, "a"), OrderCancelled(order_id="a"), placed(2, "b"), StockCounted(count=1)], standalone=True)
    orders.sequence()

    assert [each.seq for each in orders.read(types=[OrderPlaced])] == [1, 3]
    assert [each.seq for each in orders.read(types=["order.cancelled", StockCounted])] == [2, 4]
    assert [each.seq for each in orders.read(key="a")] == [1, 2]
    assert [each.seq for each in orders.read(types=[OrderPlaced], key="b")] == [3]
    assert [each.seq for each in orders.read(types=[])] == []


def test_a_record_is_decoded_into_its_message_class(orders: Outbox, database: Database[Document]) -> None:
    orders.put(placed(9), standalone=True)
    orders.sequence()

    assert next(orders.read()).message == placed(9)
    assert next(Outbox(database).read()).message is None


def test_one_record_is_found_by_its_seq(orders: Outbox) -> None:
    _put_at(orders, 1, 2)
    _put_at(orders, 3)

    found = [orders.log.record_at(seq) for seq in (1, 2, 3, 4)]
    assert [None if each is None or each.data is None else each.data["total"] for each in found] == [1, 2, 3, None]


def test_reading_does_not_sequence(orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)

    assert list(orders.read()) == []


def test_reading_a_log_that_was_dropped_meanwhile_says_so(orders: Outbox) -> None:
    _roll(orders, 7)
    records = orders.read()
    next(records)
    orders.collections.log.drop()

    with pytest.raises(LogReplaced, match="dropped"):
        list(records)


def test_reading_a_log_that_was_made_anew_meanwhile_says_so(orders: Outbox) -> None:
    _roll(orders, 7)
    records = orders.read()
    next(records)
    orders.drop()
    orders.create()

    with pytest.raises(LogReplaced):
        list(records)


def test_another_record_at_the_last_seen_seq_is_another_log(orders: Outbox) -> None:
    """A backup that was restored in place keeps the collection's UUID."""
    _put_at(orders, 1, 2)
    reader = orders.reader()
    reader.read()
    orders.collections.log.update_one({"_id": Int64(1)}, {"$set": {"records.1.id": ObjectId()}})

    with pytest.raises(LogReplaced, match="another record at seq 2"):
        reader.verify()
    reader.close()


def test_a_log_that_is_dropped_while_a_reader_looks_whether_it_is_the_same_is_another_log(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put_at(orders, 1, 2)
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


def test_the_status_counts_what_is_there(orders: Outbox) -> None:
    _put_at(orders, 1, 2)
    orders.put(placed(3), standalone=True)
    orders.collections.cursors.insert_one(
        {"_id": "consumer:billing", "seq": Int64(1), "created": DatetimeMS(0), "id": ObjectId(), "updated": DAY}
    )
    status = orders.status()

    assert (status.head, status.oldest, status.staging, status.holder) == (2, 1, 1, None)
    assert (status.fence, status.capacity) == (1, 8 << 20)
    assert [(each.reader, each.seq) for each in status.cursors] == [("consumer:billing", 1)]


def test_whether_it_is_still_the_same_log_is_asked_causally_after_what_was_read(
    database: Database[Document], mongo_uri: str, orders: Outbox
) -> None:
    """Goes red without the reader's session: a new primary, whose majority lags behind the old one's for a moment,
    would seem to hold another log."""
    _put_at(orders, 1, 2)
    with watched(mongo_uri, database) as (same, commands), Outbox(same, sequence=False) as reading:
        reader = reading.reader("earliest")
        assert totals(reader.read()) == [1, 2]
        commands.clear()
        reader.verify()
        reader.close()

    asked = [find["readConcern"] for find in commands.of("find")]
    assert asked
    assert all("afterClusterTime" in each for each in asked)
