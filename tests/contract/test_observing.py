"""What every face of an outbox promises of reading and observing: Outbox, AsyncOutbox and MemoryOutbox, by one text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from outbox import HistoryLost, InvalidSelector, InvalidStart, OutboxClosed, UnknownMessage
from outbox.events import CaughtUp, Event, Fetched, Started, Stopped
from tests.actors.faces import Face
from tests.actors.order_service import OrderCancelled, OrderPlaced, placed
from tests.waiting import wait_until


def seqs(records: list[Any]) -> list[int]:
    return [record.seq for record in records]


def sees(records: list[Any], *expected: int) -> None:
    wait_until(lambda: seqs(records) == list(expected), 30, f"{expected}, not {seqs(records)}")


@pytest.mark.by_http
def test_read_gives_all_up_to_the_head_in_order(face: Face) -> None:
    ids = face.put(placed(1), placed(2, "7"), placed(3))

    records = face.read()

    assert seqs(records) == [1, 2, 3]
    assert [record.id for record in records] == ids
    assert [record.message.total for record in records] == [1, 2, 3]
    assert seqs(face.read("latest")) == []
    assert seqs(face.read(2)) == [2, 3]


def test_reading_starts_at_the_first_record_of_a_date(face: Face) -> None:
    face.put(placed(1), placed(2))
    first, second = face.read()

    assert seqs(face.read(datetime.now(UTC) + timedelta(days=1))) == []
    assert seqs(face.read(datetime(2020, 1, 1))) == [1, 2]  # noqa: DTZ001  # naive means UTC
    assert face.read(second.created)[-1] == second
    assert first.created <= second.created


@pytest.mark.by_http
def test_types_key_and_where_choose(face: Face) -> None:
    face.put(placed(1, "a"), OrderCancelled(order_id="a"), placed(3, "b"), placed(4, "a"))

    assert seqs(face.read(types=[OrderCancelled])) == [2]
    assert seqs(face.read(types=["order.placed"], key="a")) == [1, 4]
    assert seqs(face.read(where=lambda record: record.seq % 2 == 0)) == [2, 4]


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (["begin"], {}, InvalidStart),
        ([0], {}, InvalidStart),
        ([True], {}, InvalidStart),
        ([None], {}, InvalidStart),
        ([], {"types": "order.placed"}, InvalidSelector),
        ([], {"types": ["no name"]}, InvalidSelector),
        ([], {"types": [Face]}, UnknownMessage),
        ([], {"key": 1.5}, InvalidSelector),
        ([], {"where": 1}, InvalidSelector),
        ([], {"where": lambda: True}, InvalidSelector),
    ],
)
@pytest.mark.parametrize("call", ["read", "observe"])
def test_what_cannot_be_read_is_refused_at_the_call(
    face: Face, call: str, arguments: list[Any], options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        face.call(getattr(face.outbox, call), *arguments, **options)


@pytest.mark.by_http
def test_a_seq_beyond_the_log_is_refused(face: Face) -> None:
    face.put(placed(1))

    with pytest.raises(InvalidStart, match="beyond the log"):
        face.read(3)
    assert face.read(2) == []


@pytest.mark.by_http
def test_what_where_raises_names_the_record(face: Face) -> None:
    face.put(placed(1), placed(2))

    def where(record: Any) -> bool:
        return bool(1 / (2 - record.seq))

    with pytest.raises(ZeroDivisionError) as raised:
        face.read(where=where)
    assert "seq 2" in raised.value.__notes__[0]


@pytest.mark.by_http
def test_observing_goes_on_with_what_is_put(face: Face) -> None:
    face.put(placed(1), placed(2))

    with face.observing("earliest") as (records, _):
        sees(records, 1, 2)
        face.put(placed(3))
        sees(records, 1, 2, 3)
    assert [record.message for record in records] == [placed(1), placed(2), placed(3)]


def test_observing_from_latest_gives_what_is_put_from_now_on(face: Face) -> None:
    face.put(placed(1))

    with face.observing() as (records, _):
        face.put(placed(2))
        sees(records, 2)


@pytest.mark.by_http
def test_observing_from_a_seq_chooses(face: Face) -> None:
    face.put(placed(1, "a"), placed(2, "b"), placed(3, "a"))

    with face.observing(2, types=[OrderPlaced], key="a", where=lambda record: record.seq != 4) as (records, _):
        face.put(placed(4, "a"), OrderCancelled(order_id="a"), placed(6, "a"))
        sees(records, 3, 6)


@pytest.mark.by_http
def test_what_where_raises_ends_observing(face: Face) -> None:
    def where(record: Any) -> bool:
        raise ZeroDivisionError

    face.put(placed(1))
    with face.observing("earliest", where=where) as (_, errors):
        wait_until(lambda: errors, 30, "the error")
    assert isinstance(errors[0], ZeroDivisionError)


def test_an_observer_is_told_what_happens(face: Face) -> None:
    events: list[Event] = []
    face.put(placed(1), placed(2))
    with face.observing("earliest", on_event=events.append) as (records, _):
        sees(records, 1, 2)
        wait_until(lambda: CaughtUp(2) in events, 30, "the head")
    wait_until(lambda: Stopped() in events, 30, "the end")

    assert events[0] == Started()
    assert sum(event.n for event in events if isinstance(event, Fetched)) == 2
    assert events[-1] == Stopped()


def test_a_start_that_was_rolled_over_is_history_lost(face: Face) -> None:
    oldest = face.fill()

    assert face.read()[0].seq == oldest
    with pytest.raises(HistoryLost) as lost:
        face.read(1)
    assert (lost.value.expected, lost.value.oldest) == (1, oldest)


def test_a_gap_may_be_passed(face: Face) -> None:
    oldest = face.fill()
    gaps: list[HistoryLost] = []

    assert face.read(1, on_gap=gaps.append)[0].seq == oldest
    assert [(gap.expected, gap.oldest) for gap in gaps] == [(1, oldest)]


def test_nothing_is_read_of_one_that_is_closed(face: Face) -> None:
    face.call(face.outbox.close)

    for call in (face.outbox.read, face.outbox.observe):
        with pytest.raises(OutboxClosed):
            face.call(call)
    with pytest.raises(OutboxClosed):
        face.call(face.outbox.put, placed(1), standalone=True)
    with pytest.raises(OutboxClosed):
        face.call(face.outbox.consumer, "billing")
    with pytest.raises(OutboxClosed):
        face.call(face.outbox.find, ObjectId())
