"""librdkafka's own lines: which of them pass, how often, and as what."""

from __future__ import annotations

import logging

import pytest

from outbox.testing import FakeClock
from relay.kafka.log import RepetitionFilter

FAIL = (
    "FAIL [rdkafka#producer-{client}] [thrd:127.0.0.1:{port}/bootstrap]: 127.0.0.1:{port}/{broker}: Connect to "
    "ipv4#127.0.0.1:{port} failed: Connection refused (after {ms}ms in state CONNECT, {n} identical error(s) "
    "suppressed)"
)


@pytest.mark.parametrize(("level", "as_said"), [("CRITICAL", "WARNING"), ("ERROR", "WARNING"), ("INFO", "INFO")])
def test_what_is_fatal_to_a_client_is_a_warning(level: str, as_said: str) -> None:
    """A message that is put aside is one: it must wake nobody up."""
    record = logging.LogRecord("relay.librdkafka", logging.getLevelNamesMapping()[level], "", 0, "FATAL", (), None)

    assert RepetitionFilter(FakeClock()).filter(record)

    assert (record.levelname, record.levelno) == (as_said, logging.getLevelNamesMapping()[as_said])


def passes(repetitions: RepetitionFilter, text: str) -> str | None:
    line = logging.LogRecord("relay.librdkafka", logging.ERROR, "", 0, text, None, None)
    return line.getMessage() if repetitions.filter(line) else None


def test_lines_that_differ_in_numbers_only_are_said_once_a_minute_with_how_many_were_left_out() -> None:
    clock = FakeClock()
    repetitions = RepetitionFilter(clock)

    said = []
    for second in range(70):
        clock.advance(1)
        line = FAIL.format(client=second % 3, port=9092 + second % 2, broker=second % 4, ms=second, n=second)
        said += [shown] if (shown := passes(repetitions, line)) is not None else []

    assert len(said) == 2
    assert said[1].endswith("(59 more like this since)")


def test_how_often_the_client_itself_left_a_line_out_makes_no_other_line() -> None:
    repetitions = RepetitionFilter(FakeClock())
    refused = "FAIL [rdkafka#producer-1] [thrd:a]: a:1/bootstrap: Connect to ipv4#a:1 failed: Connection refused"

    assert passes(repetitions, f"{refused} (after 2ms in state CONNECT)") is not None
    assert passes(repetitions, f"{refused} (after 1ms in state CONNECT, 5 identical error(s) suppressed)") is None


def test_other_lines_pass_meanwhile() -> None:
    repetitions = RepetitionFilter(FakeClock())

    assert passes(repetitions, FAIL.format(client=1, port=1, broker=1, ms=1, n=1)) is not None
    assert passes(repetitions, "FAIL [rdkafka#producer-1] [thrd:a]: a:1/1: SSL handshake failed: expired") is not None
    assert passes(repetitions, "CONFWARN: enable.gapless.guarantee is experimental") is None
