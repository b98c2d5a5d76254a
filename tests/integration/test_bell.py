"""The bell: it only says that a sweep would find something, and what it does not say costs a second at most."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo.change_stream import CollectionChangeStream
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox
from outbox.bell import Bell
from tests.commands import watched
from tests.orders import MESSAGES, new_outbox, placed
from tests.waiting import wait_until

Document = dict[str, Any]


@contextmanager
def _hung(orders: Outbox, seconds: float = 0.2) -> Iterator[tuple[Bell, threading.Event]]:
    bell, stop = Bell(orders.collections.staging, seconds), threading.Event()
    thread = threading.Thread(target=bell.run, args=(stop,), name="outbox-bell-test")
    thread.start()
    try:
        yield bell, stop
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def _snapshot(orders: Outbox) -> Any:
    reply = orders.collections.database.command({"find": "outbox.staging", "readConcern": {"level": "snapshot"}})
    return reply["cursor"]["atClusterTime"]


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    return new_outbox(database, sequence=False)


def test_it_rings_for_what_was_put_since_the_sweep(orders: Outbox) -> None:
    swept = _snapshot(orders)
    orders.put(placed(1))
    with _hung(orders) as (bell, stop):
        assert bell.wait(swept, 30, stop)


def test_it_rings_for_what_is_put_while_it_is_waited_for(orders: Outbox) -> None:
    with _hung(orders) as (bell, stop):
        swept = _snapshot(orders)
        assert not bell.wait(swept, 0.5, stop)
        orders.put(placed(1))
        assert bell.wait(swept, 30, stop)


def test_it_rings_for_one_message_after_another(orders: Outbox) -> None:
    with _hung(orders) as (bell, stop):
        for n in range(20):
            swept = _snapshot(orders)
            orders.put(placed(n))
            assert bell.wait(swept, 30, stop)


def test_it_keeps_silent_for_what_was_swept(orders: Outbox) -> None:
    with _hung(orders) as (bell, stop):
        before = _snapshot(orders)
        for n in range(3):
            orders.put(placed(n))
        assert bell.wait(before, 30, stop)

        assert not bell.wait(_snapshot(orders), 0.5, stop)


def test_it_does_not_follow_what_nobody_waits_for(
    mongo_uri: str, orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the stream is read all the time: under load that costs more than the messages themselves."""
    read = 0
    following = CollectionChangeStream.try_next

    def counted(stream: CollectionChangeStream[Any]) -> Any:
        nonlocal read
        read += 1
        return following(stream)

    monkeypatch.setattr(CollectionChangeStream, "try_next", counted)
    with _hung(orders) as (bell, stop):
        swept = _snapshot(orders)
        orders.put(placed(0))
        assert bell.wait(swept, 30, stop)
        orders.put([placed(n) for n in range(100)])
        assert not bell.wait(_snapshot(orders), 0, stop)
        before = read
        stop.wait(0.5)

        assert read <= before + 1


def test_left_far_behind_it_begins_anew_at_the_sweep(
    mongo_uri: str, orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.bell._BEHIND", 10)
    with watched(mongo_uri, orders.collections.database) as (database, commands):
        with _hung(Outbox(database, messages=MESSAGES, sequence=False)) as (bell, stop):
            swept = _snapshot(orders)
            orders.put(placed(0))
            assert bell.wait(swept, 30, stop)
            orders.put([placed(n) for n in range(100)])
            swept = _snapshot(orders)
            assert not bell.wait(swept, 1, stop)
            orders.put(placed(1))
            assert bell.wait(swept, 30, stop)

        opened = [each for each in commands.of("aggregate") if "$changeStream" in each["pipeline"][0]]
        assert len(opened) == 2
        wanted = opened[1]["pipeline"][0]["$changeStream"]["startAtOperationTime"]
        assert (wanted.time, wanted.inc) == (swept.time, swept.inc + 1)


def test_a_stop_ends_a_wait_at_once(orders: Outbox) -> None:
    with _hung(orders) as (bell, stop):
        threading.Timer(0.1, stop.set).start()
        assert not bell.wait(_snapshot(orders), 600, stop)


def test_a_broken_one_is_opened_anew(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AutoReconnect("no change stream today")

    swept = _snapshot(orders)
    orders.put(placed(1))
    with monkeypatch.context() as patch:
        patch.setattr("pymongo.synchronous.collection.Collection.watch", refuse)
        with _hung(orders) as (bell, stop):
            assert not bell.wait(swept, 0.3, stop)
            patch.undo()
            wait_until(lambda: bell.wait(swept, 1, stop), 30, "the bell to ring")

    assert "sweeping by the clock" in caplog.text
