"""How many bytes a part of the log takes: exactly, or estimated from samples where it may be of any size."""

from __future__ import annotations

from typing import NamedTuple

from bson import Int64

from outbox.log.retry_overtaken import retry_overtaken
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections

_FEW = 64  # that many batches are weighed one by one: 64 MiB at most are read, whatever the log holds
_SAMPLES = 64
_SIZE: Document = {"$bsonSize": "$$ROOT"}


class Weight(NamedTuple):
    """The weight of some batches, and how many they are."""

    bytes: int
    batches: int
    last: int
    """The last seq in them."""


class LogWeight:
    """Weighs parts of one log. Thread-safe. Raises pymongo's errors.

    A part is `start` up to `end`, first seqs of batches; see `start_of` for the oldest one.
    """

    def __init__(self, collections: Collections) -> None:
        self._database = collections.database
        self._batches = collections.log

    def whole(self) -> tuple[int, int]:
        """The bytes and the number of all batches."""
        with time_limit():
            stats = self._database.command("collStats", self._batches.name)
        return int(stats["size"]), int(stats["count"])

    @retry_overtaken
    def exact(self, start: int, end: int | None, limit: int) -> Weight:
        """Weighs the first `limit` batches of a part; `end` None: up to the newest."""
        with time_limit():
            found = self._batches.aggregate(
                [
                    {"$match": {"_id": {"$gte": start} if end is None else {"$gte": start, "$lt": end}}},
                    {"$sort": {"_id": 1}},
                    {"$limit": limit},
                    {
                        "$group": {
                            "_id": None,
                            "bytes": {"$sum": _SIZE},
                            "batches": {"$sum": 1},
                            "last": {"$max": "$last"},
                        }
                    },
                ]
            )
            for total in found:
                return Weight(total["bytes"], total["batches"], total["last"])
        return Weight(0, 0, 0)

    def at_least(self, start: int, end: int | None, wanted: int, limit: int) -> Weight:
        """Weighs the first batches of a part that have `wanted` bytes together, or all of it; `limit` batches at first,
        and twice as many each time that is too little."""
        while True:
            weighed = self.exact(start, end, limit)
            if weighed.bytes >= wanted or weighed.batches < limit:
                return weighed
            limit *= 2

    @retry_overtaken
    def estimated(self, start: int, end: int) -> int:
        """The bytes of a part, with a bounded number of reads: exact up to 64 batches, else estimated."""
        few: Document = {"_id": {"$gte": start, "$lt": end}}
        with time_limit():
            if self._batches.count_documents(few, limit=_FEW + 1) <= _FEW:
                total: Document = {"$group": {"_id": None, "bytes": {"$sum": _SIZE}}}
                return sum(each["bytes"] for each in self._batches.aggregate([{"$match": few}, total]))
            return self._sampled(max(start, 1), end)

    @retry_overtaken
    def _sampled(self, start: int, end: int) -> int:
        """Estimates it from 64 evenly spaced samples, by one command: a read for each took longer than all else that a
        scrape of the metrics does."""
        width = (end - start) / _SAMPLES
        seqs = [Int64(start + int((index + 0.5) * width)) for index in range(_SAMPLES)]
        share: Document = {"$divide": [_SIZE, {"$add": [{"$subtract": ["$last", "$_id"]}, 1]}]}
        of_seq: list[Document] = [
            {"$match": {"_id": {"$gt": 0}, "$expr": {"$lte": ["$_id", "$$seq"]}}},
            {"$sort": {"_id": -1}},
            {"$limit": 1},
            {"$project": {"_id": 0, "share": share}},
        ]
        sampled: list[Document] = [
            {"$sort": {"_id": -1}},
            {"$limit": 1},  # one document that the samples are joined to
            {"$project": {"_id": 0, "seq": {"$literal": seqs}}},
            {"$unwind": "$seq"},
            {"$lookup": {"from": self._batches.name, "let": {"seq": "$seq"}, "pipeline": of_seq, "as": "batch"}},
            {"$unwind": "$batch"},  # without those that were rolled over meanwhile
            {"$group": {"_id": None, "shares": {"$sum": "$batch.share"}}},
        ]
        return int(sum(found["shares"] * width for found in self._batches.aggregate(sampled)))


def start_of(oldest: int) -> int:
    """Where the part begins that has the record `oldest` first: the genesis document goes before the first record."""
    return 0 if oldest == 1 else oldest
