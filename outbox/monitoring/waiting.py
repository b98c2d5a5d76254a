"""How long a record of the log has been waiting for a reader."""

from __future__ import annotations

from bson import Int64

from outbox.log.retry_overtaken import retry_overtaken
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections


@retry_overtaken
def waiting_seconds(collections: Collections, seq: int) -> float | None:
    """Returns how long ago record `seq` was made, by the database's clock; 0 when there is none.

    None for what has no date. The server sends the number alone. Raises pymongo's errors.
    """
    at: Document = {"$arrayElemAt": ["$records.created", {"$toInt": {"$subtract": [Int64(seq), "$_id"]}}]}
    batch: list[Document] = [
        {"$match": {"_id": {"$gt": 0, "$lte": Int64(seq)}}},
        {"$sort": {"_id": -1}},
        {"$limit": 1},
        {"$project": {"_id": 0, "last": 1, "waited": {"$subtract": ["$$NOW", at]}}},
    ]
    with time_limit():
        found = list(collections.log.aggregate(batch))
    if not found or found[0]["last"] < seq:
        return 0.0
    waited = found[0].get("waited")
    return None if waited is None else max(0.0, waited / 1000)
