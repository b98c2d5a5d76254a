"""So many requests a second, on average."""

from __future__ import annotations

import pytest

from outbox.gateway.answers import Refusal
from outbox.gateway.rate import Rate
from outbox.testing import FakeClock


def test_ten_seconds_worth_may_come_at_once_and_then_so_many_a_second() -> None:
    clock = FakeClock()
    rate = Rate(1, clock)
    for _ in range(10):
        rate.check("a")

    with pytest.raises(Refusal):
        rate.check("a")
    rate.check("b")
    clock.advance(1.0)
    rate.check("a")
    with pytest.raises(Refusal):
        rate.check("a")
