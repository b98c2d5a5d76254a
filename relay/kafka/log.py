"""Filters what librdkafka logs by itself: what nobody needs to read, and what it has just said."""

from __future__ import annotations

import logging
import re

from outbox.clock import Clock

REPEAT_SECONDS = 60.0
_VARYING = re.compile(r"\[thrd:[^]]*\]|\[?rdkafka#\w+-\d+\]?|[\w.:-]+/(bootstrap|\d+): |\(after .*\)$|\d+")
_MOST_KINDS = 1000  # there are some dozens


class RepetitionFilter(logging.Filter):
    """Passes a line, and for a minute no other of its kind, whichever client, broker or attempt it is about.

    It passes as a warning at most. What is fatal to a client, such as a record that the broker refuses, is not fatal to
    the relay: it makes another client, puts the record aside, or stops with an error of its own.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[str, tuple[float, int]] = {}
        """By kind of line: when one passed last, and how many were held back since."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        # Said at every start: librdkafka still calls the setting experimental, seven years and many releases on.
        if "enable.gapless.guarantee is experimental" in text:
            return False
        # All clients get the same settings, and a consumer has no use for some of them.
        if "is a producer property and will be ignored" in text:
            return False
        kind, now = _VARYING.sub("", text), self._clock.monotonic()
        at, held_back = self._passed.get(kind, (now - REPEAT_SECONDS, 0))
        if now - at < REPEAT_SECONDS:
            self._passed[kind] = at, held_back + 1
            return False
        if len(self._passed) >= _MOST_KINDS:
            self._passed.clear()
        self._passed[kind] = now, 0
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        if held_back:
            record.msg, record.args = f"{text} ({held_back} more like this since)", ()
        return True
