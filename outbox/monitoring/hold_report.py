"""Reports who holds the sequencer back: in the log output, and in its lease, where status finds it."""

from __future__ import annotations

import logging
import shlex

from bson import Int64
from pymongo.errors import PyMongoError

from outbox.clock import Clock, SystemClock
from outbox.log.reader_id import forget_command, paused_readers, reader_of, resume_command
from outbox.log.retention import Hold
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import short_message
from outbox.monitoring.units import format_duration

logger = logging.getLogger("outbox")

SAY_SECONDS = 10.0
OVER_SECONDS = 5.0
"""A reader that is slow rather than dead lets the sequencer go on for a moment, again and again: that is one hold."""
WRITE_SECONDS = 3.0


class HoldReport:
    """Tells of a hold when it begins, while it lasts, and when it is over. Not thread-safe.

    What is written into the lease is for people, and no program goes by it: a write that fails disturbs nothing, and is
    made good a few seconds later. The server dates it, and the fence keeps out a sequencer whose time is over.
    """

    def __init__(self, collections: Collections, clock: Clock | None = None) -> None:
        self._log = collections.log.full_name
        self._database = collections.database.name
        self._name = collections.name
        self._leases = collections.leases
        self._cursors = collections.cursors
        self._held_seconds = collections.tally.held_seconds
        self._clock: Clock = SystemClock() if clock is None else clock
        self._hold: Hold | None = None
        self._held: tuple[str, float] | None = None  # up to when that reader's hold is counted
        self._since = 0.0
        self._seen = 0.0
        self._said = 0.0
        self._is_written = True  # whatever the last sequencer left there
        self._write_at = float("-inf")

    def update(self, hold: Hold | None, fence: int) -> None:
        """Takes what a sweep under `fence` returned."""
        now = self._clock.monotonic()
        self._count(hold, now)
        if hold is not None:
            self._begin(hold, now)
        elif self._hold is not None and now - self._seen >= OVER_SECONDS:
            held = format_duration(now - self._since)
            logger.warning(
                "%s: reader %r does not hold the sequencer back any more, after %s", self._log, self._hold.reader, held,
                extra=self._about(self._hold),
            )  # fmt: skip
            self._hold = None
        if (self._is_written or self._hold is not None) and now >= self._write_at:
            self._write_at = now + WRITE_SECONDS
            self._write(fence)

    def _count(self, hold: Hold | None, now: float) -> None:
        if self._held is not None:
            reader, since = self._held
            self._held_seconds.add(reader, now - since)
        self._held = None if hold is None else (hold.reader, now)

    def _begin(self, hold: Hold, now: float) -> None:
        if self._hold is None or hold.reader != self._hold.reader:
            self._since, self._said, self._write_at = now, now - SAY_SECONDS, now
        self._hold, self._seen = hold, now
        if now - self._said >= SAY_SECONDS:
            self._said = now
            logger.warning(
                "%s is full of what reader %r has not read yet, from seq %d on: the sequencer waits for it, for %s so "
                "far, and staging grows. %s, or enlarge the capacity%s",
                self._log,
                hold.reader,
                hold.seq,
                format_duration(now - self._since),
                self._going_on(reader_of(hold.reader)),
                self._giving_up(reader_of(hold.reader)),
                extra=self._about(hold),
            )

    def _about(self, hold: Hold) -> dict[str, object]:
        return {"outbox": self._log, "reader": hold.reader, "seq": hold.seq}

    def _going_on(self, reader: str) -> str:
        try:
            paused = reader in paused_readers(self._cursors)
        except PyMongoError as error:  # sequencing must not suffer for it
            said = "%s: could not look whether %r is paused: %s"
            logger.info(said, self._log, reader, short_message(error), extra={"outbox": self._log, "reader": reader})
            paused = False
        if not paused:
            return "Get it going"
        return f"It is paused. Resume it: {self._command(reader, 'relay resume --name', resume_command(reader))}"

    def _giving_up(self, reader: str) -> str:
        command = self._command(reader, "relay cursor forget", forget_command(reader))
        return f", or give it up: {command}"

    def _command(self, reader: str, of_relay: str, of_any: str) -> str:
        kind, _, name = reader.partition(":")
        if kind != "relay":
            return of_any
        return shlex.join([*of_relay.split(), name, "--database", self._database, "--outbox", self._name])

    def _write(self, fence: int) -> None:
        query = {"_id": "sequencer", "fence": Int64(fence)}
        try:
            with time_limit():
                if self._hold is None:
                    self._leases.update_one({**query, "holding": {"$exists": True}}, {"$unset": {"holding": 1}})
                else:
                    self._leases.update_one(query, [{"$set": {"holding": _dated(self._hold)}}])
            self._is_written = self._hold is not None
        except PyMongoError as error:
            said = "%s: the lease does not say who holds the sequencer back: %s"
            logger.info(said, self._log, short_message(error), extra={"outbox": self._log})


def _dated(hold: Hold) -> Document:
    """Since when it is held is kept from one write to the next, also over another sequencer's takeover."""
    same = {"$eq": ["$holding.reader", {"$literal": hold.reader}]}
    since = {"$cond": [same, "$holding.since", "$$NOW"]}
    return {"reader": {"$literal": hold.reader}, "seq": {"$literal": Int64(hold.seq)}, "since": since}
