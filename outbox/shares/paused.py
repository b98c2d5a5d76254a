"""Pausing a durable reader: its document in NAME.cursors says that it is, its leases that somebody changed that."""

from __future__ import annotations

from bson import Int64
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import patient
from outbox.shares.layout import documents_of


@outside_bound_session
@patient
def set_paused(collections: Collections, reader: str, paused: bool) -> bool:
    """Pauses the reader with this id, or lets it go on. Who works for it does so at the next beat of its lease.

    Returns False when no reader of this id has begun. Raises pymongo's errors; calling it again is safe.
    """
    begun: Document = {"_id": reader, "$or": [{"seq": {"$exists": True}}, {"shares": {"$exists": True}}]}

    def work(session: ClientSession) -> bool:
        change = {"$set": {"paused": True}} if paused else {"$unset": {"paused": 1}}
        if not collections.cursors.update_one(begun, change, session=session).matched_count:
            return False
        # Also when it was so already: one that was changed by hand is heard of then.
        collections.leases.update_many(documents_of(reader), {"$inc": {"pauses": Int64(1)}}, session=session)
        return True

    return transaction(collections.client, work)


@outside_bound_session
def is_paused(collections: Collections, reader: str) -> bool:
    """Tells whether it is. Raises pymongo's errors."""
    # With majority, a primary that was just elected might not know yet what is committed: and nobody would look again.
    cursors = collections.cursors.with_options(read_concern=ReadConcern("local"))
    with time_limit():
        return cursors.find_one({"_id": reader, "paused": True}, {"_id": 1}) is not None


class PauseWatch:
    """Whether one durable reader is paused, for one worker of it. Not thread-safe.

    Nothing is asked of the server while it works: who pauses the reader counts in the documents of its leases, which
    each beat brings.
    """

    def __init__(self, collections: Collections, reader: str) -> None:
        """reader: its id."""
        self._collections = collections
        self._reader = reader
        self._heard: object = None

    def is_on(self, lease: Lease) -> bool:
        """Looks whether it is paused. Raises pymongo's errors."""
        self._heard = lease.document.get("pauses")  # first: what comes after it is heard of
        return is_paused(self._collections, self._reader)

    def has_changed(self, lease: Lease) -> bool:
        """Tells whether somebody has paused it, or let it go on, since `is_on`. No I/O."""
        return bool(lease.document.get("pauses") != self._heard)
