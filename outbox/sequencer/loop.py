"""Sequencing: the loop that keeps one sequencer at work, or standing by for the one that is."""

from __future__ import annotations

import logging
import threading
import time

from pymongo.errors import PyMongoError

from outbox.backoff import Pause
from outbox.clock import SystemClock, seconds_in_step
from outbox.counting.repeats import Repeats
from outbox.errors import LeaseLost, OutboxError
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import is_closed, is_unauthorized, short_message
from outbox.monitoring.headroom_warning import HeadroomWarning
from outbox.monitoring.hold_report import HoldReport
from outbox.sequencer.appender import TakeoverRequired
from outbox.sequencer.change_stream import AWAIT_SECONDS, Changes, ChangeStreamListener
from outbox.sequencer.sequencer import Sequencer
from outbox.threads.program_end import CLOSED_SECONDS, told_at_the_end
from outbox.threads.stop_watch import watching

logger = logging.getLogger("outbox")

CLOCK = SystemClock()
IDLE_SECONDS = 1.0  # between two sweeps while nothing comes and the change stream does not answer
_CALM_SECONDS = 10.0  # the same while it answers
_REST_SECONDS = 5.0  # between two looks at the log's validator meanwhile
UNAUTHORIZED_SECONDS = 30.0
_STANDBY_SECONDS = 0.5
STILL_SECONDS = 0.05  # between two looks at what does not move: a reader that holds, a snapshot that is too old
_QUIET_SECONDS = 0.1  # after this much silence the last few messages are deleted from staging, too


def run_sequencer(
    collections: Collections,
    sequencer: Sequencer,
    stop: threading.Event,
    await_seconds: float = AWAIT_SECONDS,
    pause: float = 0.0,
) -> None:
    """Sequences until `stop` is set, whatever happens to the server or in here, then gives the lease back. Blocks.

    The end of the program sets `stop`, too. await_seconds: how long the thread of the change stream may live on after
    it, see ChangeStreamListener. pause: see there.
    """
    listener = ChangeStreamListener(collections.staging, await_seconds, pause)

    def is_over() -> bool:
        return not _may_rest(sequencer, listener, stop)

    with told_at_the_end(stop.set), watching(stop.is_set, listener.wake, is_over):
        _sequence(collections, sequencer, listener, stop, await_seconds)


def _sequence(
    collections: Collections,
    sequencer: Sequencer,
    listener: ChangeStreamListener,
    stop: threading.Event,
    await_seconds: float,
) -> None:
    following: threading.Thread | None = None
    pause, repeats = Pause(IDLE_SECONDS), Repeats()
    name = collections.log.full_name
    log = logging.LoggerAdapter(logger, {"outbox": name})
    try:
        while not stop.is_set():
            try:
                if following is None:
                    following = _followed(listener, stop, collections.name)
                if not sequencer.take_over():
                    sequencer.stand_by(_STANDBY_SECONDS, stop)
                    continue
                _work(collections, sequencer, listener, stop, pause, repeats)
            except (TakeoverRequired, LeaseLost) as reason:
                log.warning("sequencing %s starts over: %s", name, reason)
                pause.reset()
            except (PyMongoError, OutboxError) as error:
                if is_unauthorized(error):
                    # Not this process's work, then. Without the lease, so that one that may do it can.
                    log.error("cannot sequence %s: %s", name, _advised(error))  # noqa: TRY400  # no fault of ours
                    _release(sequencer, log)
                    stop.wait(UNAUTHORIZED_SECONDS)
                    continue
                if is_closed(error):
                    if not stop.wait(CLOSED_SECONDS):
                        log.warning("sequencing %s ends: the program has closed its client", name)
                    return
                why = repeats.said(short_message(error))
                if why is not None:
                    log.warning("sequencing %s starts over in %.2f s: %s", name, pause.seconds, why)
                pause.wait(stop)
            except Exception:
                log.exception("sequencing %s starts over in %.2f s: unforeseen", name, pause.seconds)
                pause.wait(stop)
    finally:
        _release(sequencer, log)
        if following is not None and await_seconds <= AWAIT_SECONDS:
            following.join()  # who closes an outbox leaves no thread behind; a relay just ends


def _followed(listener: ChangeStreamListener, stop: threading.Event, name: str) -> threading.Thread:
    thread = threading.Thread(
        target=outside_bound_session(listener.run), args=(stop,), name=f"outbox-bell-{name}", daemon=True
    )
    thread.start()
    return thread


def _work(
    collections: Collections,
    sequencer: Sequencer,
    listener: ChangeStreamListener,
    stop: threading.Event,
    pause: Pause,
    repeats: Repeats,
) -> None:
    hold_report, warning = HoldReport(collections), HeadroomWarning(collections)
    changes: Changes | None = None
    expecting, swept_at = True, 0.0
    while not stop.is_set():
        if changes is not None and changes.documents:
            swept = sequencer.take(changes)
        else:
            swept, swept_at = sequencer.sweep(expecting=expecting), time.monotonic()
            if swept.is_last:
                listener.follow_from(swept.time)
        hold_report.update(swept.hold, sequencer.fence)
        if swept.hold is None:
            warning.update(sequencer.retention.left)
        pause.reset()
        repeats.over()
        changes, expecting = None, True
        if swept.is_last and time.monotonic() - swept_at < IDLE_SECONDS:
            if swept.messages:
                changes = listener.next_changes(_QUIET_SECONDS, stop.is_set)
            else:
                changes = _changes_at_rest(sequencer, listener, stop)
            expecting = changes is None
        elif not swept.messages and (swept.hold is not None or swept.is_behind):
            stop.wait(STILL_SECONDS)


def _changes_at_rest(sequencer: Sequencer, listener: ChangeStreamListener, stop: threading.Event) -> Changes | None:
    """Waits for changes as `next_changes`: as long as is left to a sweep while the stream answers, else shorter."""

    def is_over() -> bool:
        return not _may_rest(sequencer, listener, stop)

    if is_over():
        return listener.next_changes(seconds_in_step(CLOCK, IDLE_SECONDS), stop.is_set)
    sweep_at = CLOCK.monotonic() + _CALM_SECONDS - IDLE_SECONDS
    while True:
        seconds = min(_REST_SECONDS, max(IDLE_SECONDS, sweep_at - CLOCK.monotonic()))
        changes = listener.next_changes(seconds_in_step(CLOCK, seconds), is_over)
        if changes is None or changes.documents or is_over() or CLOCK.monotonic() >= sweep_at:
            return changes
        sequencer.keep()


def _may_rest(sequencer: Sequencer, listener: ChangeStreamListener, stop: threading.Event) -> bool:
    """Tells whether all that is to come will be brought. Asked each second, by the stop watch: no I/O."""
    return not stop.is_set() and sequencer.is_held and listener.is_answering


def _advised(error: Exception) -> str:
    return f"{short_message(error)}, or leave sequencing to others: Outbox(…, sequence=False)"


def _release(sequencer: Sequencer, log: logging.LoggerAdapter[logging.Logger]) -> None:
    try:
        sequencer.release()
    except PyMongoError as error:
        if is_closed(error):
            return
        log.warning(
            "the sequencer's lease could not be given back; others wait until it runs out: %s", short_message(error)
        )
    except Exception:
        log.exception("the sequencer's lease could not be given back; others wait until it runs out")
