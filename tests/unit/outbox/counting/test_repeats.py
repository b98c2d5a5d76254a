"""What lasts is said once, then every minute."""

from __future__ import annotations

from outbox.counting.repeats import AGAIN_SECONDS, Repeats
from outbox.testing import FakeClock


def repeats(clock: FakeClock) -> Repeats:
    return Repeats(clock, lambda: clock.date)


def test_it_is_said_at_once_and_again_after_a_minute_with_since_when() -> None:
    clock = FakeClock()
    lasting, said = repeats(clock), []

    for _ in range(121):
        said.append(lasting.said("away"))
        clock.advance(1)

    assert [each for each in said if each] == ["away", *["away (since 00:00:00 UTC)"] * 2]


def test_something_else_is_said_at_once_and_lasts_as_long() -> None:
    clock = FakeClock()
    lasting = repeats(clock)

    assert lasting.said("away") == "away"
    clock.advance(AGAIN_SECONDS)
    assert lasting.said("an election") == "an election (since 00:00:00 UTC)"


def test_what_comes_and_goes_is_said_once_a_minute_and_begins_anew() -> None:
    clock = FakeClock()
    lasting = repeats(clock)
    lasting.said("away")
    lasting.over()
    clock.advance(30)

    assert lasting.said("away") is None
    clock.advance(30)
    assert lasting.said("away") == "away"


def test_what_nobody_asks_about_for_a_minute_begins_anew() -> None:
    clock = FakeClock()
    lasting = repeats(clock)
    lasting.said("away")
    clock.advance(AGAIN_SECONDS + 1)

    assert lasting.said("away") == "away"
