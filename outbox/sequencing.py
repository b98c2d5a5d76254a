"""Sequencing: the loop that keeps one sequencer at work, or standing by for the one that is."""

from __future__ import annotations

import logging
import threading
import time

from pymongo.errors import PyMongoError

from outbox.bell import AWAIT_SECONDS, Bell, News
from outbox.collections import Collections, apart
from outbox.early_warning import EarlyWarning
from outbox.errors import LeaseLost, OutboxError
from outbox.holding import Holding
from outbox.privileges import is_unauthorized
from outbox.sequencer import Doubt, Sequencer
from outbox.wording import in_short

logger = logging.getLogger("outbox")

IDLE_SECONDS = 1.0
UNAUTHORIZED_SECONDS = 30.0
_STANDBY_SECONDS = 0.5
_FIRST_PAUSE = 0.05
_HELD_SECONDS = 0.05
_QUIET_SECONDS = 0.1  # after this much silence the last few messages are deleted from staging, too


def sequence(
    collections: Collections, sequencer: Sequencer, stop: threading.Event, await_seconds: float = AWAIT_SECONDS
) -> None:
    """Sequences until `stop` is set, whatever happens to the server, then gives the lease back. Blocks.

    await_seconds: how long after `stop` the bell's thread may live on, see Bell.
    """
    bell = Bell(collections.staging, await_seconds)
    listener = threading.Thread(
        target=apart(bell.run), args=(stop,), name=f"outbox-bell-{collections.name}", daemon=True
    )
    listener.start()
    pause = _FIRST_PAUSE
    try:
        while not stop.is_set():
            try:
                if not sequencer.take_over():
                    stop.wait(_STANDBY_SECONDS)
                    continue
                _work(collections, sequencer, bell, stop)
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
        _release(sequencer)
        if await_seconds <= AWAIT_SECONDS:  # who closes an outbox leaves no thread behind; a relay just ends
            listener.join()


def _work(collections: Collections, sequencer: Sequencer, bell: Bell, stop: threading.Event) -> None:
    holding, early = Holding(collections), EarlyWarning(collections)
    news: News | None = None
    expecting, swept_at = True, 0.0
    while not stop.is_set():
        if news is not None and news.documents:
            swept = sequencer.take(news)
        else:
            swept, swept_at = sequencer.sweep(expecting=expecting), time.monotonic()
            if swept.is_last:
                bell.begin(swept.time)
        holding.note(swept.hold, sequencer.fence)
        if swept.hold is None:
            early.note(sequencer.retention.left)
        news, expecting = None, True
        if swept.is_last and time.monotonic() - swept_at < IDLE_SECONDS:
            news = bell.wait(_QUIET_SECONDS if swept.messages else IDLE_SECONDS, stop)
            expecting = news is None
        elif swept.hold is not None and not swept.messages:
            stop.wait(_HELD_SECONDS)


def _advised(error: Exception) -> str:
    return f"{in_short(error)}, or leave sequencing to others: Outbox(…, sequence=False)"


def _release(sequencer: Sequencer) -> None:
    try:
        sequencer.release()
    except PyMongoError as error:
        logger.warning(
            "the sequencer's lease could not be given back; others wait until it runs out: %s", in_short(error)
        )
