"""Waits between tries, longer after each failure in a row, and logs an error that lasts once a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pymongo.errors import PyMongoError

from outbox.backoff import delay
from outbox.clock import Clock, SystemClock
from outbox.counting.repeats import Repeats
from outbox.counting.tally import Counts
from outbox.errors import DeliveryFailed, OutboxError, Unreachable
from outbox.events import Disconnected, OnEvent, Reconnected, teller
from outbox.mongo.server_errors import is_transient, short_message
from outbox.monitoring.delivery_count import error_name
from outbox.shares.reader_logger import ReaderLogger

_MACHINE = SystemClock()


class Retry:
    """Waits before the next try, until `stop` is set. Not thread-safe.

    It counts the failures in a row, of all that it is used for. Any progress sets the count to 0, so errors that are
    rare do not make the pauses longer, however many there are in a process's life.

    log: of the reader. chance: floats in [0, 1) for the jitter. retries: where they are counted, by the error's name.
    """

    def __init__(
        self,
        log: ReaderLogger,
        stop: threading.Event,
        chance: Callable[[], float],
        clock: Clock = _MACHINE,
        *,
        tell: OnEvent = teller(None),  # noqa: B008  # immutable
        retries: Counts | None = None,
    ) -> None:
        self.stop = stop
        self.log = log
        self._chance = chance
        self._clock = clock
        self._tell = tell
        self._retries = Counts() if retries is None else retries
        self._away_since: float | None = None
        self._repeats = Repeats(clock)
        self._failures = 0

    @property
    def failing(self) -> bool:
        """Tells whether there was no progress since the last failure."""
        return self._failures > 0

    def progressed(self) -> None:
        """Notes progress: the next failure counts as the first."""
        self._failures = 0
        self._repeats.over()
        if self._away_since is not None:
            seconds, self._away_since = self._clock.monotonic() - self._away_since, None
            self._tell(Reconnected(seconds))

    def wait(self, error: Exception) -> None:
        """Logs the error and waits, longer after each failure in a row. Raises an error that does not pass.

        An OSError is of an archive whose place does not answer: what a handler, or MongoDB's driver, meets has another
        class by then.
        """
        if isinstance(error, PyMongoError) and not is_transient(error):
            raise error
        self._failures += 1
        self._retries.add(error_name(error))
        if isinstance(error, PyMongoError | DeliveryFailed | Unreachable | OSError) and self._away_since is None:
            self._away_since = self._clock.monotonic()
            self._tell(Disconnected(error))
        seconds = delay(self._failures, self._chance)
        if isinstance(error, PyMongoError | OutboxError | OSError):
            self._warn(error, seconds)
        else:
            self.log.error("unforeseen; again in %.1f s", seconds, exc_info=error)
        self.stop.wait(seconds)

    def _warn(self, error: PyMongoError | OutboxError | OSError, seconds: float) -> None:
        why = self._repeats.said(short_message(error))
        if why is not None:
            seq = error.seq if isinstance(error, DeliveryFailed) else None
            self.log.warning("%s; again in %.1f s", why, seconds, extra={"seq": seq})
