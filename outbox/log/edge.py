"""The edge: up to where the log may be rolled over at any moment, told by the sequencer before it appends."""

from __future__ import annotations

from bson import Int64
from pymongo.client_session import ClientSession

from outbox.errors import LeaseLost
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections

ROLE = "sequencer"


class Edge:
    """What the sequencer has announced in its lease. Thread-safe; every call may raise pymongo's errors.

    The sequencer announces first and looks for cursors then; a reader saves its cursor first and looks at the edge
    then, all with majority. So one of the two sees the other: a reader that finds the edge at or before its next record
    loses nothing from then on, however the two were interleaved, and whoever wrote the cursor.
    """

    def __init__(self, collections: Collections) -> None:
        self._leases = collections.leases

    def read(self, session: ClientSession | None = None) -> int:
        """The first seq that is not about to be rolled over; 0 while no append is near to rolling over anything."""
        with time_limit():
            lease = self._leases.find_one({"_id": ROLE}, {"edge": 1}, session=session)
        return 0 if lease is None else int(lease.get("edge", 0))

    def announce(self, seq: int, fence: int, session: ClientSession) -> None:
        """Moves it to `seq`, for the holder of `fence`. Raises LeaseLost when that is another by now."""
        with time_limit():
            moved = self._leases.update_one(
                {"_id": ROLE, "fence": Int64(fence)}, {"$set": {"edge": Int64(seq)}}, session=session
            )
        if not moved.matched_count:
            raise LeaseLost(f"the lease {ROLE!r} is not held under fence {fence} any more")

    def withdraw(self, fence: int) -> None:
        """Takes it back. Only while no append of this or an older fence can still come."""
        with time_limit():
            self._leases.update_one({"_id": ROLE, "fence": Int64(fence)}, {"$unset": {"edge": 1}})
