"""Notices that messages wait and nobody sequences them, and says so once in a while."""

from __future__ import annotations

import logging

from pymongo.errors import PyMongoError

from outbox.clock import Clock, SystemClock
from outbox.counting.repeats import Repeats
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.lease import read_lease
from outbox.mongo.server_errors import short_message
from outbox.monitoring.status import is_unsequenced

logger = logging.getLogger("outbox")

LOOK_SECONDS = 30.0
"""Ten lease times: a sequencer that lives has beaten in between."""
MESSAGES = 1000
_BETWEEN_SECONDS = 3.0


class NoSequencerWarning:
    """Looks at the sequencer's lease every 30 s of putting, and warns when it stands still while staging is full.

    Thread-safe: two threads may both look, which costs one read more.
    """

    def __init__(self, collections: Collections, clock: Clock | None = None) -> None:
        self._collections = collections
        self._clock: Clock = SystemClock() if clock is None else clock
        self._looked = self._clock.monotonic()
        self._seen: object = object()

    def is_due(self) -> bool:
        """Tells whether `check` would ask the server. No I/O."""
        return self._clock.monotonic() - self._looked >= LOOK_SECONDS

    def check(self) -> None:
        """Cheap, and never raises for a server that cannot be asked just now: the put itself has succeeded."""
        if not self.is_due():
            return
        self._looked = self._clock.monotonic()
        try:
            self._look()
        except PyMongoError as error:
            name = self._collections.log.full_name
            said = "could not look whether anybody sequences %s: %s"
            logger.info(said, name, short_message(error), extra={"outbox": name})

    @outside_bound_session
    def _look(self) -> None:
        lease = read_lease(self._collections.leases, "sequencer")
        seen = None if lease is None else (lease["fence"], lease["beat"])
        stands_still, self._seen = seen == self._seen, seen
        with time_limit():
            staged = self._collections.staging.estimated_document_count()
        if stands_still and staged >= MESSAGES:
            logger.warning(
                "%d messages wait in %s and no process sequences them: start a relay (`relay run`), or subscribe in a "
                "process whose Outbox has sequence=True",
                staged,
                self._collections.staging.full_name,
                extra={"outbox": self._collections.log.full_name},
            )


class UnsequencedWarning:
    """Warns a reader whose own process does not sequence that nobody else does: at once, and then every minute.

    Not thread-safe, but for that two threads may both look, which costs a read more.
    """

    def __init__(self, collections: Collections, clock: Clock | None = None) -> None:
        self._collections = collections
        self._clock: Clock = SystemClock() if clock is None else clock
        self._repeats = Repeats(self._clock)
        self._looked = float("-inf")

    def look(self) -> None:
        """Looks, with two small reads, unless somebody has just done so. Raises pymongo's errors."""
        if self._clock.monotonic() - self._looked < _BETWEEN_SECONDS:
            return
        self._looked = self._clock.monotonic()
        if not is_unsequenced(self._collections):
            self._repeats.over()
            return
        said = self._repeats.said("and no process numbers them, so none arrives")
        if said is not None:
            logger.warning(
                "messages wait in %s %s: start `relay run` without --no-sequence, or `outbox sequence APP --keep`; the "
                "log output of those that should number says why they do not",
                self._collections.staging.full_name,
                said,
                extra={"outbox": self._collections.log.full_name},
            )
