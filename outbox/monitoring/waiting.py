"""How long a record of the log has been waiting for a reader."""

from __future__ import annotations

from datetime import datetime

from outbox.log.log import Log
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import DECODED
from outbox.mongo.collections import Collections


def waiting_seconds(collections: Collections, seq: int) -> float | None:
    """Returns how long ago record `seq` was made, by the database's clock; 0 when there is none.

    None for a date that Python cannot hold. Raises pymongo's errors.
    """
    record = Log(collections).record_at(seq)
    if record is None:
        return 0.0
    created: object = record.created
    if not isinstance(created, datetime):
        return None
    with time_limit():
        now = collections.database.command("hello", codec_options=DECODED)["localTime"]
    return float(max(0.0, (now - created).total_seconds()))
