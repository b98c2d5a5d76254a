"""A Kafka that is silent is told of, with since when, and so is its return."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from outbox.testing import FakeClock
from relay.kafka.watch import QUIET_SECONDS, Generation, Silence, Watch

NOON = datetime(2025, 1, 2, 12, 0, 0, tzinfo=UTC)


class Scene:
    """A watch, one second a step."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.clock = FakeClock(100.0)
        self.silence = Silence("kafka:9092", self.clock, lambda: NOON)
        self.watch = Watch(self.silence, self.clock)
        self.answer = ""
        self.asked = 0
        self._caplog = caplog

    def send(self, count: int = 1) -> Generation:
        generation = self.watch.flight.sending()
        self.watch.flight.add(generation, count)
        return generation

    def ask(self) -> str:
        self.asked += 1
        return self.answer

    def step(self, seconds: float = 1.0) -> bool:
        self.clock.advance(seconds)
        return self.watch.check(self.ask)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.step()

    @property
    def lines(self) -> list[str]:
        return [each.getMessage() for each in self._caplog.records if each.name == "relay.kafka"]


@pytest.fixture
def scene(caplog: pytest.LogCaptureFixture) -> Scene:
    caplog.set_level(logging.INFO, "relay.kafka")
    return Scene(caplog)


def test_what_is_acknowledged_in_time_is_not_worth_a_line(scene: Scene) -> None:
    for _ in range(100):
        generation = scene.send()
        scene.run(5)
        generation.waiting -= 1
    scene.run(100)

    assert scene.lines == []
    assert scene.asked == 0


def test_records_that_wait_are_told_of_within_ten_seconds_and_every_minute_after(scene: Scene) -> None:
    scene.answer = "1 of 2 replicas are in sync"
    scene.send(3)

    scene.run(10)
    assert len(scene.lines) == 1
    for part in ("kafka:9092", "since 11:59:5", "acknowledged nothing", "1 of 2 replicas are in sync"):
        assert part in scene.lines[0]
    scene.run(57)
    assert len(scene.lines) == 1
    scene.run(5)
    assert len(scene.lines) == 2
    scene.run(60)
    assert len(scene.lines) == 3


def test_the_return_is_told_of_once(scene: Scene) -> None:
    generation = scene.send(3)
    scene.run(30)

    generation.waiting -= 3
    scene.run(30)

    assert len(scene.lines) == 2
    assert scene.lines[1] == "Kafka at kafka:9092 acknowledges again, after 31 s"


def test_one_partition_that_is_stuck_is_seen_beside_others_that_are_not(scene: Scene) -> None:
    stuck = scene.send(2)
    stuck.waiting -= 1
    for _ in range(12):
        generation = scene.send()
        scene.step(1.1)
        generation.waiting -= 1

    assert len(scene.lines) == 1
    stuck.waiting -= 1
    scene.step(1.1)
    assert "again" in scene.lines[-1]


def test_a_broker_that_is_away_while_nothing_is_to_be_sent_is_told_of(scene: Scene) -> None:
    scene.answer = "no broker answers"
    scene.watch.fault("_TRANSPORT", "Connection refused")
    scene.watch.down()

    scene.run(50)
    assert len(scene.lines) == 1
    assert "no broker answers: Connection refused" in scene.lines[0]

    scene.answer = ""
    scene.run(5)
    assert len(scene.lines) == 2
    assert "again" in scene.lines[1]


def test_a_connection_that_was_cut_for_a_moment_is_not_worth_a_line(scene: Scene) -> None:
    """As brokers cut off clients that have been idle for ten minutes."""
    scene.watch.fault("_TRANSPORT", "Disconnected")
    scene.watch.down()

    scene.run(60)

    assert scene.lines == []


def test_records_put_during_an_outage_do_not_make_it_seem_shorter(scene: Scene) -> None:
    scene.answer = "no broker answers"
    scene.watch.down()
    scene.run(20)
    scene.send()
    scene.run(20)

    assert len(scene.lines) == 1


def test_acknowledgements_say_that_a_broker_is_back(scene: Scene) -> None:
    scene.answer = "no broker answers"
    scene.watch.down()
    generation = scene.send()
    scene.run(20)
    generation.waiting -= 1
    for _ in range(20):
        generation = scene.send()
        scene.step()
        generation.waiting -= 1

    assert ["again" in line for line in scene.lines] == [False, True]


def test_several_sinks_of_one_kafka_speak_with_one_voice(scene: Scene) -> None:
    other = Watch(scene.silence, scene.clock)
    other.flight.add(waiting := other.flight.sending(), 1)
    mine = scene.send()
    for _ in range(30):
        scene.step()
        other.check(scene.ask)
    assert len(scene.lines) == 1

    mine.waiting -= 1
    scene.run(3)
    assert len(scene.lines) == 1  # the other still waits
    waiting.waiting -= 1
    other.check(scene.ask)
    assert "again" in scene.lines[-1]


def test_only_a_refusal_that_lasts_is_worth_another_client(scene: Scene) -> None:
    scene.answer = "no broker answers"
    scene.watch.fault("_SSL", "certificate expired")
    scene.watch.down()

    lasting = [scene.step() for _ in range(int(QUIET_SECONDS) + 2)]

    assert lasting[0] is False
    assert lasting[-1] is True
    assert scene.watch.refused == "certificate expired"
    scene.watch.fault("_TRANSPORT", "Connection refused")
    assert scene.watch.refused == ""


# ---- librdkafka's own lines


def test_a_probe_is_told_of_a_silence_while_it_lasts(scene: Scene) -> None:
    scene.answer = "the disk is full"
    generation = scene.send()
    before = scene.silence.described()
    scene.run(int(QUIET_SECONDS) + 2)
    lasting = scene.silence.described()
    generation.waiting -= 1
    scene.run(2)

    assert (before, scene.silence.described()) == ("", "")
    assert lasting.startswith("Kafka at kafka:9092: for 10 s it has acknowledged nothing: the disk is full")
