"""The sequencer appends what the change stream brings as if from staging, and a sweep goes on where that ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Timestamp
from bson.datetime_ms import DatetimeMS
from pymongo.database import Database

from outbox import Outbox
from outbox.errors import LeaseLost
from outbox.mongo.collections import Collections
from outbox.sequencer import loop
from outbox.sequencer.appender import TakeoverRequired
from outbox.sequencer.change_stream import Changes, ChangeStreamListener
from outbox.sequencer.loop import run_sequencer
from outbox.sequencer.sequencer import Sequencer
from outbox.sequencer.snapshot import Snapshot
from tests.actors.command_listener import watched
from tests.actors.order_service import foreign, new_outbox, placed, totals, unchecked
from tests.doubles.executors import Now
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, sequence=False) as outbox:
        yield outbox


@pytest.fixture
def worker(orders: Outbox) -> Iterator[Sequencer]:
    """One that has swept all there was."""
    worker = Sequencer(orders.collections, threads=Now())
    assert worker.take_over()
    assert worker.sweep().is_last
    yield worker
    worker.release()


def _changes(orders: Outbox) -> Changes:
    """All that is in staging, in the order of the puts, as if each had been committed at once."""
    shown = Snapshot(orders.collections, Now())
    return Changes(shown.page(), shown.time)


def test_changes_are_appended_without_asking_staging(mongo_uri: str, orders: Outbox) -> None:
    with watched(mongo_uri, orders.collections.database) as (database, commands):
        worker = Sequencer(Collections(database, "outbox"), threads=Now())
        worker.take_over()
        assert worker.sweep().is_last
        orders.put([placed(1), placed(2)], standalone=True)
        changes = _changes(orders)
        commands.clear()
        taken = worker.take(changes)
        assert (taken.messages, taken.is_last) == (2, True)
        assert [find for find in commands.of("find") if find["find"] == "outbox.staging"] == []
        worker.release()

    assert totals(orders.read()) == [1, 2]
    assert orders.status().staging == 0


def test_changes_that_come_twice_are_appended_once(orders: Outbox, worker: Sequencer) -> None:
    """Goes red when `take` relies on the stream never to repeat itself."""
    orders.put(placed(1), standalone=True)
    changes = _changes(orders)
    assert worker.take(changes).messages == 1
    worker.take(changes)

    assert totals(orders.read()) == [1]


def test_changes_that_a_sweep_has_passed_are_appended_once(orders: Outbox, worker: Sequencer) -> None:
    """Goes red when `take` looks only at what came since the last sweep: a new primary's stream may go back further."""
    orders.put(placed(1), standalone=True)
    changes = _changes(orders)
    assert worker.take(changes).messages == 1
    assert worker.sweep().is_last
    worker.take(changes)

    assert totals(orders.read()) == [1]


def test_a_sweep_after_changes_leaves_out_what_is_not_deleted_yet(orders: Outbox, worker: Sequencer) -> None:
    """Goes red when what `take` appended is not remembered until it is gone from staging."""
    orders.put(placed(1), standalone=True)
    assert worker.take(_changes(orders)).messages == 1
    assert orders.status().staging == 1
    orders.put(placed(2), standalone=True)
    assert worker.sweep().messages == 1

    assert totals(orders.read()) == [1, 2]


def test_a_malformed_change_is_dead_lettered_and_the_rest_goes_on(orders: Outbox, worker: Sequencer) -> None:
    unchecked(orders, foreign(1, headers=7), foreign(2))
    worker.take(_changes(orders))

    assert totals(orders.read()) == [2]
    assert orders.collections.dead.count_documents({}) == 1


def test_a_clock_ahead_does_not_move_what_comes_after_it(orders: Outbox, worker: Sequencer) -> None:
    """Goes red when changes are dated by their writers alone, or by a time the sequencer swept at long ago."""
    far = 4_000_000_000
    orders.collections.staging.insert_one(foreign(1, created=DatetimeMS(far * 1000), at=Timestamp(far, 1)))
    changes = _changes(orders)
    worker.take(changes)
    (record,) = orders.read()

    assert record.created.timestamp() == changes.time.time + 1


def test_changes_held_back_for_a_reader_are_taken_by_a_sweep(database: Database[Document]) -> None:
    with new_outbox(database, capacity="5 MiB", max_message_bytes=100 << 10, sequence=False) as orders:
        worker = Sequencer(orders.collections, threads=Now())
        worker.take_over()
        orders.collections.cursors.insert_one({"_id": "relay:kafka", "seq": 0})
        appended, hold = 0, None
        while hold is None:
            orders.put([placed(appended + n, note="x" * 90_000) for n in range(5)], standalone=True)
            taken = worker.take(_changes(orders))
            appended, hold = appended + taken.messages, taken.hold
        assert not taken.is_last
        assert worker.sweep().hold == hold
        orders.collections.cursors.update_one({"_id": "relay:kafka"}, {"$set": {"seq": appended}})
        wait_until(lambda: worker.sweep().is_last, 30, "the rest")
        worker.release()

        assert [record.seq for record in orders.read()][-1] > appended
        assert orders.collections.staging.count_documents({}) == 0


def test_another_fence_stops_changes_as_it_stops_a_sweep(orders: Outbox, worker: Sequencer) -> None:
    orders.put(placed(1), standalone=True)
    changes = _changes(orders)
    orders.collections.leases.update_one({"_id": "sequencer"}, {"$set": {"owner": None}})
    other = Sequencer(orders.collections)
    assert other.take_over()
    assert other.sweep().messages == 1

    with pytest.raises((LeaseLost, TakeoverRequired)):
        worker.take(changes)
    assert totals(orders.read()) == [1]
    other.release()


def test_at_a_steady_rate_staging_is_still_swept_every_second(
    mongo_uri: str, orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the change stream is trusted as long as it brings something: here the first message never comes."""
    heed, follow_from = ChangeStreamListener._heed, ChangeStreamListener.follow_from
    hidden: list[Any] = []
    swept = threading.Event()

    def forgetful(listener: ChangeStreamListener, since: Timestamp, put: Timestamp, document: Any) -> None:
        if hidden:
            heed(listener, since, put, document)
        else:
            hidden.append(document)

    def told(listener: ChangeStreamListener, time: Timestamp) -> None:
        follow_from(listener, time)
        swept.set()

    monkeypatch.setattr(ChangeStreamListener, "_heed", forgetful)
    monkeypatch.setattr(ChangeStreamListener, "follow_from", told)
    monkeypatch.setattr(loop, "_QUIET_SECONDS", 30.0)  # a slow machine is quiet for longer between two puts
    stop = threading.Event()
    thread = threading.Thread(target=run_sequencer, args=(orders.collections, Sequencer(orders.collections), stop))
    thread.start()
    try:
        assert swept.wait(30), "the first sweep did not come"  # it would find what is put before it
        numbers = iter(range(10_000))
        orders.put(placed(next(numbers)), standalone=True)

        def seen() -> bool:
            orders.put(placed(next(numbers)), standalone=True)
            return 0 in totals(orders.read())

        wait_until(seen, 30, "the message that the change stream forgot")
    finally:
        stop.set()
        thread.join(30)
    assert hidden
