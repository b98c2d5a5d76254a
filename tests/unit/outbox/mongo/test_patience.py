"""A call may take longer while a majority is slow, and no longer than by itself when that is over."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outbox.mongo import patience


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the time."""
    now = [1000.0]
    monkeypatch.setattr(patience, "_seconds", patience.CALL_SECONDS)
    monkeypatch.setattr(patience, "_since", 0.0)
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


@pytest.mark.usefixtures("advance")
def test_quick_writes_leave_it_as_it_is() -> None:
    patience.took(0.01)
    assert patience.seconds() == 5


def test_a_slow_write_lengthens_it_for_a_minute_at_least(advance: Callable[[float], None]) -> None:
    patience.took(4)
    assert patience.seconds() == 24

    advance(59)
    patience.took(0.01)
    assert patience.seconds() == 24
    advance(1)
    patience.took(0.01)
    assert patience.seconds() == 5


@pytest.mark.usefixtures("advance")
def test_one_that_was_not_confirmed_doubles_it_up_to_a_minute() -> None:
    while patience.double():
        pass
    assert patience.seconds() == patience.MOST_SECONDS == 60
