"""A relay over a real log; the sink is in memory, so that it can be looked at and made to fail."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from typing import Any

import pytest
from bson import Int64
from pymongo.database import Database

from outbox import Outbox
from relay import Relay, Topics
from relay.errors import PoisonMessage, TopicMissing, Unreachable, Verdict
from relay.testing import MemorySink
from tests.actors.order_service import MESSAGES, OrderCancelled, foreign, placed
from tests.actors.price_service import PriceSet
from tests.actors.relay_thread import Relaying, cursor_of, numbered, run_once, saved_seq, seqs
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with Outbox(database, messages=[*MESSAGES, PriceSet], capacity="16 MiB") as outbox:
        outbox.create()
        yield outbox


# ---- delivery


def test_every_message_put_while_it_runs_arrives(orders: Outbox) -> None:
    sink = MemorySink()
    with Relaying(Relay(orders, sink)):
        ids = [orders.put(placed(total), standalone=True) for total in range(20)]
        wait_until(lambda: len(sink.records) >= 20, 30, "20 records")

    assert [dict(each.headers)["id"].decode() for each in sink.records] == [str(id) for id in ids]
    assert seqs(sink) == list(range(1, 21))


def test_the_cursor_is_there_before_the_first_record_is_delivered(orders: Outbox) -> None:
    numbered(orders, 3)
    sink = MemorySink()
    sink.away = True

    with Relaying(Relay(orders, sink)):
        cursor = wait_until(lambda: cursor_of(orders), 30, "the cursor")
        sink.away = False

    assert (cursor["seq"], cursor["created"], cursor["id"], cursor["fence"]) == (0, None, None, 1)


def test_the_cursor_names_the_last_record_that_was_delivered(orders: Outbox) -> None:
    numbered(orders, 3)

    run_once(Relay(orders, MemorySink()))

    last = orders.log.record_at(3)
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
        wait_until(lambda: saved_seq(orders) == 3, 30, "the cursor at 3")


def test_once_ends_when_staging_is_empty_and_the_cursor_is_at_the_head(orders: Outbox) -> None:
    orders.put([placed(total) for total in range(1500)], standalone=True)
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
        wait_until(lambda: len(sink._queue) == 3, 30, "three in flight")
        threading.Timer(0.2, setattr, (sink, "away", False)).start()
        running.stop()

    assert saved_seq(orders) == 3


def test_a_failed_delivery_is_made_good_and_no_record_is_skipped(orders: Outbox) -> None:
    numbered(orders, 100)
    sink = MemorySink()
    sink.refused = {50: Verdict.RETRY}
    with Relaying(Relay(orders, sink)):
        wait_until(lambda: sink.opened > 1, 30, "the sink to be opened again")
        sink.refused = {}
        wait_until(lambda: saved_seq(orders) == 100, 30, "the cursor at 100")

    assert seqs(sink) == list(range(1, 101))


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
        run_once(Relay(orders, MemorySink({"order.placed", "stock.counted"}), topics=Topics("{type}")))

    assert cursor_of(orders) is None


class Unasked(MemorySink):
    """One whose broker does not answer who looks for topics, while it is away."""

    def check(self, topics: Collection[str]) -> None:
        if self.away:
            raise Unreachable("Kafka did not answer")


def test_a_broker_that_is_away_at_the_start_is_waited_for_if_told_so(orders: Outbox) -> None:
    numbered(orders, 1)
    sink = Unasked()
    sink.away = True
    with pytest.raises(Unreachable):
        run_once(Relay(orders, sink))
    with Relaying(relay := Relay(orders, sink), waits=True):
        wait_until(lambda: relay.tally.trouble == "Kafka did not answer", 30, "it to wait")
        sink.away = False
        wait_until(lambda: sink.records, 30, "a record")

    assert relay.tally.trouble == ""


def test_who_waits_at_the_start_ends_when_it_is_told_to(orders: Outbox) -> None:
    sink = Unasked()
    sink.away = True
    with Relaying(relay := Relay(orders, sink), waits=True):
        wait_until(lambda: relay.tally.trouble, 30, "it to wait")


def test_a_type_that_appears_later_is_checked_on_first_use(orders: Outbox) -> None:
    sink = MemorySink({"order.placed", "order.cancelled", "stock.counted"})
    relay = Relay(orders, sink, topics=Topics("{type}"))
    relay.outbox.types = lambda: ("order.placed",)  # type: ignore[method-assign]  # as it was when the relay started
    sink._topics = {"order.placed"}
    orders.put(placed(1), standalone=True)
    orders.collections.staging.insert_one(foreign(type="stock.counted", key=None, data={"count": 1}))

    with pytest.raises(TopicMissing, match=r"stock\.counted"):
        run_once(relay)

    assert seqs(sink) == [1]


def test_all_messages_of_an_outbox_go_to_one_topic_and_keep_the_order_of_their_key(orders: Outbox) -> None:
    """A consumer keeps the last seq of a log, topic and key: what one of another type overtook would be ignored."""
    orders.put([placed(1, order_id="a"), OrderCancelled(order_id="a"), placed(2, order_id="a")], standalone=True)
    sink = MemorySink()

    run_once(Relay(orders, sink))

    assert {each.topic for each in sink.records} == {f"{orders.collections.database.name}.outbox"}
    types = [dict(each.headers)["type"].decode() for each in sink.records]
    assert types == ["order.placed", "order.cancelled", "order.placed"]
    assert seqs(sink) == [1, 2, 3]


def test_the_header_log_says_which_log_a_seq_is_of(database: Database[Any]) -> None:
    logs = []
    for _ in range(2):
        with Outbox(database, messages=MESSAGES) as orders:
            orders.create()
            orders.put(placed(1), standalone=True)
            sink = MemorySink()
            run_once(Relay(orders, sink))
            uuid = orders.log.describe().uuid.as_uuid()
            logs += [dict(each.headers)["log"].decode() for each in sink.records]
            assert logs[-1] == f"{database.name}.outbox/{str(uuid)[:8]}" == orders.log.identity()
            orders.drop()

    assert len(set(logs)) == 2  # the numbers began again at 1, and a consumer can tell


def test_a_template_decides_the_topics(orders: Outbox) -> None:
    numbered(orders, 1)
    sink = MemorySink()

    run_once(Relay(orders, sink, topics=Topics("all.{type}")))

    assert sink.records[0].topic == "all.order.placed"
