"""Puts a mirror's messages into the destination, in the transaction that moves its position there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from outbox.consumers.in_transaction import InTransaction
from outbox.consumers.in_turn import Terms
from outbox.errors import DeliveryFailed, InvalidArgument, InvalidMessage, Reject, Verdict
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import is_transient, short_message
from outbox.shares.reader_logger import ReaderLogger
from outbox.staging.insertion import Gone
from outbox.staging.put import dropped
from outbox.transfer.arrival import Arrival, of_record
from outbox.transfer.arrivals import Destination, look, new_ones, remember
from outbox.transfer.mirror_delivery import MirrorDelivery
from outbox.transfer.original import Original

BATCH = 500
MOST_STAGED = 10_000
"""So many messages may wait in the destination's staging for their numbers; then the mirror waits."""
_LOOK_SECONDS = 0.5


class MirrorTarget(InTransaction):
    """Is a Target, and Interruptible. See InTransaction."""

    delivery: MirrorDelivery | None

    def __init__(self, source: Collections, destination: Collections, terms: Terms, log: ReaderLogger) -> None:
        super().__init__(self._put, BATCH, terms)
        self._from = source.log.full_name
        self._to = destination
        self._log = log
        self._destination: Destination | None = None
        self._looked = -_LOOK_SECONDS
        self._is_full = False

    def another(self) -> MirrorTarget:
        raise InvalidArgument("a mirror has one writer: shares are not for it")

    def poll(self, seconds: float) -> None:
        """See InTransaction; waits while too much waits at the destination."""
        if self._waiting and not self._interrupted and self._has_no_room():
            self._terms.clock.wait(seconds)
            return
        super().poll(seconds)

    def _has_no_room(self) -> bool:
        now = self._terms.clock.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            staged = self._staged()
            if (staged >= MOST_STAGED) != self._is_full:
                self._is_full = not self._is_full
                self._log.warning(
                    "%s has %d messages that wait for their numbers: %s", self._to.log.full_name, staged,
                    "the mirror waits, too" if self._is_full else "it goes on",
                )  # fmt: skip
            self._looked = now
        return self._is_full

    @outside_bound_session
    def _staged(self) -> int:
        try:
            with time_limit():
                return self._to.staging.estimated_document_count()
        except PyMongoError as error:
            if not is_transient(error):
                raise
            raise DeliveryFailed(None, Verdict.RETRY, short_message(error)) from error

    def _put(self, records: Sequence[Record[Any]], session: ClientSession) -> None:
        """Stages them, but those that come from there, or were imported there. Raises Reject for one that is refused,
        and OutboxNotCreated for an outbox that is not there just now."""
        destination = self._destination = self._destination or look(self._to)
        assert self.delivery is not None, "the reader's configuration sets it"
        try:
            arrivals = [self._arrival(record) for record in records]
            new = new_ones(self._to, [each for each in arrivals if self._is_foreign(each)], session)
            if new:
                destination.insert(new, session)
                if self.delivery.sends_letters:
                    remember(self._to, new, session)
        except Gone as gone:
            self._destination = None
            raise dropped(self._to) from gone
        except InvalidMessage as invalid:
            self._destination = look(self._to)
            if self._destination != destination:  # it takes more by now, perhaps this too
                raise
            raise Reject(str(invalid)) from invalid

    def _arrival(self, record: Record[Any]) -> Arrival:
        assert isinstance(record, Original)
        return of_record(record.head, record.document, self._from)

    def _is_foreign(self, arrival: Arrival) -> bool:
        """Tells whether it was not put there first. Two that mirror each other would else never end."""
        return arrival.origin.outbox != self._to.log.full_name
