"""A cursor that is saved while its next record is still promised is held for, however close to the edge it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

from outbox import HistoryLost, Outbox
from outbox.log.edge import Edge
from outbox.log.retention import Retention
from outbox.log.weight import LogWeight
from outbox.mongo.lease import Lease
from outbox.sequencer.sequencer import Sequencer
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import Document, new_outbox, placed
from tests.actors.relay_thread import run_once, seqs
from tests.actors.small_log import CAP, put_large, register, small_outbox


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


def test_a_cursor_saved_while_the_edge_moves_on_beside_an_append_is_held_for(
    full: Outbox, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first append to a full log waits for the edge; for the next one it is moved beside that."""
    promised: list[int] = []

    def register_at_the_edge() -> None:
        promised.append(full.log.oldest())
        register(full, "consumer:billing", promised[0] - 1)
        assert full.log.oldest() == promised[0], "it was promised"

    def move_on_after_that(*arguments: Any) -> Any:
        after(monkeypatch, Retention, "_weigh_at_least", register_at_the_edge)
        return move_on(sequencer.retention, *arguments)

    move_on = Retention._move_on
    monkeypatch.setattr(sequencer.retention, "_move_on", move_on_after_that)
    for number in range(2):
        full.put(placed(number, note="x" * 2000), standalone=True)
    assert sequencer.sweep().hold is None
    full.put(placed(3, note="x" * 4000), standalone=True)
    swept = sequencer.sweep()

    assert swept.hold is not None
    assert full.log.record_at(promised[0]) is not None
    assert full.log.oldest() <= promised[0]


def test_only_the_first_append_to_a_full_log_waits_for_the_log_to_be_measured(
    full: Outbox, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.log.retention._COUNTED_SECONDS", 600.0)
    measured: list[int] = []
    after_each = LogWeight.whole
    monkeypatch.setattr(LogWeight, "whole", lambda self: measured.append(1) or after_each(self))
    for number in range(10):
        full.put(placed(number, note="x" * 2000), standalone=True)
        sequencer.sweep()

    assert len(measured) == 1


def test_what_is_counted_along_is_measured_anew_after_a_second(
    full: Outbox, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may be another one by then, which has rolled over more."""
    monkeypatch.setattr("outbox.log.retention._COUNTED_SECONDS", 0.0)
    measured: list[int] = []
    after_each = LogWeight.whole
    monkeypatch.setattr(LogWeight, "whole", lambda self: measured.append(1) or after_each(self))
    for number in range(4):
        full.put(placed(number, note="x" * 2000), standalone=True)
        sequencer.sweep()

    assert len(measured) > 1


def test_the_edge_that_was_counted_along_is_where_the_log_rolls_over(full: Outbox, sequencer: Sequencer) -> None:
    """After each of many appends of different sizes nothing beyond it is gone."""
    for number in range(40):
        full.put(placed(number, note="x" * (2000 + number * 977 % 1500)), standalone=True)
        sequencer.sweep()
        assert Edge(full.collections).read() >= full.log.earliest()


def test_a_log_that_was_made_smaller_is_measured_anew(full: Outbox, sequencer: Sequencer) -> None:
    head = sequencer.next - 1
    sequencer.retention.spare(1000, 2 * CAP, head)
    assert Edge(full.collections).read() == 0, "nothing is near to being rolled over"
    sequencer.retention.spare(1000, CAP, head)

    assert Edge(full.collections).read() > full.log.earliest()


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
    after(monkeypatch, type(orders.log), "record_at", lambda: put_large(orders, 2, 900_000))
    return orders


def test_a_relay_that_starts_at_the_oldest_is_not_overrun_before_it_has_its_cursor(overtaking: Outbox) -> None:
    """Its first choice is rolled over while the cursor is made."""
    first, sink = overtaking.log.oldest(), MemorySink()
    run_once(Relay(overtaking, sink, start="oldest"))

    begun = seqs(sink)[0]
    assert seqs(sink) == list(range(begun, overtaking.log.head() + 1))
    assert begun >= overtaking.log.oldest(), "what an append was about to roll over is left out, also if it was not"
    assert begun > first


def test_a_relay_that_asks_for_a_seq_is_told_when_it_goes_meanwhile(overtaking: Outbox) -> None:
    with pytest.raises(HistoryLost):
        run_once(Relay(overtaking, MemorySink(), start=overtaking.log.oldest()))
