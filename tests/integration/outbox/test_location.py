"""Where a message is, who has passed it, and the wait until somebody has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.database import Database

from outbox import InvalidArgument, InvalidName, InvalidSelector, Location, Outbox, OutboxNotCreated, WaitTimeout
from outbox.clock import SystemClock
from outbox.dead_letters.admin import Selection
from outbox.location import pauses, wait_for
from outbox.shares.share import key_hash
from outbox.testing import FakeClock
from relay.testing import MemorySink
from tests.actors.order_service import foreign, new_outbox, placed
from tests.actors.price_service import PriceSet, dead_letter_admin, new_prices, priced, put, refuse, relay
from tests.actors.relay_thread import Relaying, given_cursor, run_once
from tests.waiting import wait_until

Document = dict[str, Any]
KAFKA = "relay:kafka"


@pytest.fixture
def prices(database: Database[Document]) -> Iterator[Outbox]:
    with new_prices(database, capacity="16 MiB", sequence=False) as prices:
        yield prices


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB", sequence=False) as orders:
        yield orders


def test_a_committed_message_waits_in_staging(orders: Outbox) -> None:
    id = orders.put(placed(1), standalone=True)

    assert orders.find(id) == Location(id, "staging")


def test_a_message_that_is_not_committed_is_nowhere(orders: Outbox) -> None:
    with orders.collections.client.start_session() as session, session.start_transaction():
        id = orders.put(placed(1), session=session)

        assert orders.find(id).place == "unknown"


def test_a_numbered_message_is_in_the_log_under_its_seq(orders: Outbox) -> None:
    ids = orders.put([placed(total) for total in range(5)], standalone=True)
    orders.sequence()

    assert orders.find(ids[3]) == Location(ids[3], "log", 4)


def test_what_the_log_has_already_and_staging_still_is_in_the_log(orders: Outbox) -> None:
    """As when a sequencer was killed between the two."""
    id = orders.put(placed(1), standalone=True)
    staged = orders.collections.staging.find_one({"_id": id})
    assert staged is not None
    orders.sequence()
    orders.collections.staging.insert_one(staged)

    assert orders.find(id).place == "log"


def test_an_id_may_be_the_text_of_the_header_on_kafka(orders: Outbox) -> None:
    id = orders.put(placed(1), standalone=True)

    assert orders.find(str(id)).id == id


@pytest.mark.parametrize("wrong", [7, None, "", "7", b"0123456789ab", "x" * 24, "0" * 23])
def test_what_can_be_no_id_is_refused(orders: Outbox, wrong: Any) -> None:
    with pytest.raises(InvalidSelector, match="is no message id"):
        orders.find(wrong)


def test_an_id_of_another_time_than_its_message_is_found_all_the_same(orders: Outbox) -> None:
    """An id that was made long before it was put, and one of a clock that is far ahead."""
    early, late = ObjectId("0" * 24), ObjectId("f" * 24)
    orders.collections.staging.insert_many([foreign(_id=early), foreign(_id=late)])
    orders.sequence()

    assert {orders.find(early).seq, orders.find(late).seq} == {1, 2}


def test_the_readers_that_have_passed_it_are_named_and_those_that_have_not(prices: Outbox) -> None:
    ids = put(prices, "a", "b")
    run_once(relay(prices, MemorySink()))
    prices.collections.cursors.insert_one({**cursor(1), "_id": "consumer:billing"})

    assert prices.find(ids[0]).passed == ("consumer:billing", KAFKA)
    assert (prices.find(ids[1]).passed, prices.find(ids[1]).waiting) == ((KAFKA,), ("consumer:billing",))


def test_of_several_shares_only_the_one_of_its_key_counts(prices: Outbox) -> None:
    [id] = put(prices, "a")
    record = next(prices.read())
    own = key_hash(record.key, record.id_bytes) % 2 + 1
    prices.collections.cursors.insert_many(
        [
            {"_id": KAFKA, "shares": 2, "fence": Int64(1)},
            {**cursor(1), "_id": f"{KAFKA}/{own}", "shares": 2},
            {**cursor(0), "_id": f"{KAFKA}/{3 - own}", "shares": 2},
        ]
    )
    assert prices.find(id).passed == (KAFKA,)

    prices.collections.cursors.update_one({"_id": f"{KAFKA}/{own}"}, {"$set": {"seq": Int64(0)}})

    assert prices.find(id).waiting == (KAFKA,)


def test_what_was_delivered_when_there_were_more_shares_is_passed(prices: Outbox) -> None:
    [id] = put(prices, "a")
    prices.collections.cursors.insert_one({**cursor(0), "_id": KAFKA, "delivered": [[Int64(1), Int64(1)]]})

    assert prices.find(id).passed == (KAFKA,)


def test_a_damaged_cursor_is_no_readers(prices: Outbox) -> None:
    [id] = put(prices, "a")
    prices.collections.cursors.insert_one({"_id": KAFKA, "seq": Int64(1), "fence": "none"})

    assert (prices.find(id).passed, prices.find(id).waiting) == ((), ())


def cursor(seq: int) -> Document:
    """What a reader that has come so far has saved."""
    return {"seq": Int64(seq), "created": None, "id": None, "fence": Int64(1)}


def test_a_dead_letter_says_whose_it_is_and_is_not_passed_by_it(prices: Outbox) -> None:
    sink = MemorySink()
    ids = put(prices, "a", "a", "b")
    refuse(sink, 1)
    run_once(relay(prices, sink))

    refused, parked, sent = (prices.find(id) for id in ids)

    assert (refused.place, refused.seq, refused.reader, refused.state) == ("dead", 1, KAFKA, "dead")
    assert (parked.place, parked.seq, parked.reader, parked.state) == ("dead", 2, KAFKA, "parked")
    assert (refused.passed, refused.waiting) == ((), (KAFKA,))
    assert (sent.place, sent.passed) == ("log", (KAFKA,))


def test_a_letter_that_was_sent_after_all_is_passed(prices: Outbox) -> None:
    sink = MemorySink()
    [id] = put(prices, "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))
    refuse(sink)
    dead_letter_admin(prices).requeue(Selection(id=id))
    run_once(relay(prices, sink))

    assert (prices.find(id).place, prices.find(id).passed) == ("log", (KAFKA,))


def test_a_letter_of_what_the_log_refused_has_no_seq(orders: Outbox) -> None:
    id = ObjectId()
    orders.collections.dead.insert_one({"_id": id, "reader": "sequencer", "seq": None, "log": None, "state": "dead"})

    found = orders.find(id)

    assert (found.place, found.reader, found.seq) == ("dead", "sequencer", None)


def test_a_letter_of_another_log_has_no_seq_of_this_one(orders: Outbox) -> None:
    id = ObjectId()
    orders.collections.dead.insert_one({"_id": id, "reader": KAFKA, "seq": 3, "log": "x.y/00", "state": "dead"})

    assert orders.find(id).seq is None


def test_without_collections_there_is_nothing_to_search(database: Database[Document]) -> None:
    with Outbox(database) as orders, pytest.raises(OutboxNotCreated):
        orders.find(ObjectId())


def test_the_wait_is_over_when_the_reader_has_passed_it(prices: Outbox) -> None:
    sink = MemorySink()
    with ThreadPoolExecutor(1) as threads, Relaying(relay(prices, sink)):
        id = prices.put(PriceSet(sku="a", price=1.0), standalone=True)
        waiting = threads.submit(prices.wait_for, id, KAFKA, 60.0)
        wait_until(lambda: prices.sequence() or prices.log.head() or None, 30, "its number")
        waiting.result(60)

    assert [record.seq for record in sink.records] == [1]


def test_what_was_passed_before_is_not_waited_for(prices: Outbox) -> None:
    [id] = put(prices, "a")
    run_once(relay(prices, MemorySink()))

    prices.wait_for(id, KAFKA, timeout=0)


@pytest.mark.parametrize("timeout", [0, -1.0])
def test_a_wait_in_vain_says_where_the_message_is(orders: Outbox, timeout: float) -> None:
    id = orders.put(placed(1), standalone=True)

    with pytest.raises(WaitTimeout, match="waits in staging for its number.*relay:kafka has no cursor here") as raised:
        orders.wait_for(id, KAFKA, timeout)
    assert raised.value.location == Location(id, "staging")


def test_a_wait_in_vain_says_of_a_reader_with_a_cursor_nothing_of_that(prices: Outbox) -> None:
    put(prices, "a")
    run_once(relay(prices, MemorySink()))
    id = prices.put(PriceSet(sku="a", price=1.0), standalone=True)

    with pytest.raises(WaitTimeout, match="waits in staging for its number$"):
        prices.wait_for(id, KAFKA, 0)


def test_it_looks_often_enough_to_hear_of_it_within_a_tenth_of_a_second() -> None:
    clock = FakeClock()

    pauses_of_a_minute = []
    for pause in pauses(60.0, clock):
        clock.wait(pause)
        pauses_of_a_minute.append(pause)

    assert max(pauses_of_a_minute) <= 0.06


def test_a_parked_message_is_waited_for_in_vain_and_said_to_be_parked(prices: Outbox) -> None:
    sink = MemorySink()
    _, second = put(prices, "a", "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))

    with pytest.raises(WaitTimeout, match=r"is a dead letter of relay:kafka \(parked\), seq 2; not yet by relay:kafka"):
        prices.wait_for(second, KAFKA, 0)


def test_it_waits_as_long_as_it_is_told(orders: Outbox) -> None:
    id = orders.put(placed(1), standalone=True)
    clock = FakeClock()

    with pytest.raises(WaitTimeout, match="within 30 s"):
        wait_for(orders.collections, orders.log, id, KAFKA, 30.0, clock)
    assert clock.monotonic() == pytest.approx(30.0)


class Watched(SystemClock):
    """Says when somebody waits."""

    def __init__(self) -> None:
        self.waited = threading.Event()

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        self.waited.set()
        return super().wait(seconds, stop)


def test_a_message_that_is_committed_during_the_wait_is_found(prices: Outbox) -> None:
    """What was searched in vain is not searched again, and what came since is."""
    put(prices, *["b"] * 20)
    given_cursor(prices, 100)
    message, clock = priced("a", 1.0), Watched()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(wait_for, prices.collections, prices.log, message["_id"], KAFKA, 60.0, clock)
        assert clock.waited.wait(60)
        prices.collections.staging.insert_one(message)
        prices.sequence()
        waiting.result(60)


@pytest.mark.parametrize("reader", ["kafka", "", "relay:", "Relay:kafka", "relay:kafka/2", None, 7, ["relay:kafka"]])
def test_what_can_be_no_readers_id_is_refused_and_not_waited_for(orders: Outbox, reader: Any) -> None:
    with pytest.raises(InvalidName, match="no durable reader's id: give its kind"):
        orders.wait_for(ObjectId(), reader, timeout=3600)


def test_a_wait_for_no_number_of_seconds_is_refused(orders: Outbox) -> None:
    timeout: Any = None

    with pytest.raises(InvalidArgument, match="timeout=None"):
        orders.wait_for(ObjectId(), KAFKA, timeout)
    with pytest.raises(InvalidArgument, match="timeout=None"):
        orders.consumer("billing").wait_caught_up(timeout)
    with pytest.raises(InvalidArgument, match="timeout=None"):
        orders.projection("total", initial=dict, apply=lambda state, record: state).wait_caught_up(timeout)
