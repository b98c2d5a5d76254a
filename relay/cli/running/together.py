"""Runs the relays of one process side by side."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from outbox.clock import SystemClock
from outbox.errors import OutboxError
from outbox.log.reader_id import relay_id
from outbox.mongo.server_errors import short_message
from relay.monitoring.alive import Pulse, Show

if TYPE_CHECKING:
    from relay.relay import Relay

logger = logging.getLogger("relay")

_CHECK_SECONDS = 0.2


def run_together(
    relays: Sequence[Relay], stop: threading.Event, *, once: bool, waits: bool = False, show: Show = lambda _: None
) -> None:
    """Runs all relays, each on a thread, until `stop`, or with `once` until all have drained.

    When a relay fails, the log says why and what can be done, and the others go on. When all have ended, raises the
    error of the first that failed. `show` is called some times a second with the pulses of the relays at work. once,
    waits: see Relay.run.

    The relays run on daemon threads, so that the calling thread, the main one, stays free for signals.
    """
    clock = SystemClock()
    at_work = [_RelayThread(relay, Pulse(clock), once=once, waits=waits) for relay in relays]
    errors: list[BaseException] = []
    for running in at_work:
        running.thread.start()
    while at_work:
        if stop.wait(_CHECK_SECONDS):
            for running in at_work:
                running.pulse.set()
            at_work[0].thread.join(_CHECK_SECONDS)
        for ended in [running for running in at_work if not running.thread.is_alive()]:
            at_work.remove(ended)
            if isinstance(ended.error, Exception) and len(relays) > 1:
                _log_failure(ended.relay, ended.error, len(at_work))
            elif ended.error is not None:
                stop.set()
            errors += [] if ended.error is None else [ended.error]
        show(running.pulse for running in at_work)
    if errors:
        raise errors[0]


class _RelayThread:
    """Runs a relay on a thread."""

    def __init__(self, relay: Relay, pulse: Pulse, *, once: bool, waits: bool) -> None:
        self.relay = relay
        self.pulse = pulse
        self.error: BaseException | None = None
        self._run_relay = partial(relay.run, pulse, once=once, waits=waits)
        self.thread = threading.Thread(target=self._run, name=f"relay-{relay.name}", daemon=True)

    def _run(self) -> None:
        try:
            self._run_relay()
        except BaseException as error:  # noqa: BLE001  # raised again on the calling thread
            self.error = error


def _log_failure(relay: Relay, error: Exception, others: int) -> None:
    reason = "\n".join([short_message(error), *getattr(error, "__notes__", [])])
    is_foreseen = isinstance(error, (OutboxError, PyMongoError))
    logger.error(
        "relay %r of %s has stopped until this process is started again, %d other(s) go on: %s",
        relay.name, relay.where, others, reason, exc_info=None if is_foreseen else error,
        extra={"outbox": relay.where, "reader": relay_id(relay.name)},
    )  # fmt: skip
