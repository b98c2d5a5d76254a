"""Why a durable reader has stopped, kept in its lease for its status: its process may be at work for other outboxes."""

from __future__ import annotations

import logging
from typing import Any

from pymongo.errors import PyMongoError

from outbox import dates
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import short_message

logger = logging.getLogger("outbox")


@outside_bound_session
def note(collections: Collections, reader: str, error: Exception) -> None:
    """Notes why the reader with this id has stopped. Never raises for a server that is away: the log has it, too."""
    stopped: Document = {"why": {"$literal": short_message(error)}, "at": "$$NOW"}
    _update(collections, {"_id": reader}, [{"$set": {"stopped": stopped}}])


@outside_bound_session
def clear(collections: Collections, reader: str) -> None:
    """Forgets it, as the reader starts again. Never raises, either."""
    _update(collections, {"_id": reader, "stopped": {"$exists": True}}, {"$unset": {"stopped": 1}})


def _update(collections: Collections, lease: Document, change: Any) -> None:
    about = {"outbox": collections.log.full_name, "reader": lease["_id"]}
    try:
        with time_limit():
            collections.leases.update_one(lease, change)
    except PyMongoError as error:
        said = "why %r stopped could not be kept for its status: %s"
        logger.info(said, lease["_id"], short_message(error), extra=about)


def described(lease: Document | None) -> dict[str, Any] | None:
    """What a lease that nobody holds says of it; None when it says nothing."""
    if lease is None or lease["owner"] is not None or "stopped" not in lease:
        return None
    return {"why": lease["stopped"]["why"], "at": dates.text(lease["stopped"]["at"])}
