"""Counting what a durable reader does."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from pymongo.errors import AutoReconnect

from outbox.counting.tally import ReaderTally
from outbox.errors import DeliveryFailed, Verdict
from outbox.events import Disconnected, Event, Failed, Paused, Reconnected, Standby, TookOver
from outbox.monitoring.delivery_count import DeliveryCount, counted, error_name
from outbox.testing import FakeClock

RECORD: Any = None


class Scene:
    def __init__(self) -> None:
        self.tally = ReaderTally()
        self.clock = FakeClock()
        self.count = DeliveryCount(self.tally, self.clock, itemgetter(1), now=lambda: 10.0)

    def send(self, *seqs: int, topic: str = "a", others: tuple[int, ...] = ()) -> None:
        marks = [(seq, 9_000, b"") for seq in sorted([*seqs, *others])]
        self.count.sent([(seq, topic) for seq in seqs], marks)

    @property
    def ok(self) -> float:
        return self.tally.handled.all()["ok"]


def test_what_is_acknowledged_counts_by_its_topic() -> None:
    scene = Scene()
    scene.send(1, 2, topic="a")
    scene.send(3, topic="b")

    scene.count.delivered(3)

    assert scene.tally.sent.all() == {"a": 2, "b": 1}
    assert scene.ok == 3


def test_a_part_of_what_was_sent_counts_by_itself_and_once() -> None:
    scene = Scene()
    scene.send(1, 2, 3)

    scene.count.delivered(2)
    scene.count.delivered(2)

    assert scene.ok == 2
    scene.count.delivered(3)
    assert scene.ok == 3


def test_what_is_given_up_does_not_count_until_it_is_sent_again() -> None:
    scene = Scene()
    scene.send(1, 2, 3)
    scene.count.delivered(1)

    scene.count.dropped()
    scene.send(2, 3)
    scene.count.delivered(3)

    assert scene.ok == 3


def test_records_that_are_left_out_count_nowhere() -> None:
    scene = Scene()
    scene.send(2, others=(1, 3))

    scene.count.delivered(3)

    assert scene.ok == 1
    assert scene.tally.delivery_seconds.all().buckets[-1][1] == 1


def test_delivery_counts_from_the_message_and_publishing_from_the_sending() -> None:
    scene = Scene()
    scene.send(1)
    scene.clock.advance(0.2)

    scene.count.delivered(1)

    assert scene.tally.delivery_seconds.all().sum == 1.0
    assert scene.tally.publish_seconds.all().sum == 0.2
    assert scene.tally.batch_messages.all().sum == 1


def test_a_clock_that_is_ahead_makes_no_negative_time() -> None:
    scene = Scene()
    scene.count.sent([(1, "a")], [(1, 11_000, b"")])

    scene.count.delivered(1)

    assert scene.tally.delivery_seconds.all().sum == 0


def test_events_are_counted_and_told() -> None:
    tally, told = ReaderTally(), list[Event]()
    tell = counted(tally, told.append)

    for event in (Standby(None), TookOver(), Failed(RECORD, ValueError(), 1), Paused()):
        tell(event)

    assert len(told) == 4
    assert tally.state == "paused"
    assert tally.handled.all()["failed"] == 1


def test_an_error_is_named_by_kafka_or_by_its_class() -> None:
    assert error_name(DeliveryFailed(None, Verdict.RETRY, "", code="_FATAL")) == "_FATAL"
    assert error_name(DeliveryFailed(None, Verdict.RETRY, "")) == "DeliveryFailed"
    assert error_name(AutoReconnect()) == "AutoReconnect"


def test_why_it_cannot_go_on_is_kept_until_it_can() -> None:
    tally = ReaderTally()
    told = counted(tally, lambda _: None)

    told(TookOver())
    told(Disconnected(AutoReconnect("away")))
    trouble = tally.trouble
    told(Reconnected(1.5))

    assert (trouble, tally.trouble, tally.state) == ("away", "", "working")
