"""A sink that is sent to no faster than it is allowed to."""

from __future__ import annotations

import pytest

from outbox.delivery.ports import Outgoing
from outbox.testing import FakeClock
from relay.replay.paced import Paced
from relay.testing import MemorySink


def outgoing(count: int) -> list[Outgoing]:
    return [(seq, "t", None, b"", [("seq", str(seq))]) for seq in range(1, count + 1)]


def seconds_for(count: int, rate: float | None) -> float:
    """How long so many records take, by the clock."""
    clock = FakeClock(100.0)
    sink = MemorySink()
    paced = Paced(sink, rate, clock)
    paced.open(lambda _: None)
    left = outgoing(count)
    while left:
        del left[: paced.send(left)]
        paced.poll(0)
    assert [record.seq for record in sink.records] == list(range(1, count + 1))
    assert paced.sent == count
    return clock.monotonic() - 100.0


@pytest.mark.parametrize(("count", "rate"), [(20, 4.0), (500, 100.0), (5000, 2000.0), (3, 0.5)])
def test_so_many_a_second_are_sent_and_no_more(count: int, rate: float) -> None:
    assert seconds_for(count, rate) == pytest.approx(count / rate, abs=max(0.2, 1.1 / rate))


def test_without_a_rate_nothing_waits() -> None:
    assert seconds_for(5000, None) == 0


def test_after_a_pause_they_come_no_faster() -> None:
    clock = FakeClock()
    paced = Paced(MemorySink(), 10.0, clock)
    paced.open(lambda _: None)
    clock.advance(3600)

    assert paced.send(outgoing(100)) == 1


def test_a_wait_is_never_longer_than_a_stop_can_wait() -> None:
    clock = FakeClock()
    paced = Paced(MemorySink(), 0.001, clock)
    paced.open(lambda _: None)
    paced.send(outgoing(2))
    paced.send(outgoing(2))

    paced.poll(0)

    assert clock.monotonic() == pytest.approx(0.1)


def test_another_one_has_the_same_pace() -> None:
    clock = FakeClock()
    paced = Paced(MemorySink(), 10.0, clock).another()
    paced.open(lambda _: None)

    assert (paced.send(outgoing(5)), paced.send(outgoing(5))) == (1, 0)
