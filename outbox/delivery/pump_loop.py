"""Steps a pump in a loop, and waits as the outcome of each step asks."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from pymongo.errors import PyMongoError

from outbox import events
from outbox.delivery.outcome import Failed, Idle, Moved, Outcome, Poisoned, Unavailable, Unsaved, Waiting
from outbox.delivery.pump import Pump
from outbox.delivery.retry import Retry
from outbox.errors import LeaseLost, Verdict
from outbox.events import CaughtUp, Event, OnEvent, teller
from outbox.log.position import Position
from outbox.mongo.server_errors import is_closed, short_message

DRAIN_SECONDS = 10.0
SHORT_SECONDS = 0.25
"""A rest during which `ended` may become true without anybody to wake it."""
_SAVE_SECONDS = 3.0
_LITTLE_SECONDS = 0.5
"""For the last save when the database has just failed: a process that takes long to end is killed."""


class PumpLoop:
    """Steps pumps, one after another, until the stop of `retry` is set; `retry` counts the failures of all of them.

    Not thread-safe.
    """

    def __init__(
        self,
        retry: Retry,
        drain_seconds: float | None = DRAIN_SECONDS,
        tell: OnEvent = teller(None),  # noqa: B008  # immutable
    ) -> None:
        """drain_seconds: how long the end waits for what is in flight; None: as long as what has begun takes."""
        self._retry = retry
        self._drain_seconds = drain_seconds
        self._tell = tell
        self._told: Event | None = None

    def run(
        self,
        pump: Pump[Any],
        poisoned: Callable[[Poisoned], None],
        ended: Callable[[Position, bool], bool],
        rest_seconds: float = SHORT_SECONDS,
    ) -> None:
        """Steps until `ended(position, settled)` or the stop; then drains and saves.

        `settled`: the last step found nothing more to read, and all is delivered and saved. `poisoned` puts a message
        aside, or raises. `rest_seconds`: after how long without a new record `ended` is asked again. Raises what the
        pump's steps raise.
        """
        position = pump.position
        while not self._retry.stop.is_set():
            try:
                outcome = pump.step()
                settled = isinstance(outcome, Idle) and outcome.settled
                if settled or pump.position is not position:
                    position = pump.position
                    self._retry.progressed()
                self._tell_of(outcome, position)
                if ended(position, settled):
                    break
                match outcome:
                    case Moved():
                        pass
                    case Waiting():
                        pump.wait()
                    case Idle():
                        pump.rest(rest_seconds)
                    case Unavailable(error) | Unsaved(error):
                        self._retry.wait(error)
                    case Failed(failed):
                        if self._drain_seconds is not None or failed.verdict is not Verdict.POISON:
                            self._retry.wait(failed)
                        pump.rebuild()
                    case Poisoned():
                        poisoned(outcome)
                        pump.skip()
            except PyMongoError as error:  # of `ended` or `poisoned`: the next step calls it again
                self._retry.wait(error)
            except (KeyboardInterrupt, SystemExit):  # of a handler on this thread: what came before it is done
                if self._drain_seconds is None:
                    self._drain(pump)
                raise
        self._drain(pump)

    def _tell_of(self, outcome: Outcome, position: Position) -> None:
        """Tells that there is nothing to read, and then that all is handled: once, until there is more."""
        match outcome:
            case Idle(settled):
                event: Event = CaughtUp(position[0]) if settled else events.Idle()
                if self._told is None or (settled and event != self._told):
                    self._told = event
                    self._tell(event)
            case Moved():
                self._told = None

    def _drain(self, pump: Pump[Any]) -> None:
        log, limit = self._retry.log, self._drain_seconds
        if pump.pending and limit is not None:
            log.info("waiting up to %g s for %d record(s) in flight", limit, pump.pending)
        try:
            pump.drain(math.inf if limit is None else limit, _LITTLE_SECONDS if self._retry.failing else _SAVE_SECONDS)
        except (PyMongoError, LeaseLost, TimeoutError) as error:
            level = logging.INFO if is_closed(error) else logging.WARNING  # the program ends, and has closed its client
            log.log(level, "delivered up to seq %d, but not saved: %s", pump.position[0], short_message(error))
        if pump.pending and limit is not None:
            why = "in time" if pump.failed is None else f"({pump.failed})"
            log.warning(
                "%d record(s) after seq %d were not acknowledged %s; they are sent again later",
                pump.pending,
                pump.position[0],
                why,
            )
