"""What librdkafka logs by itself, less what nobody needs to read, and what it has just said."""

from __future__ import annotations

import logging
import re

from outbox.clock import Clock

FOLD_SECONDS = 60.0
_VARYING = re.compile(r"\[thrd:[^]]*\]|\[?rdkafka#\w+-\d+\]?|[\w.:-]+/(bootstrap|\d+): |\(after .*\)$|\d+")
_MOST = 1000  # kinds of lines; there are some dozens


class Worthwhile(logging.Filter):
    """Lets a line pass, but none like it for a minute, of whichever client and broker, and however often tried.

    As a warning at most: what is fatal to a client, as each record that the broker refuses is, the relay rides out with
    another client, puts aside, or stops for with words of its own.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        # Said at every start: librdkafka still calls the setting experimental, seven years and many releases on.
        if "enable.gapless.guarantee is experimental" in said:
            return False
        # All clients get the same settings, and a consumer has no use for some of them.
        if "is a producer property and will be ignored" in said:
            return False
        kind, now = _VARYING.sub("", said), self._clock.monotonic()
        at, folded = self._said.get(kind, (now - FOLD_SECONDS, 0))
        if now - at < FOLD_SECONDS:
            self._said[kind] = at, folded + 1
            return False
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[kind] = now, 0
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        if folded:
            record.msg, record.args = f"{said} ({folded} more like this since)", ()
        return True
