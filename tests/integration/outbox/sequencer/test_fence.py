"""The server itself refuses a sequencer whose time is over, however long it slept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from outbox import LeaseLost, Outbox
from outbox.log import log
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.sequencer.appender import TakeoverRequired
from outbox.sequencer.sequencer import Sequencer
from outbox.testing import FakeClock
from tests.actors.order_service import new_outbox, placed, totals
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


def _sequencer(database: Database[Document], clock: FakeClock) -> Sequencer:
    collections = Collections(database, "outbox")
    return Sequencer(collections, Lease(collections.leases, "sequencer", clock=clock))


def _succeed(database: Database[Document]) -> Sequencer:
    """Another process waits out the holder's lease and takes over."""
    clock = FakeClock()
    other = _sequencer(database, clock)
    assert not other.take_over()
    clock.advance(10)
    assert other.take_over()
    return other


def _asleep_while(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> None:
    """The next insert into the log is sent only after `meanwhile`, as by a process that was stopped before it."""
    insert_many = Collection.insert_many

    def late(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        if self.name == "outbox":
            monkeypatch.setattr(Collection, "insert_many", insert_many)
            meanwhile()
        return insert_many(self, *arguments, **options)

    monkeypatch.setattr(Collection, "insert_many", late)


def test_an_insert_of_a_sequencer_that_was_succeeded_is_refused(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = new_outbox(database)
    orders.put(placed(1), standalone=True)
    sleeper = _sequencer(database, FakeClock())
    sleeper.take_over()

    def meanwhile() -> None:
        _succeed(database)

    _asleep_while(monkeypatch, meanwhile)
    with pytest.raises(LeaseLost, match="fenced"):
        sleeper.sweep()
    assert totals(orders.read()) == []


def _rolled_over(database: Database[Document], orders: Outbox) -> None:
    """The successor works until the log has forgotten the number that the sleeper is about to give."""
    other = _succeed(database)
    for n in range(12):
        orders.put(placed(100 + n, note="x" * 900_000), standalone=True)
        other.sweep()
    assert orders.log.oldest() > 1


@pytest.mark.parametrize("fenced", [True, False])
def test_it_is_refused_also_after_the_log_has_rolled_over_its_number(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, fenced: bool
) -> None:
    """Without the fence in the validator the server takes the number a second time: the unique `_id` is not enough."""
    if not fenced:
        validator = log.validator(0)
        monkeypatch.setattr("outbox.sequencer.fence.validator", lambda fence: validator)
        monkeypatch.setattr("outbox.log.creation.validator", lambda fence: validator)
    with new_outbox(database, capacity="8 MiB") as orders:
        orders.put(placed(1), standalone=True)
        sleeper = _sequencer(database, FakeClock())
        sleeper.take_over()
        _asleep_while(monkeypatch, lambda: _rolled_over(database, orders))

        if fenced:
            with pytest.raises(LeaseLost):
                sleeper.sweep()
        else:
            sleeper.sweep()

        assert (database.outbox.find_one({"_id": 1}) is None) is fenced


def test_a_misplaced_batch_would_be_seen_by_no_reader(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third barrier: the oldest is found by natural order, so what stands below it does not exist for readers."""
    monkeypatch.setattr("outbox.sequencer.fence.validator", lambda fence, validator=log.validator: validator(0))
    with new_outbox(database, capacity="8 MiB") as orders:
        orders.put(placed(1), standalone=True)
        sleeper = _sequencer(database, FakeClock())
        sleeper.take_over()
        _asleep_while(monkeypatch, lambda: _rolled_over(database, orders))
        sleeper.sweep()

        assert orders.log.oldest() > 1
        assert 1 not in [each.seq for each in orders.read()]


def test_a_sequencer_that_slept_past_its_lease_does_not_even_try(database: Database[Document]) -> None:
    orders, clock = new_outbox(database), FakeClock()
    orders.put(placed(1), standalone=True)
    sleeper = _sequencer(database, clock)
    sleeper.take_over()
    _succeed(database)
    clock.advance(8)

    with pytest.raises(LeaseLost):
        sleeper.sweep()


def test_a_validator_that_was_lowered_is_raised_again(database: Database[Document]) -> None:
    """Goes red when nobody looks at the validator again: by then anybody could append."""
    orders, clock = new_outbox(database), FakeClock()
    worker = _sequencer(database, clock)
    worker.take_over()
    database.command("collMod", "outbox", validator=log.validator(0))
    for _ in range(2):
        clock.advance(2)
        worker._lease.renew()
    clock.advance(2)

    with pytest.raises(TakeoverRequired, match="validator"):
        worker.sweep()
    assert worker.take_over()
    assert orders.log.describe().fence == worker.fence


def test_taking_over_waits_for_a_transaction_that_reads_the_log(database: Database[Document]) -> None:
    """It waits in short tries, so that readers of the log are not held up behind it; then it gets through."""
    orders = new_outbox(database)
    orders.put(placed(1), standalone=True)
    done = threading.Event()

    def work() -> None:
        assert orders.sequence() == 1
        done.set()

    worker = threading.Thread(target=work, name="worker")
    with database.client.start_session() as session:
        with session.start_transaction():
            database.outbox.find_one({}, session=session)
            worker.start()
            for _ in range(5):
                assert totals(orders.read()) == []
            assert not done.wait(0.5)
        wait_until(done.is_set, 30, "the sequencer to get through")
    worker.join(30)
