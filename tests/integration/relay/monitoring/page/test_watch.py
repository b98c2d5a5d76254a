"""Who looks at the outboxes, how often, and for whom."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from outbox import Outbox
from outbox.clock import SystemClock
from relay import Relay
from relay.monitoring.page import watch as module
from relay.monitoring.page.watch import Watch
from relay.monitoring.probes import Liveness
from relay.testing import MemorySink
from tests.waiting import wait_until


class Noting(SystemClock):
    """Notes how long is waited, and waits less."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        self.waits.append(seconds)
        return super().wait(min(seconds, 0.05), stop)


@pytest.fixture
def clock() -> Noting:
    return Noting()


@pytest.fixture
def watch(orders: Outbox, clock: Noting) -> Iterator[Watch]:
    liveness = Liveness([orders])
    with Watch([Relay(orders, MemorySink())], liveness, lambda _: "Kafka does not answer", clock) as watch:
        yield watch


def test_alone_it_looks_rarely_and_tells_nobody(watch: Watch, clock: Noting) -> None:
    wait_until(lambda: len(clock.waits) > 2, 20, "some looks")

    assert set(clock.waits) == {module.ALONE_SECONDS}
    assert watch.told == (0, "")


def test_watched_it_looks_often_and_tells_each_time(watch: Watch, clock: Noting) -> None:
    woken = threading.Event()

    with watch.viewed(woken.set):
        assert woken.wait(20)
        wait_until(lambda: watch.told[0] > 1, 20, "a second look")

    told = json.loads(watch.told[1])
    assert [each["name"] for each in told["outboxes"]] == list(watch.outboxes)
    assert "Kafka does not answer" in told["unready"]
    assert module.WATCHED_SECONDS in clock.waits


def test_of_too_many_the_one_that_has_watched_longest_goes(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VIEWERS", 1)

    woken = threading.Event()
    with watch.viewed(woken.set) as first, watch.viewed(lambda: None) as second:
        assert woken.is_set()
        assert (first.must_go, second.must_go) == (True, False)
    with watch.viewed(lambda: None) as later:
        assert not later.must_go


def test_who_watches_is_woken_at_its_end(orders: Outbox) -> None:
    woken = threading.Event()
    with Watch([Relay(orders, MemorySink())], Liveness([orders]), lambda _: "") as watch, watch.viewed(woken.set):
        woken.wait(20)
        woken.clear()
        watch.__exit__()
        assert woken.is_set()
        assert watch.is_over


def test_a_defect_of_a_look_does_not_end_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "look", lambda: 1 / 0)

    wait_until(lambda: len(caplog.records) > 1, 20, "two looks that failed")

    assert "could not look" in caplog.text
