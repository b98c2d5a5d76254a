"""A cursor that is saved while its next record is still promised is held for, however close to the edge it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

from outbox import HistoryLost, Outbox
from outbox.log.edge import Edge
from outbox.log.retention import Retention
from outbox.mongo.lease import Lease
from outbox.sequencer.sequencer import Sequencer
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import Document, new_outbox, placed
from tests.actors.relay_thread import run_once, seqs
from tests.actors.small_log import put_large, register, small_outbox


@pytest.fixture
def full(database: Database[Document]) -> Outbox:
    """An outbox whose log is full, so that each append rolls something over."""
    outbox = small_outbox(database)
    put_large(outbox, 20)
    return outbox


@pytest.fixture
def sequencer(full: Outbox) -> Any:
    sequencer = Sequencer(full.collections)
    assert sequencer.take_over()
    yield sequencer
    sequencer.release()


def after(monkeypatch: pytest.MonkeyPatch, of: type, name: str, act: Callable[[], None]) -> None:
    """Has `act` happen once, just after the call of the method."""
    method, left = getattr(of, name), [act]

    def patched(*arguments: Any, **options: Any) -> Any:
        found = method(*arguments, **options)
        if left:
            left.pop()()
        return found

    monkeypatch.setattr(of, name, patched)


def test_a_cursor_saved_just_after_the_sequencer_has_looked_is_held_for(
    full: Outbox, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    promised: list[int] = []

    def register_at_the_oldest() -> None:
        promised.append(full.log.oldest())
        register(full, "consumer:billing", promised[0] - 1)
        assert full.log.oldest() == promised[0], "it was promised"

    after(monkeypatch, Retention, "_readers", register_at_the_oldest)
    full.put(placed(1, note="x" * 2000), standalone=True)
    swept = sequencer.sweep()

    assert swept.hold is not None
    assert full.log.earliest() == full.log.oldest() == promised[0]


def test_a_cursor_that_comes_too_late_is_told_before_its_record_is_gone(
    full: Outbox, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The append is decided and not yet sent: nothing can hold it back any more."""
    earliest = full.log.earliest()
    seen: list[int] = []
    after(monkeypatch, Retention, "spare", lambda: seen.append(full.log.oldest()))
    full.put(placed(1, note="x" * 2000), standalone=True)
    sequencer.sweep()

    assert full.log.earliest() > earliest
    assert seen[0] >= full.log.earliest()


def test_a_log_at_rest_keeps_all_that_it_holds(full: Outbox, sequencer: Sequencer) -> None:
    full.put(placed(1, note="x" * 2000), standalone=True)
    sequencer.sweep()
    assert full.log.oldest() > full.log.earliest()

    sequencer.sweep()
    sequencer.sweep()
    assert full.log.oldest() == full.log.earliest()


def test_a_sequencer_that_ends_leaves_no_edge(full: Outbox, sequencer: Sequencer) -> None:
    full.put(placed(1, note="x" * 2000), standalone=True)
    sequencer.sweep()
    sequencer.release()

    assert Edge(full.collections).read() == 0


def test_the_edge_of_a_killed_sequencer_is_taken_back_by_the_next(full: Outbox, sequencer: Sequencer) -> None:
    full.put(placed(1, note="x" * 2000), standalone=True)
    sequencer.sweep()
    assert Edge(full.collections).read() > 0

    document = full.collections.leases.find_one({"_id": "sequencer"}) or {}
    lease = Lease(full.collections.leases, "sequencer", owner=document["owner"])
    assert Sequencer(full.collections, lease).take_over()
    assert Edge(full.collections).read() == 0


def test_a_sequencer_that_was_succeeded_leaves_the_edge_of_the_other(full: Outbox, sequencer: Sequencer) -> None:
    full.put(placed(1, note="x" * 2000), standalone=True)
    sequencer.sweep()
    full.collections.leases.update_one({"_id": "sequencer"}, {"$set": {"owner": None}})
    other = Sequencer(full.collections)
    assert other.take_over()
    full.put(placed(2, note="x" * 2000), standalone=True)
    other.sweep()
    announced = Edge(full.collections).read()
    assert announced > 0

    sequencer.release()

    assert Edge(full.collections).read() == announced
    other.release()


def test_a_log_made_anew_has_no_edge_of_the_old_one(full: Outbox, sequencer: Sequencer) -> None:
    full.put(placed(1, note="x" * 2000), standalone=True)
    sequencer.sweep()
    full.collections.log.drop()
    full.create()

    assert full.log.oldest() == 1


@pytest.fixture
def overtaking(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """An outbox with a full log whose oldest record is rolled over while a relay makes its first cursor."""
    orders = new_outbox(database, capacity="8 MiB")
    while orders.log.oldest() == 1:
        put_large(orders, 4, 900_000)
    after(monkeypatch, type(orders.log), "at", lambda: put_large(orders, 2, 900_000))
    return orders


def test_a_relay_that_starts_at_the_oldest_is_not_overrun_before_it_has_its_cursor(overtaking: Outbox) -> None:
    """Its first choice is rolled over while the cursor is made."""
    first, sink = overtaking.log.oldest(), MemorySink()
    run_once(Relay(overtaking, sink, start="oldest"))

    assert seqs(sink) == list(range(overtaking.log.oldest(), overtaking.log.head() + 1))
    assert seqs(sink)[0] > first


def test_a_relay_that_asks_for_a_seq_is_told_when_it_goes_meanwhile(overtaking: Outbox) -> None:
    with pytest.raises(HistoryLost):
        run_once(Relay(overtaking, MemorySink(), start=overtaking.log.oldest()))
