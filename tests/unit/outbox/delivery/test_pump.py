"""The pump, step by step, over a log and a sink in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from itertools import islice

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from outbox.delivery.intake import CHUNK
from outbox.delivery.outcome import Failed, Idle, Moved, Unavailable, Unsaved, Waiting
from outbox.errors import HistoryLost, LeaseLost
from relay.encoding.encoder import Encoder
from relay.errors import Unreachable, Verdict
from relay.testing import MemorySink
from tests.doubles.batches import LOG
from tests.doubles.pump import Scene
from tests.waiting import wait_until


class OneAPoll(MemorySink):
    """Acknowledges one record each time it is polled, as a target does that handles them on the polling thread."""

    def poll(self, seconds: float) -> None:
        queue, self._queue = self._queue, deque(islice(self._queue, 1))
        super().poll(seconds)
        self._queue = deque(islice(queue, 1, None))


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
    scene.pump_anew(Encoder(str, LOG))

    assert scene.run() == ["Waiting", "Moved", "Waiting", "Moved", "Waiting", "Moved", "Idle"]
    assert scene.arrived() == list(range(1, 1201))


def test_a_target_that_works_when_it_is_polled_is_never_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the pump rests because the log has nothing more, though records wait for their turn: a consumer in
    transactions then handled fifty records a second."""
    waited: list[float] = []
    monkeypatch.setattr(scene.log, "wait", lambda seconds: waited.append(seconds) or False)
    scene.log.data = scene.log.data[:20]
    scene.sink = OneAPoll()
    scene.pump_anew(Encoder(str, LOG))

    def handled() -> bool:
        if isinstance(scene.pump.step(), Idle):
            scene.pump.rest(0.25)
        return scene.pump.position[0] == 20

    while not handled():
        assert waited == []


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


def test_lost_history_stops_it_after_all_that_was_read_is_delivered_and_saved(scene: Scene) -> None:
    scene.pump.step()
    scene.log.errors = [HistoryLost(701, 900)]

    with pytest.raises(HistoryLost):
        scene.run()

    assert scene.arrived() == list(range(1, 701))
    assert scene.saved[-1] == 700


def test_a_cursor_that_cannot_be_saved_stops_the_sending_until_it_is(scene: Scene) -> None:
    scene.save_errors = [AutoReconnect("away")] * 1000
    wait_until(lambda: isinstance(scene.pump.step(), Unsaved), 30, "the first failed save")
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

    scene.pump_anew(Encoder(topic, LOG))

    assert isinstance(scene.pump.step(), Unavailable)
    assert scene.run() == ["Moved", "Idle"]
    assert scene.arrived() == list(range(1, 1201))


def test_draining_waits_for_what_is_in_flight_and_saves_it(scene: Scene) -> None:
    scene.pump.step()

    scene.pump.drain(5, 5)

    assert scene.arrived() == list(range(1, CHUNK + 1))
    assert scene.saved[-1] == CHUNK


def test_draining_ends_in_time_when_a_save_does_not(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when it, or the closing after it, waits for the database: a process that takes long is killed."""
    answered = threading.Event()
    monkeypatch.setattr(scene.pump._saver, "_save", lambda _: answered.wait(60))
    scene.pump.step()

    with pytest.raises(TimeoutError, match="has not confirmed it in time"):
        scene.pump.drain(5, 0.1)
    scene.pump.close()

    assert not answered.is_set()
    answered.set()


def test_draining_ends_in_time_when_the_broker_is_away(scene: Scene) -> None:
    scene.sink.away = True
    scene.pump.step()

    scene.pump.drain(5, 5)

    assert (scene.pump.pending, scene.saved) == (CHUNK, [])
