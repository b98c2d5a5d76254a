"""Burial: a message that the log will never take goes to the dead letters: one bad put must not stall everybody's."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from bson.raw_bson import RawBSONDocument

from outbox import batch
from outbox.collections import Collections, call

logger = logging.getLogger("outbox")


def bury(collections: Collections, message: dict[str, Any], code: int, reason: str) -> None:
    """Moves a staged message, as `staging.fields` or `staging.salvage` shows it, to NAME.dead. Raises pymongo's errors.

    Again with the same, after an error: no harm.
    """
    dead, id, now = collections.dead, message["_id"], datetime.now(UTC)
    logger.error("the log refuses message %s for good (%d: %s); it goes to %s", id, code, reason, dead.full_name)
    data: RawBSONDocument | None = message["data"]
    if isinstance(data, RawBSONDocument) and len(data.raw) > batch.LARGEST_MESSAGE:
        message = {**message, "data": None}
        reason = f"{reason}; {len(data.raw)} bytes of data were too many to keep"
    letter = {
        "reader": "sequencer",
        "seq": None,
        **{name: value for name, value in message.items() if name != "_id"},
        "error": {"code": code, "reason": reason},
        "attempts": 1,
        "first": now,
        "last": now,
        "state": "dead",
    }
    with call():
        dead.replace_one({"_id": id}, letter, upsert=True)
    with call():
        collections.staging.delete_one({"_id": id})
