"""Sequencing: the loop that keeps one sequencer at work, or standing by for the one that is."""

from __future__ import annotations

import logging
import threading

from pymongo.errors import PyMongoError

from outbox.bell import Bell
from outbox.collections import Collections
from outbox.errors import LeaseLost, OutboxError
from outbox.sequencer import Doubt, Sequencer

logger = logging.getLogger("outbox")

IDLE_SECONDS = 1.0
_STANDBY_SECONDS = 0.5
_FIRST_PAUSE = 0.05


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
                logger.warning("sequencing %s starts over in %.2f s: %s", collections.log.full_name, pause, error)
                stop.wait(pause)
                pause = min(2 * pause, IDLE_SECONDS)
            else:
                pause = _FIRST_PAUSE
    finally:
        bell.close()
        _release(sequencer)


def _work(sequencer: Sequencer, bell: Bell, stop: threading.Event) -> None:
    while not stop.is_set():
        swept = sequencer.sweep()
        if not swept.messages:
            bell.wait(swept.time, IDLE_SECONDS, stop)


def _release(sequencer: Sequencer) -> None:
    try:
        sequencer.release()
    except PyMongoError as error:
        logger.warning("the sequencer's lease could not be given back; others wait until it runs out: %s", error)
