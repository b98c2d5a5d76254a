"""The driver of a pump: steps it, and waits by what each step came to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pymongo.errors import PyMongoError

from outbox.backoff import delay
from outbox.clock import Clock, SystemClock
from outbox.errors import LeaseLost, OutboxError
from outbox.mongo.server_errors import is_closed, is_transient, short_message
from relay.delivery.outcome import Failed, Idle, Moved, Poisoned, Unavailable, Unsaved, Waiting
from relay.delivery.pump import Pump
from relay.encoding.encoder import Position

log = logging.getLogger("relay")

DRAIN_SECONDS = 10.0
_SAVE_SECONDS = 3.0
_LITTLE_SECONDS = 0.5
"""For the last save, when the database has just failed: whoever waits for the end kills a process that takes long."""
AGAIN_SECONDS = 60.0
"""So long an error that comes again and again is not said again."""
_MACHINE = SystemClock()


class PumpLoop:
    """Drives the pumps of the relay `label`, one at a time, until `stop` is set. Not thread-safe.

    It counts the failures in a row, over all that it is used for: any progress begins the count anew, so that errors
    which are rare, and many in a process's life, cost no growing pauses.

    chance: floats in [0, 1) for the jitter of retries. An error that lasts is said once, and every minute after.
    """

    def __init__(self, label: str, stop: threading.Event, chance: Callable[[], float], clock: Clock = _MACHINE) -> None:
        self.stop = stop
        self._label = label
        self._chance = chance
        self._clock = clock
        self._said: tuple[str, float] = "", 0.0
        self._failures = 0

    def run(self, pump: Pump, poisoned: Callable[[Poisoned], None], ended: Callable[[Position, bool], bool]) -> None:
        """Steps until `ended(position, settled)`, or `stop`; then delivers what is in flight, 10 s at most, and saves.

        `settled`: the last step found nothing more to read, and all is delivered and saved. `poisoned` puts a message
        aside, or raises. Raises what the pump's steps raise.
        """
        position = pump.position
        while not self.stop.is_set():
            try:
                outcome = pump.step()
                settled = isinstance(outcome, Idle) and outcome.settled
                if settled or pump.position is not position:
                    position = pump.position
                    self.progressed()
                if ended(position, settled):
                    break
                match outcome:
                    case Moved():
                        pass
                    case Waiting():
                        pump.wait()
                    case Idle():
                        pump.rest()
                    case Unavailable(error) | Unsaved(error):
                        self.retry(error)
                    case Failed(failed):
                        self.retry(failed)
                        pump.rebuild()
                    case Poisoned():
                        poisoned(outcome)
                        pump.skip()
            except PyMongoError as error:  # of `ended` or `poisoned`: the next step comes to the same again
                self.retry(error)
        self._drain(pump)

    @property
    def failing(self) -> bool:
        """Whether nothing has gone on since the last failure."""
        return self._failures > 0

    def progressed(self) -> None:
        """Notes that what failed before goes on."""
        self._failures = 0

    def retry(self, error: Exception) -> None:
        """Waits, the longer the more failures came before it in a row. Raises an error that does not pass."""
        if isinstance(error, PyMongoError) and not is_transient(error):
            raise error
        self._failures += 1
        seconds = delay(self._failures, self._chance)
        if isinstance(error, PyMongoError | OutboxError):
            self._warn(short_message(error), seconds)
        else:
            log.error("relay %s: unforeseen; again in %.1f s", self._label, seconds, exc_info=error)
        self.stop.wait(seconds)

    def _warn(self, why: str, seconds: float) -> None:
        said, at = self._said
        now = self._clock.monotonic()
        if why != said or now - at >= AGAIN_SECONDS:
            self._said = why, now
            log.warning("relay %s: %s; again in %.1f s", self._label, why, seconds)

    def _drain(self, pump: Pump) -> None:
        if pump.pending:
            seconds = f"{DRAIN_SECONDS:g} s"
            log.info("relay %s: waiting up to %s for %d record(s) in flight", self._label, seconds, pump.pending)
        try:
            pump.drain(DRAIN_SECONDS, _LITTLE_SECONDS if self.failing else _SAVE_SECONDS)
        except (PyMongoError, LeaseLost, TimeoutError) as error:
            level = logging.INFO if is_closed(error) else logging.WARNING  # the program ends, and has closed its client
            log.log(
                level,
                "relay %s: delivered up to seq %d, but not saved: %s",
                self._label,
                pump.position[0],
                short_message(error),
            )
        if pump.pending:
            log.warning(
                "relay %s: %d record(s) after seq %d were not acknowledged in time; they are sent again later",
                self._label, pump.pending, pump.position[0],
            )  # fmt: skip
