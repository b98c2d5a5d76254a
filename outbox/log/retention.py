"""Retention: how much may be appended before the log rolls over what a durable reader has not read yet."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future
from typing import NamedTuple

from pymongo.client_session import ClientSession

from outbox.log.edge import Edge
from outbox.log.log import Log
from outbox.log.overtaken import overtaken
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import READERS, Collections

_STEP = 2000
_AHEAD = 16  # the edge is announced a sixteenth of the cap ahead of what an append rolls over
_FRESH_SECONDS = 0.02


class Hold(NamedTuple):
    """What the sequencer waits for: the durable reader furthest behind, and the seq it would lose."""

    reader: str
    seq: int


class _Weight(NamedTuple):
    bytes: int
    batches: int
    last: int
    """The last seq in them."""


class Retention:
    """Predicts what an append evicts, for the one process that appends. Not thread-safe.

    A capped collection evicts its oldest documents, after each insert, while the sizes of all sum up to more than the
    cap: exactly so, in bytes (measured). So a reader loses nothing as long as everything from the batch it reads next
    to the newest fits into the cap. What is left is remembered between sweeps, for readers only advance.

    Before anything is rolled over, the edge is announced beyond it, and the cursors are looked at once more.
    """

    def __init__(self, collections: Collections, fence: int) -> None:
        self._collections = collections
        self._fence = fence
        self._log = Log(collections)
        self._edge = Edge(collections)
        self._granted = 0  # bytes that may be appended without rolling over anything beyond the edge
        self._announced = 0
        self._is_used = False
        self._is_open = False
        self.left = 1.0
        """As a share of the cap, what may surely be appended before a reader holds the sequencer back."""
        self._asked: Future[list[Hold]] | None = None
        self._asked_at = -_FRESH_SECONDS
        self._spare = 0
        self._position = 0
        self._oldest = 0  # or less than it is by now, which only counts readers in that have nothing to protect

    def begin(self, lease: Document) -> None:
        """Takes back the last holder's edge, if the lease that was taken over has one: the fence refuses its appends
        by now. Raises pymongo's errors."""
        if "edge" in lease:
            self._edge.withdraw(self._fence)

    def ask(self, threads: Executor, head: int) -> None:
        """Begins to look where the readers are, beside what else is to be done; the next `spare` knows then."""
        self._asked, self._asked_at = threads.submit(self._readers, head), time.monotonic()

    def keep_fresh(self, threads: Executor, head: int) -> None:
        """As `ask`, if the last answer will soon be too old."""
        if time.monotonic() - self._asked_at > _FRESH_SECONDS / 2:
            self.ask(threads, head)

    def spare(self, wanted: int, cap: int, head: int) -> tuple[int, Hold | None]:
        """How many bytes may be appended to a log that ends at `head`, and for whose sake no more.

        Exact when it is less than `wanted`; else at least that much. Raises pymongo's errors, and LeaseLost.
        """
        spare, slowest = self._spared(wanted, cap, head)
        if min(spare, wanted) <= self._granted:
            return spare, slowest
        with self._collections.client.start_session(causal_consistency=True) as session:
            self._announce(min(spare, wanted), cap, slowest, session)
            spare, slowest = self._room(self._readers(head, session), wanted, cap, head)
            if slowest is not None and slowest.seq < self._announced:  # it came just before that could be seen
                self._granted = min(self._granted, spare)
                self._move(slowest.seq, session)
        return spare, slowest

    def _spared(self, wanted: int, cap: int, head: int) -> tuple[int, Hold | None]:
        if self._asked is not None and time.monotonic() - self._asked_at < _FRESH_SECONDS:
            spare, slowest = self._room(self._asked.result(), wanted, cap, head)
            if spare >= wanted:
                return spare, slowest
        self._asked = None
        return self._room(self._readers(head), wanted, cap, head)

    def _room(self, readers: list[Hold], wanted: int, cap: int, head: int) -> tuple[int, Hold | None]:
        slowest = self._slowest(readers)
        if slowest is not None and (slowest.seq < self._position or wanted > self._spare):
            self._oldest = self._log.earliest()
            slowest = self._slowest(readers)
            if slowest is not None:
                self._spare = cap if slowest.seq > head else self._measure(slowest.seq, cap, wanted)
        if slowest is None:
            self.left = 1.0
            return wanted, None
        self._position, self.left = slowest.seq, self._spare / cap
        return self._spare, slowest

    def spend(self, size: int) -> None:
        """Notes that `size` bytes are appended now; until `landed`, nobody knows whether they are."""
        self._spare -= size
        self._granted -= size
        self._is_used = self._is_open = True

    def landed(self) -> None:
        """Notes that everything that was spent is appended."""
        self._is_open = False

    def rest(self) -> None:
        """Takes the edge back if nothing was appended since the last call: the log keeps all it has for now.

        Raises pymongo's errors.
        """
        if not self._is_used:
            self.end()
        self._is_used = False

    def end(self) -> None:
        """Takes the edge back, unless an append may still be under way. Raises pymongo's errors."""
        if self._announced and not self._is_open:
            self._granted = self._announced = 0
            self._edge.withdraw(self._fence)

    def _announce(self, wanted: int, cap: int, slowest: Hold | None, session: ClientSession) -> None:
        """Moves the edge, if `wanted` bytes roll over anything, beyond all that they do and a little more; at most up
        to where the slowest reader is."""
        oldest, (size, count) = self._log.earliest(session), self._stats()
        self._granted = cap - size
        if self._granted >= wanted:
            return
        end = None if slowest is None else self._log.batch_start(slowest.seq)
        aim = wanted + cap // _AHEAD - self._granted
        limit = 1 + aim * count // max(1, size)
        while True:
            weighed = self._weigh(_start(oldest), end, limit)
            if self._granted + weighed.bytes >= wanted or weighed.batches < limit:
                break
            limit *= 4
        self._granted += weighed.bytes
        if weighed.batches:
            self._move(weighed.last + 1, session)

    def _move(self, seq: int, session: ClientSession) -> None:
        self._edge.announce(seq, self._fence, session)
        self._announced = seq

    def _stats(self) -> tuple[int, int]:
        """The bytes and the batches of the log."""
        with time_limit():
            stats = self._collections.database.command("collStats", self._collections.log.name)
        return int(stats["size"]), int(stats["count"])

    def _readers(self, head: int, session: ClientSession | None = None) -> list[Hold]:
        with time_limit():
            found = self._collections.cursors.find(
                {"seq": {**READERS["seq"], "$lte": head}}, {"seq": 1}, session=session
            )
            return [Hold(each["_id"], int(each["seq"]) + 1) for each in found]

    def _slowest(self, readers: list[Hold]) -> Hold | None:
        """The durable reader furthest behind. One whose next record is gone has nothing to lose, and holds nobody."""
        protected = [each for each in readers if each.seq >= self._oldest]
        return min(protected, key=lambda each: each.seq, default=None)

    def _measure(self, seq: int, cap: int, wanted: int) -> int:
        size, _ = self._stats()
        first, limit = self._log.batch_start(seq), _STEP
        while True:
            older = self._weigh(_start(self._oldest), first, limit)
            if cap - size + older.bytes >= wanted or older.batches < limit:
                return cap - size + older.bytes
            limit *= 4

    @overtaken
    def _weigh(self, start: int, end: int | None, limit: int) -> _Weight:
        """The batches from `start` up to `end`; `limit` of them at most."""
        with time_limit():
            found = self._collections.log.aggregate(
                [
                    {"$match": {"_id": {"$gte": start} if end is None else {"$gte": start, "$lt": end}}},
                    {"$sort": {"_id": 1}},
                    {"$limit": limit},
                    {
                        "$group": {
                            "_id": None,
                            "bytes": {"$sum": {"$bsonSize": "$$ROOT"}},
                            "batches": {"$sum": 1},
                            "last": {"$max": "$last"},
                        }
                    },
                ]
            )
            for total in found:
                return _Weight(total["bytes"], total["batches"], total["last"])
        return _Weight(0, 0, 0)


def _start(oldest: int) -> int:
    return 0 if oldest == 1 else oldest  # genesis goes before the first record
