"""The pump, step by step, over a log and a sink in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, OperationFailure

from outbox.errors import HistoryLost, LeaseLost
from outbox.record import Record
from relay.encoding import Encoder, Position
from relay.errors import PoisonMessage, Unreachable, Verdict
from relay.outcome import Failed, Idle, Moved, Poisoned, Unavailable, Unsaved, Waiting
from relay.pump import CHUNK, Pump
from relay.testing import MemorySink
from tests.waiting import wait_until

CREATED = 1_735_776_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.2  # every look at it finds a save due
        return self.now


class LogInMemory:
    """Records 1 … n, read 700 at a time."""

    def __init__(self, count: int) -> None:
        self.data: list[dict[str, Any]] = [{"n": seq} for seq in range(1, count + 1)]
        self.next = 1
        self.errors: list[Exception] = []

    def read(self) -> list[Record[Any]]:
        if self.errors:
            raise self.errors.pop(0)
        found: list[Record[Any]] = [
            Record(seq, ObjectId().binary, CREATED, {"type": "t", "key": "k", "headers": {}, "data": data})
            for seq, data in enumerate(self.data[self.next - 1 : self.next + 699], start=self.next)
        ]
        self.next += len(found)
        return found

    def wait(self, seconds: float) -> bool:
        return True

    def move(self, position: int) -> None:
        self.next = position


class Held:
    def __init__(self) -> None:
        self.lost = False
        self.error: Exception | None = None

    def check(self) -> None:
        if self.lost:
            raise LeaseLost("lost")

    def renew_if_due(self) -> bool:
        if self.error is not None:
            raise self.error
        return False


class Scene:
    """A pump and all that it touches."""

    def __init__(self) -> None:
        self.log = LogInMemory(1200)
        self.sink = MemorySink()
        self.lease = Held()
        self.saved: list[int] = []
        self.save_errors: list[Exception] = []
        self.parked: set[int] = set()
        self.pump = Pump(
            self.log,
            self.sink,
            Encoder(str),
            self.lease,
            start=(0, None, None),
            save=self.save,
            park=self.park,
            clock=Clock(),
        )

    def save(self, position: Position) -> None:
        if self.save_errors:
            raise self.save_errors.pop(0)
        self.saved.append(position[0])

    def park(self, records: Sequence[Record[Any]]) -> list[int]:
        return [record.seq for record in records if record.seq in self.parked]

    def arrived(self) -> list[int]:
        return [each.seq for each in self.sink.records]

    def run(self) -> list[str]:
        """Steps until all is settled; the outcomes on the way, a repeated one once."""
        names: list[str] = []

        def settled() -> bool:
            outcome = self.pump.step()
            names.append(type(outcome).__name__)
            if isinstance(outcome, Failed):
                self.pump.rebuild()
            if isinstance(outcome, Poisoned):
                raise outcome.error
            if isinstance(outcome, Idle):
                self.pump.rest()
                return outcome.settled
            if isinstance(outcome, Waiting):
                self.pump.wait()
            return False

        wait_until(settled, 10, "the pump to settle")
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.pump.close()


def test_everything_arrives_in_order_and_is_saved(scene: Scene) -> None:
    assert scene.run() == ["Moved", "Idle"]

    assert scene.arrived() == list(range(1, 1201))
    assert scene.saved[-1] == 1200
    assert scene.saved == sorted(scene.saved)


def test_a_step_sends_a_chunk_at_most(scene: Scene) -> None:
    assert isinstance(scene.pump.step(), Moved)

    assert scene.pump.pending == CHUNK


def test_a_full_sink_is_waited_for(scene: Scene) -> None:
    scene.sink = MemorySink(capacity=90)
    scene.pump.close()
    scene.pump = Pump(
        scene.log,
        scene.sink,
        Encoder(str),
        scene.lease,
        start=(0, None, None),
        save=scene.save,
        park=scene.park,
        clock=Clock(),
    )

    assert scene.run() == ["Waiting", "Moved", "Waiting", "Moved", "Waiting", "Moved", "Idle"]
    assert scene.arrived() == list(range(1, 1201))


def test_a_broker_that_is_away_leaves_what_is_held_bounded(scene: Scene) -> None:
    scene.log.data *= 20
    scene.sink.away = True
    outcomes = [scene.pump.step() for _ in range(100)]

    assert isinstance(outcomes[-1], Waiting)
    assert scene.pump.pending == 10_000
    assert scene.saved == []


def test_the_cursor_never_passes_what_was_not_acknowledged(scene: Scene) -> None:
    scene.sink.refused = {601: Verdict.RETRY}

    outcomes = [scene.pump.step() for _ in range(4)]

    assert isinstance(outcomes[-1], Failed)
    assert max([0, *scene.saved]) <= 600


def test_after_a_failure_it_goes_on_from_the_contiguous_prefix(scene: Scene) -> None:
    scene.sink.refused = {601: Verdict.RETRY}
    while not isinstance(scene.pump.step(), Failed):
        pass
    scene.sink.refused = {}
    scene.pump.rebuild()
    scene.run()

    assert scene.sink.opened == 2
    assert scene.arrived() == list(range(1, 1201))
    assert scene.saved[-1] == 1200


def test_a_sink_that_has_failed_is_not_asked_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.sink.away = True
    scene.pump.step()
    scene.sink.away, scene.sink.refused = False, {1: Verdict.RETRY}
    scene.pump.wait()
    monkeypatch.setattr(scene.sink, "poll", lambda _: pytest.fail("asked again"))

    outcome = scene.pump.step()

    assert isinstance(outcome, Failed)
    assert (outcome.error.seq, outcome.error.verdict) == (1, Verdict.RETRY)


def test_a_record_refused_for_good_stops_it_with_everything_before_it_delivered_and_saved(scene: Scene) -> None:
    scene.sink.refused = {601: Verdict.POISON}

    with pytest.raises(PoisonMessage, match="seq 601"):
        scene.run()

    assert scene.arrived() == list(range(1, 601))
    assert scene.saved[-1] == 600


def test_a_message_that_cannot_be_encoded_stops_it_the_same_way(scene: Scene) -> None:
    scene.log.data[600]["n"] = float("inf")

    with pytest.raises(PoisonMessage, match=r"seq 601 .* data\.n is inf"):
        scene.run()

    assert scene.arrived() == list(range(1, 601))
    assert scene.saved[-1] == 600


def test_what_is_poison_can_be_skipped_and_the_rest_goes_on(scene: Scene) -> None:
    scene.sink.refused = {601: Verdict.POISON}
    scene.log.data[700]["n"] = float("nan")
    skipped = []
    for _ in range(2):
        with pytest.raises(PoisonMessage) as poison:
            scene.run()
        skipped.append(poison.value.seq)
        scene.pump.skip()
    scene.run()

    assert skipped == [601, 701]
    assert scene.arrived() == [seq for seq in range(1, 1201) if seq not in skipped]
    assert scene.saved[-1] == 1200


def test_what_is_parked_counts_as_delivered_and_is_not_sent(scene: Scene) -> None:
    scene.parked = {1, 2, 300, 500, 501, 1199, 1200}

    scene.run()

    assert scene.arrived() == [seq for seq in range(1, 1201) if seq not in scene.parked]
    assert scene.saved[-1] == 1200


def test_the_cursor_passes_a_parked_record_only_after_all_before_it(scene: Scene) -> None:
    scene.parked = set(range(101, 1201))
    scene.sink.away = True
    for _ in range(10):
        scene.pump.step()
    away = scene.pump.position[0], list(scene.saved)
    scene.sink.away = False
    scene.run()

    assert away == (0, [])
    assert scene.saved[-1] == 1200


def test_poison_between_parked_records_is_found_and_skipped(scene: Scene) -> None:
    scene.parked = {599, 600, 602, 603, 701}
    scene.sink.refused = {601: Verdict.POISON}
    scene.log.data[699]["n"] = float("nan")
    skipped = []
    for _ in range(2):
        with pytest.raises(PoisonMessage) as poison:
            scene.run()
        skipped.append((poison.value.seq, scene.saved[-1]))
        scene.pump.skip()
    scene.run()

    assert skipped == [(601, 600), (700, 699)]
    assert scene.arrived() == [seq for seq in range(1, 1201) if seq not in {*scene.parked, 601, 700}]
    assert scene.saved[-1] == 1200


def test_a_full_sink_takes_the_rest_also_between_parked_records(scene: Scene) -> None:
    scene.sink = MemorySink(capacity=90)
    scene.parked = set(range(1, 1201, 3))
    scene.pump.close()
    scene.pump = Pump(
        scene.log, scene.sink, Encoder(str), scene.lease, start=(0, None, None), save=scene.save, park=scene.park,
        clock=Clock(),
    )  # fmt: skip

    scene.run()

    assert scene.arrived() == [seq for seq in range(1, 1201) if seq not in scene.parked]
    assert scene.saved[-1] == 1200


def test_lost_history_stops_it_after_all_that_was_read_is_delivered_and_saved(scene: Scene) -> None:
    scene.pump.step()
    scene.log.errors = [HistoryLost(701, 900)]

    with pytest.raises(HistoryLost):
        scene.run()

    assert scene.arrived() == list(range(1, 701))
    assert scene.saved[-1] == 700


def test_a_cursor_that_cannot_be_saved_stops_the_sending_until_it_is(scene: Scene) -> None:
    scene.save_errors = [AutoReconnect("away")] * 1000
    wait_until(lambda: isinstance(scene.pump.step(), Unsaved), 10, "the first failed save")
    sent = scene.arrived(), scene.pump.pending

    outcomes = {type(scene.pump.step()) for _ in range(20)}

    assert outcomes <= {Waiting, Unsaved}
    assert (scene.arrived(), scene.pump.pending) == sent
    scene.save_errors = []
    names = scene.run()
    assert names[-1] == "Idle"
    assert scene.saved[-1] == 1200
    assert scene.arrived() == list(range(1, 1201))


def test_a_database_that_is_away_is_asked_again(scene: Scene) -> None:
    scene.log.errors = [AutoReconnect("away"), AutoReconnect("away")]

    assert scene.run() == ["Unavailable", "Moved", "Idle"]
    assert scene.arrived() == list(range(1, 1201))


def test_an_error_of_the_database_that_does_not_pass_is_raised(scene: Scene) -> None:
    scene.log.errors = [OperationFailure("not authorized", 13)]

    with pytest.raises(OperationFailure):
        scene.run()


def test_a_lost_lease_is_raised_before_anything_is_sent(scene: Scene) -> None:
    scene.lease.lost = True

    with pytest.raises(LeaseLost):
        scene.pump.step()

    assert scene.pump.pending == 0


def test_a_save_that_a_newer_holder_refused_is_raised(scene: Scene) -> None:
    scene.save_errors = [LeaseLost("stale")]

    with pytest.raises(LeaseLost):
        scene.run()


def test_a_broker_that_does_not_answer_for_a_new_topic_is_asked_again(scene: Scene) -> None:
    answers: list[Exception | None] = [Unreachable("away"), None]

    def topic(type: str) -> str:
        if answers and (error := answers.pop(0)) is not None:
            raise error
        return type

    scene.pump.close()
    scene.pump = Pump(
        scene.log,
        scene.sink,
        Encoder(topic),
        scene.lease,
        start=(0, None, None),
        save=scene.save,
        park=scene.park,
        clock=Clock(),
    )

    assert isinstance(scene.pump.step(), Unavailable)
    assert scene.run() == ["Moved", "Idle"]
    assert scene.arrived() == list(range(1, 1201))


def test_draining_waits_for_what_is_in_flight_and_saves_it(scene: Scene) -> None:
    scene.pump.step()

    scene.pump.drain(5)

    assert scene.arrived() == list(range(1, CHUNK + 1))
    assert scene.saved[-1] == CHUNK


def test_draining_ends_in_time_when_the_broker_is_away(scene: Scene) -> None:
    scene.sink.away = True
    scene.pump.step()

    scene.pump.drain(5)

    assert (scene.pump.pending, scene.saved) == (CHUNK, [])
