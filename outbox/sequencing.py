"""Sequencing: the loop that keeps one sequencer at work, or standing by for the one that is."""

from __future__ import annotations

import logging
import threading

from pymongo.errors import PyMongoError

from outbox.bell import Bell
from outbox.clock import Clock, SystemClock
from outbox.collections import Collections
from outbox.errors import LeaseLost, OutboxError
from outbox.privileges import is_unauthorized
from outbox.retention import Hold
from outbox.sequencer import Doubt, Sequencer
from outbox.wording import in_short

logger = logging.getLogger("outbox")

IDLE_SECONDS = 1.0
UNAUTHORIZED_SECONDS = 30.0
_STANDBY_SECONDS = 0.5
_FIRST_PAUSE = 0.05
_HELD_SECONDS = 0.05
_SAY_SECONDS = 10.0


def sequence(collections: Collections, sequencer: Sequencer, stop: threading.Event) -> None:
    """Sequences until `stop` is set, whatever happens to the server, then gives the lease back. Blocks."""
    bell = Bell(collections.staging)
    pause = _FIRST_PAUSE
    try:
        while not stop.is_set():
            try:
                if not sequencer.take_over():
                    stop.wait(_STANDBY_SECONDS)
                    continue
                _work(sequencer, bell, stop)
            except (Doubt, LeaseLost) as reason:
                logger.warning("sequencing %s starts over: %s", collections.log.full_name, reason)
                pause = _FIRST_PAUSE
            except (PyMongoError, OutboxError) as error:
                if is_unauthorized(error):
                    # Not this process's work, then. Without the lease, so that one that may do it can.
                    logger.error("cannot sequence %s: %s", collections.log.full_name, _advised(error))  # noqa: TRY400
                    _release(sequencer)
                    stop.wait(UNAUTHORIZED_SECONDS)
                    continue
                logger.warning(
                    "sequencing %s starts over in %.2f s: %s", collections.log.full_name, pause, in_short(error)
                )
                stop.wait(pause)
                pause = min(2 * pause, IDLE_SECONDS)
            else:
                pause = _FIRST_PAUSE
    finally:
        bell.close()
        _release(sequencer)


def _work(sequencer: Sequencer, bell: Bell, stop: threading.Event) -> None:
    held = Held()
    while not stop.is_set():
        swept = sequencer.sweep()
        held.note(swept.hold)
        if swept.is_last:
            bell.wait(swept.time, IDLE_SECONDS, stop)
        elif swept.hold is not None and not swept.messages:
            stop.wait(_HELD_SECONDS)


class Held:
    """Says who holds the sequencer back, when it begins and every 10 s while it lasts. Not thread-safe."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._since: float | None = None
        self._said = 0.0

    def note(self, hold: Hold | None) -> None:
        """Takes what a sweep returned."""
        now = self._clock.monotonic()
        if hold is None:
            self._since = None
            return
        if self._since is None:
            self._since, self._said = now, now - _SAY_SECONDS
        if now - self._said >= _SAY_SECONDS:
            self._said = now
            logger.warning(
                "the log is full of what reader %r has not read yet: it is at seq %d and holds the sequencer back for "
                "%.0f s; staging grows. Get it going, enlarge the capacity, or give it up: relay cursor forget",
                hold.reader,
                hold.seq,
                now - self._since,
            )


def _advised(error: Exception) -> str:
    return f"{in_short(error)}, or leave sequencing to others: Outbox(…, sequence=False)"


def _release(sequencer: Sequencer) -> None:
    try:
        sequencer.release()
    except PyMongoError as error:
        logger.warning(
            "the sequencer's lease could not be given back; others wait until it runs out: %s", in_short(error)
        )
