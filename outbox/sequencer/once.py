"""Sequencing by hand: all that staging holds, once, for tests and jobs."""

from __future__ import annotations

import logging

from pymongo.errors import PyMongoError

from outbox.clock import SystemClock
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import Tries, is_transient, patiently, short_message
from outbox.monitoring.hold_report import HoldReport
from outbox.sequencer.appender import TakeoverRequired
from outbox.sequencer.loop import STILL_SECONDS
from outbox.sequencer.sequencer import Sequencer

logger = logging.getLogger("outbox")

_MACHINE = SystemClock()


def sequence_once(collections: Collections) -> int:
    """Numbers what staging holds and says how many messages that were; 0 when another process works.

    Raises pymongo's errors, LeaseLost and OutboxNotCreated.
    """
    lease = collections.lease("sequencer")
    sequencer = Sequencer(collections, lease)
    try:
        if not patiently(lambda: sequencer.take_over() or (lease.acquire_if_idle() and sequencer.take_over())):
            return 0
        first = sequencer.next
        _drain(sequencer, HoldReport(collections))
        return sequencer.next - first
    finally:
        _end(sequencer)


def _drain(sequencer: Sequencer, holding: HoldReport) -> None:
    """Sweeps until staging is empty, or another sequencer is at work."""
    tries = Tries()
    is_ready = True
    while True:
        reached = sequencer.next
        try:
            if not (is_ready or sequencer.take_over()) or _drained(sequencer, holding):
                return
        except PyMongoError as error:
            if sequencer.next > reached:
                tries.begin()
            tries.wait(error)
        is_ready = False


def _drained(sequencer: Sequencer, holding: HoldReport) -> bool:
    """Sweeps until staging is empty; False when the sequencer must take over again first."""
    try:
        while True:
            swept = sequencer.sweep()
            holding.update(swept.hold, sequencer.fence)
            if swept.is_last or swept.hold is not None:
                return True
            if swept.is_behind:
                _MACHINE.wait(STILL_SECONDS)
    except TakeoverRequired as reason:
        logger.info("sequencing starts over: %s", reason)
        return False


def _end(sequencer: Sequencer) -> None:
    try:
        sequencer.release()
    except PyMongoError as error:
        if not is_transient(error):
            raise
        # All is numbered; whoever sequences next deletes from staging what is still there.
        logger.warning("sequencing ended, but its lease may have to run out: %s", short_message(error))
