"""What every face of an outbox promises of its consumers: Outbox, AsyncOutbox and MemoryOutbox, by one text."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from outbox import (
    CursorInUse,
    InvalidConsumer,
    InvalidName,
    InvalidSelector,
    InvalidStart,
    OutboxClosed,
    WaitTimeout,
)
from outbox.events import CaughtUp, Event, Failed, Handled, Parked, Standby, Started, Stopped, TookOver
from tests.actors import running
from tests.actors.billing import Fails, billing, caught_up
from tests.actors.faces import Face
from tests.actors.order_service import OrderCancelled, placed
from tests.waiting import wait_until


def sees(handled: running.Handled, *seqs: int) -> None:
    """As Handled.sees; a transaction that met another may have been done again."""
    wait_until(lambda: list(dict.fromkeys(handled.seqs)) == list(seqs), 30, f"{seqs}, not {handled.seqs}")


@pytest.mark.parametrize("batch", [None, 1, 2])
def test_it_handles_all_in_order_and_goes_on_where_it_was(face: Face, batch: int | None) -> None:
    face.put(placed(1), placed(2), placed(3))
    handled = running.Handled()
    consumer = billing(face)
    assert face.call(consumer.position) is None
    with face.running(consumer, handled, batch=batch):
        sees(handled, 1, 2, 3)
        face.put(placed(4))
        sees(handled, 1, 2, 3, 4)
    assert face.call(consumer.position) == 4

    face.put(placed(5))
    with face.running(billing(face), handled, batch=batch):
        sees(handled, 1, 2, 3, 4, 5)
    assert handled.records[0].message == placed(1)


@pytest.mark.by_http
def test_it_begins_where_start_says(face: Face) -> None:
    face.put(placed(1), placed(2), placed(3))

    for start, expected in ((2, [2, 3]), ("latest", []), (datetime(2020, 1, 1, tzinfo=UTC), [1, 2, 3])):
        handled = running.Handled()
        consumer = face.call(face.outbox.consumer, f"from-{str(start)[:4]}", start=start)
        with face.running(consumer, handled):
            caught_up(face, consumer)
        assert handled.seqs == expected


@pytest.mark.by_http
def test_it_handles_the_types_and_the_key_it_was_given_and_passes_the_others(face: Face) -> None:
    face.put(placed(1, "a"), OrderCancelled(order_id="a"), placed(3, "b"), OrderCancelled(order_id="b"))
    cancelled, of_b = running.Handled(), running.Handled()
    consumers = billing(face, types=[OrderCancelled]), face.call(face.outbox.consumer, "b", key="b")
    for consumer, handled in zip(consumers, (cancelled, of_b), strict=True):
        with face.running(consumer, handled):
            caught_up(face, consumer)
        assert face.call(consumer.position) == 4

    assert cancelled.seqs == [2, 4]
    assert of_b.seqs == [3, 4]


def test_keys_are_handled_side_by_side_and_each_in_order(face: Face) -> None:
    face.put(placed(1, "a"), placed(2, "a"), placed(3, "b"), placed(4, "b"))
    b_is_done = threading.Event()
    seqs: list[int] = []

    def handle(record: Any) -> None:
        if record.seq == 1:
            assert b_is_done.wait(30)
        seqs.append(record.seq)
        if record.seq == 4:
            b_is_done.set()

    consumer = billing(face, concurrency=2)
    with face.running(consumer, handle):
        caught_up(face, consumer)

    assert seqs == [3, 4, 1, 2]


def test_of_one_name_one_works_and_the_next_takes_over(face: Face) -> None:
    first, second = running.Handled(), running.Handled()
    events: list[Event] = []
    one, other = billing(face), billing(face, on_event=events.append)
    face.put(placed(1))
    with face.running(one, first):
        first.sees(1)
        with face.running(other, second):
            wait_until(lambda: any(isinstance(event, Standby) for event in events), 30, "the second to stand by")
            face.put(placed(2))
            first.sees(1, 2)
            one.stop()
            wait_until(lambda: TookOver() in events, 30, "the takeover")
            face.put(placed(3))
            second.sees(3)


@pytest.mark.by_http
def test_it_runs_once_at_a_time(face: Face) -> None:
    consumer, handled = billing(face), running.Handled()
    face.put(placed(1))
    with face.running(consumer, handled):
        handled.sees(1)
        with face.running(consumer, handled) as again:
            assert isinstance(again.fails(), InvalidConsumer)
            face.put(placed(2))
            assert handled.seqs[0] == 1


def test_reset_sets_the_position_and_forget_removes_it(face: Face) -> None:
    face.put(placed(1), placed(2), placed(3))
    handled = running.Handled()
    consumer = billing(face)
    with face.running(consumer, handled):
        caught_up(face, consumer)
        wait_until(lambda: face.call(face.outbox.readers)[0].holder, 30, "its holder")
        for change in (lambda: consumer.reset("earliest"), consumer.forget):
            with pytest.raises(CursorInUse):
                face.call(change)

    assert face.call(consumer.reset, 2) == 2
    assert face.call(consumer.reset, "latest") == 3
    assert face.call(consumer.reset, face.read()[0].created) == 0
    assert face.call(consumer.reset, "earliest") == 0
    for seq in (4, -1):
        with pytest.raises(InvalidStart):
            face.call(consumer.reset, seq)
    with pytest.raises(InvalidConsumer):
        face.call(consumer.reset, "later")
    with face.running(consumer, handled):
        handled.sees(1, 2, 3, 1, 2, 3)
    assert face.call(consumer.forget) is True
    assert face.call(consumer.forget) is False
    assert face.call(consumer.position) is None


def test_a_wait_says_how_far_it_is(face: Face) -> None:
    face.put(placed(1))
    consumer = billing(face)

    with pytest.raises(WaitTimeout, match="has not caught up within 0 s: it has not begun, and was to reach 1"):
        face.call(consumer.wait_caught_up, 0)


def test_what_was_put_is_found_and_its_handling_waited_for(face: Face) -> None:
    [id] = face.put(placed(1))
    consumer, handled = billing(face), running.Handled()
    assert (face.call(face.outbox.find, str(id)).place, face.call(face.outbox.find, id).seq) == ("log", 1)
    with pytest.raises(WaitTimeout, match="has not passed it within 0 s: .* has no cursor here") as late:
        face.call(face.outbox.wait_for, id, "consumer:billing", 0)
    assert late.value.location.seq == 1
    with face.running(consumer, handled):
        face.call(face.outbox.wait_for, id, reader="consumer:billing", timeout=30.0)

    assert face.call(face.outbox.find, id).passed == ("consumer:billing",)
    [second] = face.put(placed(2))
    assert face.call(face.outbox.find, second).waiting == ("consumer:billing",)
    assert face.call(face.outbox.find, "0" * 24).place == "unknown"
    for wrong, error in (("text", InvalidSelector), (1, InvalidSelector)):
        with pytest.raises(error):
            face.call(face.outbox.find, wrong)
    with pytest.raises(InvalidName):
        face.call(face.outbox.wait_for, id, "billing")


def test_readers_tell_how_far_each_is(face: Face) -> None:
    face.put(placed(1), placed(2))
    assert face.call(face.outbox.readers) == []
    consumer = billing(face)
    with face.running(consumer, running.Handled()):
        caught_up(face, consumer)
    face.put(placed(3))

    [status] = face.call(face.outbox.readers)
    assert (status.id, status.kind, status.position, status.head, status.lag) == (
        "consumer:billing",
        "consumer",
        2,
        3,
        1,
    )
    assert (status.paused, status.shares, status.fault, len(status.of_shares)) == (False, 1, None, 1)


def test_it_tells_what_it_does(face: Face) -> None:
    events: list[Event] = []
    face.put(placed(1, "a"), placed(2, "b"))
    consumer = billing(face, attempts=2, on_event=events.append)
    with face.running(consumer, Fails(1)):
        caught_up(face, consumer)
        wait_until(lambda: CaughtUp(2) in events, 30, "the head")
    kinds = [type(event) for event in events]

    assert [kind for kind in kinds if kind in (TookOver, Started)] == [TookOver, Started]
    assert [event.attempt for event in events if isinstance(event, Failed)] == [1, 2]
    assert [event.record.seq for event in events if isinstance(event, Parked)] == [1]
    assert [event.record.seq for event in events if isinstance(event, Handled)] == [2]
    assert events[-1] == Stopped()


@pytest.mark.by_http
def test_it_does_not_run_once_its_outbox_is_closed(face: Face) -> None:
    consumer = billing(face)
    face.call(face.outbox.close)

    with face.running(consumer, running.Handled()) as work:
        assert isinstance(work.fails(), OutboxClosed)


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("", {}, InvalidName),
        ("a b", {}, InvalidName),
        (1, {}, InvalidName),
        ("billing", {"shares": 0}, InvalidConsumer),
        ("billing", {"concurrency": 0}, InvalidConsumer),
        ("billing", {"attempts": 0}, InvalidConsumer),
        ("billing", {"attempts": True}, InvalidConsumer),
        ("billing", {"on_poison": "skip"}, InvalidConsumer),
        ("billing", {"on_event": 1}, InvalidConsumer),
        ("billing", {"start": "begin"}, InvalidStart),
        ("billing", {"types": "order.placed"}, InvalidSelector),
    ],
)
def test_a_consumer_that_cannot_be_is_refused(face: Face, name: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        face.call(face.outbox.consumer, name, **options)
