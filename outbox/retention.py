"""Retention: how much may be appended before the log rolls over what a durable reader has not read yet."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future
from typing import NamedTuple

from outbox.collections import Collections, call
from outbox.log import Log

_STEP = 2000
_FRESH_SECONDS = 0.02


class Hold(NamedTuple):
    """What the sequencer waits for: the durable reader furthest behind, and the seq it would lose."""

    reader: str
    seq: int


class Retention:
    """Predicts what an append evicts, for the one process that appends. Not thread-safe.

    A capped collection evicts its oldest documents, after each insert, while the sizes of all sum up to more than the
    cap: exactly so, in bytes (measured). So a reader loses nothing as long as everything from the batch it reads next
    to the newest fits into the cap. What is left is remembered between sweeps, for readers only advance.
    """

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._log = Log(collections)
        self.left = 1.0
        """As a share of the cap, what may surely be appended before a reader holds the sequencer back."""
        self._asked: Future[list[Hold]] | None = None
        self._asked_at = -_FRESH_SECONDS
        self._spare = 0
        self._position = 0
        self._oldest = 0  # or less than it is by now, which only counts readers in that have nothing to protect

    def ask(self, threads: Executor, head: int) -> None:
        """Begins to look where the readers are, beside what else is to be done; the next `spare` knows then."""
        self._asked, self._asked_at = threads.submit(self._readers, head), time.monotonic()

    def keep_fresh(self, threads: Executor, head: int) -> None:
        """As `ask`, if the last answer will soon be too old."""
        if time.monotonic() - self._asked_at > _FRESH_SECONDS / 2:
            self.ask(threads, head)

    def spare(self, wanted: int, cap: int, head: int) -> tuple[int, Hold | None]:
        """How many bytes may be appended to a log that ends at `head`, and for whose sake no more.

        Exact when it is less than `wanted`; else at least that much. Raises pymongo's errors.
        """
        if self._asked is not None and time.monotonic() - self._asked_at < _FRESH_SECONDS:
            spare, slowest = self._room(self._asked.result(), wanted, cap, head)
            if spare >= wanted:
                return spare, slowest
        self._asked = None
        return self._room(self._readers(head), wanted, cap, head)

    def _room(self, readers: list[Hold], wanted: int, cap: int, head: int) -> tuple[int, Hold | None]:
        slowest = self._slowest(readers)
        if slowest is not None and (slowest.seq < self._position or wanted > self._spare):
            self._oldest = self._log.oldest()
            slowest = self._slowest(readers)
            if slowest is not None:
                self._spare = cap if slowest.seq > head else self._measure(slowest.seq, cap, wanted)
        if slowest is None:
            self.left = 1.0
            return wanted, None
        self._position, self.left = slowest.seq, self._spare / cap
        return self._spare, slowest

    def spend(self, size: int) -> None:
        """Notes that `size` bytes were appended."""
        self._spare -= size

    def _readers(self, head: int) -> list[Hold]:
        with call():
            found = self._collections.cursors.find({"seq": {"$lte": head}}, {"seq": 1})
            return [Hold(each["_id"], each["seq"] + 1) for each in found]

    def _slowest(self, readers: list[Hold]) -> Hold | None:
        """The durable reader furthest behind. One whose next record is gone has nothing to lose, and holds nobody."""
        protected = [each for each in readers if each.seq >= self._oldest]
        return min(protected, key=lambda each: each.seq, default=None)

    def _measure(self, seq: int, cap: int, wanted: int) -> int:
        with call():
            size = self._collections.database.command("collStats", self._collections.log.name)["size"]
        first, limit = self._log.first_of(seq), _STEP
        start = 0 if self._oldest == 1 else self._oldest  # genesis goes before the first record
        while True:
            older, documents = self._weigh(start, first, limit)
            if cap - size + older >= wanted or documents < limit:
                return int(cap - size + older)
            limit *= 4

    def _weigh(self, start: int, first: int, limit: int) -> tuple[int, int]:
        """The bytes of the batches from `start` up to `first`, and how many these are; of `limit` batches at most."""
        with call():
            found = self._collections.log.aggregate(
                [
                    {"$match": {"_id": {"$gte": start, "$lt": first}}},
                    {"$sort": {"_id": 1}},
                    {"$limit": limit},
                    {"$group": {"_id": None, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}, "count": {"$sum": 1}}},
                ]
            )
            for total in found:
                return total["bytes"], total["count"]
        return 0, 0
