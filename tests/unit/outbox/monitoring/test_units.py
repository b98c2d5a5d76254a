"""What is left of the driver's errors, and how bytes and seconds are said."""

from __future__ import annotations

import pytest

from outbox.mongo.server_errors import short_message
from outbox.monitoring.units import format_bytes, format_duration


@pytest.mark.parametrize(
    "appendix",
    [
        ", full error: {'ok': 0.0}",
        ", Timeout: 5s, Topology Description: <…>",
        " (configured timeouts: connectTimeoutMS: 2)",
    ],
)
def test_only_what_happened_is_said(appendix: str) -> None:
    assert short_message(RuntimeError(f"it did not work{appendix}")) == "it did not work"


def test_other_texts_stay_as_they_are() -> None:
    assert short_message(ValueError("a, b (c)")) == "a, b (c)"


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1023, "0.999 KiB"), (64 << 20, "64 MiB"), (1_258_291_200, "1.17 GiB")],
)
def test_bytes_are_said_in_three_digits(count: int, said: str) -> None:
    assert format_bytes(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (119, "119 s"), (120, "2 min"), (5400, "90 min"), (40 * 3600, "40 h"), (1e9, "11,574 days")],
)
def test_seconds_are_said_in_the_largest_unit_of_which_there_are_two(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said
