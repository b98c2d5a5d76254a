"""Steps a pump in a loop, and waits as the outcome of each step asks."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pymongo.errors import PyMongoError

from outbox.delivery.outcome import Failed, Idle, Moved, Poisoned, Unavailable, Unsaved, Waiting
from outbox.delivery.pump import Pump
from outbox.delivery.retry import Retry
from outbox.errors import LeaseLost
from outbox.log.position import Position
from outbox.mongo.server_errors import is_closed, short_message

logger = logging.getLogger("relay")

DRAIN_SECONDS = 10.0
_SAVE_SECONDS = 3.0
_LITTLE_SECONDS = 0.5
"""For the last save when the database has just failed: a process that takes long to end is killed."""


class PumpLoop:
    """Steps pumps, one after another, until the stop of `retry` is set; `retry` counts the failures of all of them.

    Not thread-safe.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry

    def run(self, pump: Pump, poisoned: Callable[[Poisoned], None], ended: Callable[[Position, bool], bool]) -> None:
        """Steps until `ended(position, settled)` or the stop; then drains, 10 s at most, and saves.

        `settled`: the last step found nothing more to read, and all is delivered and saved. `poisoned` puts a message
        aside, or raises. Raises what the pump's steps raise.
        """
        position = pump.position
        while not self._retry.stop.is_set():
            try:
                outcome = pump.step()
                settled = isinstance(outcome, Idle) and outcome.settled
                if settled or pump.position is not position:
                    position = pump.position
                    self._retry.progressed()
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
                        self._retry.wait(error)
                    case Failed(failed):
                        self._retry.wait(failed)
                        pump.rebuild()
                    case Poisoned():
                        poisoned(outcome)
                        pump.skip()
            except PyMongoError as error:  # of `ended` or `poisoned`: the next step calls it again
                self._retry.wait(error)
        self._drain(pump)

    def _drain(self, pump: Pump) -> None:
        if pump.pending:
            seconds = f"{DRAIN_SECONDS:g} s"
            logger.info(
                "relay %s: waiting up to %s for %d record(s) in flight", self._retry.label, seconds, pump.pending
            )
        try:
            pump.drain(DRAIN_SECONDS, _LITTLE_SECONDS if self._retry.failing else _SAVE_SECONDS)
        except (PyMongoError, LeaseLost, TimeoutError) as error:
            level = logging.INFO if is_closed(error) else logging.WARNING  # the program ends, and has closed its client
            logger.log(
                level,
                "relay %s: delivered up to seq %d, but not saved: %s",
                self._retry.label,
                pump.position[0],
                short_message(error),
            )
        if pump.pending:
            logger.warning(
                "relay %s: %d record(s) after seq %d were not acknowledged in time; they are sent again later",
                self._retry.label, pump.pending, pump.position[0],
            )  # fmt: skip
