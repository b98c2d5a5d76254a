"""A relay over a real log; the sink is in memory, so that it can be looked at and made to fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Int64, ObjectId
from mongoengine import EmbeddedDocument, FloatField, StringField  # type: ignore[import-untyped]  # has no types
from pymongo.database import Database

from outbox import Outbox, message
from outbox.clock import SystemClock
from outbox.errors import HistoryLost, InvalidStart, LeaseLost, OutboxNotCreated
from outbox.lease import Lease
from relay import Relay, Topics
from relay.cursor import Cursors, move
from relay.errors import CursorInUse, CursorMismatch, PoisonMessage, TopicMissing, Verdict
from relay.runner import StartAt
from relay.status import relay_status, unhealthy
from relay.testing import MemorySink
from tests.orders import MESSAGES, foreign, placed
from tests.relaying import Relaying, run_once
from tests.waiting import wait_until

Document = dict[str, Any]


@message("price.set", key="sku")
class PriceSet(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    sku = StringField(required=True)
    price = FloatField()


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with Outbox(database, messages=[*MESSAGES, PriceSet], capacity="16 MiB") as outbox:
        outbox.create()
        yield outbox


def numbered(orders: Outbox, count: int, **fields: Any) -> None:
    """Puts `count` messages into the log; while no relay is at work, for it sequences itself."""
    wanted = orders.log.head() + count
    orders.put([placed(total, **fields) for total in range(count)])

    def done() -> bool:
        orders.sequence()  # 0 as long as the sequencer of a relay that has just ended still has the lease
        return orders.log.head() >= wanted

    wait_until(done, 10, "the messages to be numbered")


def seqs(sink: MemorySink) -> list[int]:
    return [each.seq for each in sink.records]


def cursor_of(orders: Outbox) -> Document | None:
    return orders.collections.cursors.find_one({"_id": "relay:kafka"})


def saved_seq(orders: Outbox) -> int | None:
    cursor = cursor_of(orders)
    return None if cursor is None else cursor["seq"]


# ---- delivery


def test_every_message_put_while_it_runs_arrives(orders: Outbox) -> None:
    sink = MemorySink()
    with Relaying(Relay(orders, sink)):
        ids = [orders.put(placed(total)) for total in range(20)]
        wait_until(lambda: len(sink.records) >= 20, 10, "20 records")

    assert [dict(each.headers)["id"].decode() for each in sink.records] == [str(id) for id in ids]
    assert seqs(sink) == list(range(1, 21))


def test_the_cursor_is_there_before_the_first_record_is_delivered(orders: Outbox) -> None:
    numbered(orders, 3)
    sink = MemorySink()
    sink.away = True

    with Relaying(Relay(orders, sink)):
        cursor = wait_until(lambda: cursor_of(orders), 10, "the cursor")
        sink.away = False

    assert (cursor["seq"], cursor["created"], cursor["id"], cursor["fence"]) == (0, None, None, 1)


def test_the_cursor_names_the_last_record_that_was_delivered(orders: Outbox) -> None:
    numbered(orders, 3)

    run_once(Relay(orders, MemorySink()))

    last = orders.log.at(3)
    cursor = cursor_of(orders)
    assert last is not None
    assert cursor is not None
    assert (cursor["seq"], cursor["created"], cursor["id"]) == (3, last.created, last.id)
    assert set(cursor) == {"_id", "seq", "created", "id", "updated", "fence"}
    assert isinstance(cursor["seq"], Int64 | int)


def test_a_second_run_delivers_only_what_is_new(orders: Outbox) -> None:
    numbered(orders, 3)
    run_once(Relay(orders, MemorySink()))
    numbered(orders, 2)
    sink = MemorySink()

    run_once(Relay(orders, sink))

    assert seqs(sink) == [4, 5]


def test_the_cursor_is_saved_while_it_runs_and_not_only_at_the_end(orders: Outbox) -> None:
    numbered(orders, 3)
    with Relaying(Relay(orders, MemorySink())):
        wait_until(lambda: saved_seq(orders) == 3, 10, "the cursor at 3")


def test_once_ends_when_staging_is_empty_and_the_cursor_is_at_the_head(orders: Outbox) -> None:
    orders.put([placed(total) for total in range(1500)])
    sink = MemorySink()

    run_once(Relay(orders, sink))

    assert len(sink.records) == 1500
    assert saved_seq(orders) == 1500
    assert orders.collections.staging.count_documents({}) == 0


def test_what_is_in_flight_is_delivered_before_it_stops(orders: Outbox) -> None:
    numbered(orders, 3)
    sink = MemorySink()
    sink.away = True
    with Relaying(Relay(orders, sink)) as running:
        wait_until(lambda: len(sink._queue) == 3, 10, "three in flight")
        threading.Timer(0.2, setattr, (sink, "away", False)).start()
        running.stop()

    assert saved_seq(orders) == 3


def test_a_failed_delivery_is_made_good_and_no_record_is_skipped(orders: Outbox) -> None:
    numbered(orders, 100)
    sink = MemorySink()
    sink.refused = {50: Verdict.RETRY}
    with Relaying(Relay(orders, sink)):
        wait_until(lambda: sink.opened > 1, 10, "the sink to be opened again")
        sink.refused = {}
        wait_until(lambda: saved_seq(orders) == 100, 10, "the cursor at 100")

    assert seqs(sink) == list(range(1, 101))


# ---- where it starts


def started(orders: Outbox, start: StartAt) -> list[int]:
    sink = MemorySink()
    run_once(Relay(orders, sink, start=start))
    return seqs(sink)


def test_the_beginning_is_seq_1(orders: Outbox) -> None:
    numbered(orders, 3)
    assert started(orders, "beginning") == [1, 2, 3]


def test_latest_delivers_nothing_that_is_there(orders: Outbox) -> None:
    numbered(orders, 3)
    assert started(orders, "latest") == []
    assert saved_seq(orders) == 3


def test_a_seq_is_inclusive(orders: Outbox) -> None:
    numbered(orders, 3)
    assert started(orders, 2) == [2, 3]


def test_a_date_starts_at_the_first_record_created_then(orders: Outbox) -> None:
    numbered(orders, 3)
    assert started(orders, datetime.now(UTC) - timedelta(days=1)) == [1, 2, 3]


def test_a_seq_beyond_the_log_is_refused(orders: Outbox) -> None:
    numbered(orders, 3)
    with pytest.raises(InvalidStart):
        started(orders, 5)


def test_once_there_is_a_cursor_start_means_nothing(orders: Outbox) -> None:
    numbered(orders, 3)
    started(orders, "latest")
    assert started(orders, "beginning") == []


@pytest.fixture
def rolled(orders: Outbox) -> Outbox:
    """An outbox whose log has rolled over its first records."""
    while orders.log.oldest() == 1:
        numbered(orders, 40, note="x" * 100_000)
    return orders


def test_a_beginning_that_was_rolled_over_is_refused(rolled: Outbox) -> None:
    with pytest.raises(HistoryLost) as lost:
        started(rolled, "beginning")

    assert (lost.value.expected, lost.value.oldest) == (1, rolled.log.oldest())


def test_oldest_starts_at_what_the_log_still_holds(rolled: Outbox) -> None:
    oldest, head = rolled.log.oldest(), rolled.log.head()
    assert started(rolled, "oldest") == list(range(oldest, head + 1))


def test_a_cursor_just_before_the_oldest_record_goes_on(rolled: Outbox) -> None:
    oldest, head = rolled.log.oldest(), rolled.log.head()
    Cursors(rolled.collections.cursors, "kafka").register((oldest - 1, None, ObjectId()), fence=0)

    assert started(rolled, "beginning") == list(range(oldest, head + 1))


def test_a_cursor_whose_next_record_was_rolled_over_is_an_error(rolled: Outbox) -> None:
    Cursors(rolled.collections.cursors, "kafka").register((1, None, ObjectId()), fence=0)

    with pytest.raises(HistoryLost):
        started(rolled, "oldest")


def test_a_cursor_of_another_log_is_refused(orders: Outbox) -> None:
    numbered(orders, 3)
    Cursors(orders.collections.cursors, "kafka").register((2, None, ObjectId()), fence=0)

    with pytest.raises(CursorMismatch, match="relay cursor set"):
        started(orders, "beginning")


def test_a_cursor_beyond_the_log_is_refused(orders: Outbox) -> None:
    numbered(orders, 3)
    Cursors(orders.collections.cursors, "kafka").register((9, None, ObjectId()), fence=0)

    with pytest.raises(CursorMismatch, match="newest record is 3"):
        started(orders, "beginning")


def test_an_outbox_that_was_never_created_is_refused(database: Database[Document]) -> None:
    with Outbox(database, "other") as outbox, pytest.raises(OutboxNotCreated, match="create"):
        run_once(Relay(outbox, MemorySink()))


# ---- what stops it


def test_a_poison_message_stops_it_and_the_cursor_stays_before_it(orders: Outbox) -> None:
    numbered(orders, 1)
    bad = foreign(type="price.set", key="9", data={"sku": "9", "price": float("nan")})
    orders.collections.staging.insert_one(bad)
    numbered(orders, 1)
    sink = MemorySink()

    with pytest.raises(PoisonMessage) as poison:
        run_once(Relay(orders, sink))

    for part in ("seq 2", str(bad["_id"]), "'price.set'", "'9'", "data.price is nan"):
        assert part in str(poison.value)
    assert seqs(sink) == [1]
    assert saved_seq(orders) == 1


def test_what_can_never_be_encoded_is_not_to_be_tried_again(orders: Outbox, database: Database[Document]) -> None:
    bad = foreign(type="price.set", key="9", data={"sku": "9", "price": float("nan")})
    orders.collections.staging.insert_one(bad)

    with pytest.raises(PoisonMessage) as poison:
        run_once(Relay(orders, MemorySink(), name="mine"))

    [advice] = poison.value.__notes__
    assert "Remove the cause" not in advice + str(poison.value)
    assert advice.endswith(f"relay cursor set 1 --database {database.name} --outbox outbox --name mine")


def test_a_missing_topic_is_an_error_at_the_start(orders: Outbox) -> None:
    with pytest.raises(TopicMissing, match=r"order\.cancelled"):
        run_once(Relay(orders, MemorySink({"order.placed", "stock.counted"})))

    assert cursor_of(orders) is None


def test_a_type_that_appears_later_is_checked_on_first_use(orders: Outbox) -> None:
    sink = MemorySink({"order.placed", "order.cancelled", "stock.counted"})
    relay = Relay(orders, sink)
    relay._outbox.types = lambda: ("order.placed",)  # type: ignore[method-assign]  # as it was when the relay started
    sink._topics = {"order.placed"}
    orders.put(placed(1))
    orders.collections.staging.insert_one(foreign(type="stock.counted", key=None, data={"count": 1}))

    with pytest.raises(TopicMissing, match=r"stock\.counted"):
        run_once(relay)

    assert seqs(sink) == [1]


# ---- two of them


def test_the_second_stands_by_and_takes_over_when_the_first_stops(orders: Outbox) -> None:
    first, second = MemorySink(), MemorySink()
    with Relaying(Relay(orders, first)) as one:
        orders.put(placed(1))
        wait_until(lambda: first.records, 10, "the first to work")
        with Relaying(Relay(orders, second)):
            orders.put(placed(1))
            wait_until(lambda: len(first.records) == 2, 10, "the first to go on")
            one.stop()
            orders.put(placed(1))
            wait_until(lambda: second.records, 10, "the second to take over")

    assert (seqs(first), seqs(second)) == ([1, 2], [3])


def test_a_relay_that_died_is_replaced_after_the_lease_time(orders: Outbox) -> None:
    dead = Lease(orders.collections.leases, "relay:kafka", owner="dead")
    assert dead.acquire()
    numbered(orders, 1)
    sink = MemorySink()

    with Relaying(Relay(orders, sink, lease_seconds=1.0)):
        wait_until(lambda: sink.records, 10, "the takeover")

    assert seqs(sink) == [1]


def test_a_relay_that_lost_its_lease_drops_what_is_in_flight_and_saves_nothing(orders: Outbox) -> None:
    numbered(orders, 3)
    sink = MemorySink()
    sink.away = True
    with Relaying(Relay(orders, sink, lease_seconds=2.0)):
        wait_until(lambda: len(sink._queue) == 3, 10, "three in flight")
        orders.collections.leases.update_one(
            {"_id": "relay:kafka"}, {"$set": {"owner": "other"}, "$inc": {"fence": Int64(1)}}
        )
        wait_until(lambda: not sink._queue, 10, "the queue to be dropped")
        assert saved_seq(orders) == 0
        sink.away = False
        wait_until(lambda: saved_seq(orders) == 3, 10, "it to take over again")

    assert seqs(sink) == [1, 2, 3]


def test_a_stale_relay_cannot_save_its_cursor(orders: Outbox) -> None:
    cursors = Cursors(orders.collections.cursors, "kafka")
    cursors.register((1, None, None), fence=5)

    with pytest.raises(LeaseLost):
        cursors.save((2, None, None), fence=4)
    with pytest.raises(LeaseLost):
        cursors.register((2, None, None), fence=4)

    assert saved_seq(orders) == 1


# ---- looking at it, and moving it


def test_the_cursor_can_be_moved_back_and_its_records_come_again(orders: Outbox) -> None:
    numbered(orders, 3)
    started(orders, "beginning")

    move(orders, "kafka", 1, SystemClock())

    assert started(orders, "beginning") == [2, 3]


def test_the_cursor_can_be_moved_to_a_date(orders: Outbox) -> None:
    numbered(orders, 3)

    assert move(orders, "kafka", datetime(2020, 1, 1, tzinfo=UTC), SystemClock()) == (None, (0, None, None))


def test_moving_the_cursor_says_where_it_was(orders: Outbox) -> None:
    numbered(orders, 3)
    started(orders, "beginning")

    before, now = move(orders, "kafka", 1, SystemClock())

    assert (before and before[0], now[0]) == (3, 1)


@pytest.mark.parametrize("seq", [4, 1000])
def test_the_cursor_cannot_be_moved_to_a_record_that_is_not_there(orders: Outbox, seq: int) -> None:
    numbered(orders, 3)

    with pytest.raises(InvalidStart, match="holds 1 to 3"):
        move(orders, "kafka", seq, SystemClock())


def test_the_cursor_cannot_be_moved_under_a_working_relay(orders: Outbox) -> None:
    with Relaying(Relay(orders, MemorySink(), lease_seconds=1.0)):
        wait_until(lambda: cursor_of(orders), 10, "the relay to work")
        with pytest.raises(CursorInUse, match="stop it first"):
            move(orders, "kafka", 0, SystemClock())


def test_status_says_how_far_it_is(orders: Outbox) -> None:
    numbered(orders, 3)
    before = relay_status(orders, "kafka").as_dict()
    run_once(Relay(orders, MemorySink()))
    numbered(orders, 2)
    orders.put(placed(1))

    after = relay_status(orders, "kafka").as_dict()

    third = orders.log.at(3)
    assert third is not None
    assert (before["cursor"], before["lag_records"], before["lag_seconds"]) == (None, None, None)
    assert list(after) == [
        "database", "outbox", "name", "head", "oldest", "cursor", "lag_records", "lag_seconds", "staging", "holder",
        "fence", "dead", "parked", "headroom", "held"
    ]  # fmt: skip
    assert after["cursor"]["id"] == str(third.id)
    assert (after["head"], after["oldest"], after["cursor"]["seq"], after["lag_records"]) == (5, 1, 3, 2)
    assert 0 <= after["lag_seconds"] < 60
    assert (after["staging"], after["holder"], after["fence"]) == (1, None, 1)


def test_a_working_relay_is_healthy_and_one_that_stopped_is_not(orders: Outbox) -> None:
    never = unhealthy(orders, "kafka", SystemClock())
    with Relaying(Relay(orders, MemorySink(), lease_seconds=1.0)):
        wait_until(lambda: cursor_of(orders), 10, "the relay to work")
        assert unhealthy(orders, "kafka", SystemClock()) is None
    stopped = unhealthy(orders, "kafka", SystemClock())

    assert never == "no relay 'kafka' has ever worked on this outbox"
    assert stopped == "no relay 'kafka' is at work: the last one gave its lease back"


def test_a_relay_that_was_killed_is_not_healthy(orders: Outbox) -> None:
    assert Lease(orders.collections.leases, "relay:kafka", owner="dead").acquire()

    assert "no sign of life" in str(unhealthy(orders, "kafka", SystemClock(), seconds=0.5))


def test_a_template_decides_the_topics(orders: Outbox) -> None:
    numbered(orders, 1)
    sink = MemorySink()

    run_once(Relay(orders, sink, topics=Topics("all.{type}")))

    assert sink.records[0].topic == "all.order.placed"
