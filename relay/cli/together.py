"""Several relays in one process: a thread each; one that has to stop leaves the others at work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from pymongo.errors import PyMongoError

from outbox.clock import SystemClock
from outbox.errors import OutboxError
from outbox.mongo.server_errors import short_message
from relay.monitoring.alive import Pulse, Show
from relay.relay import Relay

log = logging.getLogger("relay")

_LOOK_SECONDS = 0.2


def run_together(relays: Sequence[Relay], stop: threading.Event, *, once: bool, show: Show = lambda _: None) -> None:
    """Runs them all until `stop`, or with `once` until each has drained.

    One that has to stop says so in the log, with what can be done, and the others go on. When all have ended, raises
    the error of the first that had to. `show` is told some times a second how the loops of those at work go round.

    They run on daemon threads, so that the calling one, the main thread, stays free for signals.
    """
    clock = SystemClock()
    at_work = [_AtWork(each, Pulse(clock), once) for each in relays]
    errors: list[BaseException] = []
    for each in at_work:
        each.thread.start()
    while at_work:
        if stop.wait(_LOOK_SECONDS):
            for each in at_work:
                each.pulse.set()
            at_work[0].thread.join(_LOOK_SECONDS)
        for each in [each for each in at_work if not each.thread.is_alive()]:
            at_work.remove(each)
            if isinstance(each.error, Exception) and len(relays) > 1:
                _tell(each.relay, each.error, len(at_work))
            elif each.error is not None:
                stop.set()
            errors += [] if each.error is None else [each.error]
        show(each.pulse for each in at_work)
    if errors:
        raise errors[0]


class _AtWork:
    """A relay on its thread."""

    def __init__(self, relay: Relay, pulse: Pulse, once: bool) -> None:
        self.relay = relay
        self.pulse = pulse
        self.error: BaseException | None = None
        self._once = once
        self.thread = threading.Thread(target=self._run, name=f"relay-{relay.name}", daemon=True)

    def _run(self) -> None:
        try:
            self.relay.run(self.pulse, once=self._once)
        except BaseException as error:  # noqa: BLE001  # raised again on the calling thread
            self.error = error


def _tell(relay: Relay, error: Exception, others: int) -> None:
    told = "\n".join([short_message(error), *getattr(error, "__notes__", [])])
    foreseen = isinstance(error, (OutboxError, PyMongoError))
    log.error(
        "relay %r of %s has stopped until this process is started again, %d other(s) go on: %s",
        relay.name, relay.where, others, told, exc_info=None if foreseen else error,
    )  # fmt: skip
