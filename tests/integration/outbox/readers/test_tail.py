"""The tail: one cursor that only wakes, opened anew whatever happens to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.log.batch import Batch
from outbox.readers.head import Head
from outbox.readers.tail import Tail
from tests.actors.command_listener import watched
from tests.actors.order_service import MESSAGES, new_outbox, placed, totals
from tests.waiting import wait_until

Document = dict[str, Any]


@contextmanager
def _following(orders: Outbox) -> Iterator[Head]:
    head, stop = Head(), threading.Event()
    thread = threading.Thread(target=Tail(orders.collections, head).run, args=(stop,), name="outbox-tail-test")
    thread.start()
    try:
        wait_until(lambda: head.is_followed, 30, "the tail to be open")
        yield head
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    return new_outbox(database, sequence=False)


def test_it_rings_when_the_log_grows(orders: Outbox) -> None:
    with _following(orders) as tail:
        wait_until(lambda: not tail.wait(tail.rings, 0.5), 30, "silence")
        rings = tail.rings
        orders.put(placed(1), standalone=True)
        orders.sequence()

        assert tail.wait(rings, 30)


def test_it_asks_for_nothing_but_numbers(mongo_uri: str, orders: Outbox) -> None:
    """Goes red without its filter or projection: the client would be sent the whole log to throw it away."""
    orders.put([placed(n) for n in range(1000)], standalone=True)
    orders.sequence()
    with watched(mongo_uri, orders.collections.database) as (database, commands):
        with _following(Outbox(database, messages=MESSAGES)):
            [find] = [each for each in commands.of("find") if each.get("tailable")]

        assert find["filter"] == {"_id": {"$gte": 501}}
        assert find["projection"] == {"last": 1, "fence": 1}
        assert find["awaitData"]
        assert "$_resumeAfter" not in find


def test_what_woke_a_reader_is_in_what_it_reads_next(orders: Outbox) -> None:
    """Goes red when the reader's session is not advanced: it might read an older majority than the tail has seen."""
    with _following(orders) as tail:
        orders.put(placed(1), standalone=True)
        orders.sequence()
        with orders.collections.client.start_session(causal_consistency=True) as session:
            wait_until(lambda: _advanced(tail, session), 30, "an operation time")
            found = orders.collections.log.find_one({"_id": 1}, session=session)

    assert found is not None


def _advanced(tail: Head, session: Any) -> bool:
    tail.advance(session)
    return session.operation_time is not None


def test_an_end_of_the_cursor_counts_as_a_break(orders: Outbox) -> None:
    with _following(orders) as tail:
        breaks = tail.breaks
        orders.drop()
        orders.create()

        wait_until(lambda: tail.breaks >= breaks + 2 and tail.is_followed, 30, "the tail to be opened anew")


def test_at_a_break_what_was_fetched_is_forgotten(orders: Outbox) -> None:
    """The log may have been restored, and hold other records under the same numbers."""
    asked: list[int] = []

    def fetch() -> list[Batch]:
        asked.append(1)
        return [Batch(1, 2, 1, 1, b"")]

    with _following(orders) as tail:
        for _ in range(2):
            tail.fetch_cache.enter()
        tail.fetch_cache.read((b"log", 1), fetch)
        orders.drop()
        wait_until(lambda: not tail.is_followed, 30, "the cursor to end")
        tail.fetch_cache.read((b"log", 1), fetch)

    assert len(asked) == 2


def test_it_waits_for_a_log_that_is_not_there(database: Database[Document]) -> None:
    orders = Outbox(database, messages=MESSAGES, sequence=False)
    tail, stop = Head(), threading.Event()
    thread = threading.Thread(target=Tail(orders.collections, tail).run, args=(stop,), name="outbox-tail-test")
    thread.start()
    try:
        wait_until(lambda: tail.breaks > 1, 30, "some tries")
        assert not tail.is_followed
        orders.create()
        wait_until(lambda: tail.is_followed, 30, "the tail to be open")
    finally:
        stop.set()
        thread.join(30)


def test_a_cursor_on_a_node_that_is_no_primary_is_left(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when `_moved` is not asked: after a step-down the cursor lives on where nothing wakes it."""
    with _following(orders) as tail:
        breaks = tail.breaks
        with monkeypatch.context() as patch:
            patch.setattr("pymongo.MongoClient.primary", ("elsewhere", 27017))
            wait_until(lambda: tail.breaks > breaks, 30, "the cursor to be left")

        wait_until(lambda: tail.is_followed, 30, "the tail to be open")


def test_a_reader_is_woken_by_the_outbox_s_own_tail(orders: Outbox) -> None:
    with orders.running():
        reader = orders.reader("earliest")
        assert reader.read() == []
        orders.put(placed(1), standalone=True)
        orders.sequence()
        assert totals(wait_until(reader.read, 30, "the record")) == [1]
        reader.close()
