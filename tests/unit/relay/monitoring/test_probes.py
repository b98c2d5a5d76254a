"""Whether a process works, as it says itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outbox.counting.tally import ReaderTally
from outbox.mongo import patience
from outbox.testing import FakeClock
from relay.monitoring.alive import Pulse
from relay.monitoring.probes import Liveness, unready


class Outbox:
    """One whose heartbeat is late for so many seconds."""

    def __init__(self, late: float = 0.0) -> None:
        self.collections: Any = self
        self._late = late

    def beats_late(self) -> float:
        return self._late


def liveness(clock: FakeClock, late: float = 0.0) -> Liveness:
    outbox: Any = Outbox(late)
    return Liveness([outbox], clock)


def test_a_process_whose_loops_go_round_is_alive() -> None:
    clock = FakeClock()
    alive, pulse = liveness(clock), Pulse(clock)
    clock.advance(100)
    pulse.is_set()
    alive.show([pulse])

    assert alive.dead() is None


def test_a_loop_that_stands_still_for_a_minute_is_not_alive() -> None:
    clock = FakeClock()
    alive, pulse = liveness(clock), Pulse(clock)
    clock.advance(60)
    alive.show([pulse])

    assert alive.dead() == "the loop of a relay has stood still for 60 s"


def test_a_heartbeat_that_stands_still_for_a_minute_is_not_alive() -> None:
    alive = liveness(FakeClock(), late=61)

    assert alive.dead() == "the heartbeat has stood still for 61 s"


@pytest.mark.parametrize(("seconds", "why"), [(9, None), (11, "the main thread has stood still for 11 s")])
def test_a_main_thread_that_stands_still_for_ten_seconds_is_not_alive(seconds: float, why: str | None) -> None:
    clock = FakeClock()
    alive = liveness(clock)

    clock.advance(seconds)

    assert alive.dead() == why


def test_while_a_majority_is_slow_a_loop_may_take_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    alive, pulse = liveness(clock, late=150), Pulse(clock)
    monkeypatch.setattr(patience, "_seconds", 2 * patience.CALL_SECONDS)
    clock.advance(150)
    alive.show([pulse])

    slow = alive.dead()
    clock.advance(150)
    alive.show([pulse])

    assert (slow, alive.dead()) == (None, "the loop of a relay has stood still for 300 s")


class Probed:
    """A relay that is working, and whose MongoDB confirms what is written, but for this trouble."""

    name, where = "kafka", "shop.orders"

    def __init__(self, trouble: str = "", *, unconfirmed: float = 0.0) -> None:
        self.tally = ReaderTally()
        self.tally.state, self.tally.trouble = "working", trouble
        self.outbox: Any = self
        self.collections = self.client = self.admin = self.outbox
        self._unconfirmed = unconfirmed

    def command(self, _: str) -> dict[str, Any]:
        now = datetime(2025, 1, 2, tzinfo=UTC)
        confirmed = now - timedelta(seconds=self._unconfirmed)
        return {"localTime": now, "lastWrite": {"opTime": 2, "majorityOpTime": 1, "majorityWriteDate": confirmed}}


def test_a_relay_whose_servers_answer_and_acknowledge_is_ready() -> None:
    assert unready([Probed()], lambda _: "") == []


@pytest.mark.parametrize(
    ("relay", "kafka", "why"),
    [
        (Probed("it is away"), "", "relay 'kafka' of shop.orders goes on trying: it is away"),
        (Probed(unconfirmed=9), "", "has confirmed anything for 9 s"),
        (Probed(), "Kafka at k:9092: for 9 s it has acknowledged nothing", "acknowledged nothing"),
    ],
    ids=["a server is away", "no majority", "Kafka is silent"],
)
def test_a_relay_that_cannot_go_on_is_not_ready(relay: Probed, kafka: str, why: str) -> None:
    (reason,) = unready([relay], lambda _: kafka)

    assert why in reason
