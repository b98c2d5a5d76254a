"""Says that a durable reader comes near to holding the sequencer back, before it does."""

from __future__ import annotations

import logging

from pymongo.errors import PyMongoError

from outbox.clock import Clock, SystemClock
from outbox.errors import OutboxNotCreated
from outbox.log.log import Log
from outbox.log.reader_id import paused_readers, reader_of, resume_command
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import READERS, Collections
from outbox.mongo.server_errors import short_message
from outbox.monitoring.headroom import Headroom, HeadroomGauge
from outbox.monitoring.units import format_bytes, format_duration

logger = logging.getLogger("outbox")

SHARE = 0.2
"""Of the cap. A reader that is well is far from it: it follows the log's head by a few seconds."""
OVER_SHARE = 0.25  # a little more, so that a reader about the edge is not told of again and again
LOOK_SECONDS = 10.0
AGAIN_SECONDS = 600.0
_MOST_SECONDS = 2.0  # of measuring, which the sequencer stands still for


class HeadroomWarning:
    """Warns when the headroom of a durable reader falls below 20 % of the cap, every 10 min while it stays below 25 %,
    and says when that is over. Not thread-safe.

    It measures only while the sequencer does not know of more headroom by itself, every 10 s at most.
    """

    def __init__(self, collections: Collections, clock: Clock | None = None) -> None:
        self._collections = collections
        self._clock: Clock = SystemClock() if clock is None else clock
        self._look_at = float("-inf")
        self._warned = False
        self._said = 0.0

    def update(self, left: float) -> None:
        """Takes how much the sequencer knows to be left before any reader holds it, as a share of the cap."""
        now = self._clock.monotonic()
        if left >= self._threshold:
            self._over()
        elif now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            try:
                with time_limit(_MOST_SECONDS):
                    self._look(now)
            except (PyMongoError, OutboxNotCreated) as error:  # sequencing must not suffer for it
                name = self._collections.log.full_name
                said = "could not measure the headroom of the readers of %s: %s"
                logger.info(said, name, short_message(error), extra={"outbox": name})

    @property
    def _threshold(self) -> float:
        return OVER_SHARE if self._warned else SHARE

    def _look(self, now: float) -> None:
        cap = Log(self._collections).describe().size
        cursors = {each["_id"]: int(each["seq"]) for each in self._collections.cursors.find(READERS, {"seq": 1})}
        paused = paused_readers(self._collections.cursors)
        found = HeadroomGauge(self._collections, cap).headrooms(cursors)
        holding = {reader: headroom for reader, headroom in found.items() if headroom is not None}
        reader = min(holding, key=lambda each: holding[each].bytes, default=None)
        if reader is None or holding[reader].bytes >= cap * self._threshold:
            self._over()
        elif not self._warned or now - self._said >= AGAIN_SECONDS:
            self._warned, self._said = True, now
            self._warn(reader, cursors[reader], holding[reader], cap, reader_of(reader) in paused)

    def _warn(self, reader: str, seq: int, headroom: Headroom, cap: int, paused: bool) -> None:
        time = "" if headroom.seconds is None else f", at the present rate in {format_duration(headroom.seconds)}"
        resume = f"It is paused: `{resume_command(reader_of(reader))}` lets it go on."
        what = resume if paused else "Is it running, and fast enough?"
        logger.warning(
            "%s: reader %r is far behind, it has read up to seq %d; when %s more (%.0f %% of the log) are "
            "appended%s, it will hold the sequencer back. %s Else enlarge the capacity",
            self._collections.log.full_name,
            reader,
            seq,
            format_bytes(headroom.bytes),
            100 * headroom.bytes / cap,
            time,
            what,
            extra={"outbox": self._collections.log.full_name, "reader": reader, "seq": seq},
        )

    def _over(self) -> None:
        if self._warned:
            name = self._collections.log.full_name
            logger.warning("%s: no reader is near to holding the sequencer back any more", name, extra={"outbox": name})
            self._warned = False
