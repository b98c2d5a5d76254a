"""What an outbox says of itself, for people and for checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from outbox.collections import Collections, call
from outbox.lease import holder
from outbox.log import Log


@dataclass(frozen=True, slots=True)
class CursorStatus:
    """A durable reader's saved position: the last record it has acknowledged."""

    reader: str
    seq: int
    """0 when it has acknowledged none."""
    id: ObjectId | None
    created: datetime | None
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """A moment's view; its parts are read one after the other."""

    head: int
    """The newest seq; 0 when nothing was ever appended."""
    oldest: int
    """The oldest seq the log still holds; head + 1 when it holds none."""
    staging: int
    """Messages that are committed and not yet numbered. Approximate, from the collection's metadata."""
    holder: str | None
    """Who sequences, as `host:pid:…`; None when nobody does."""
    fence: int
    """The sequencer's fence: how often the role was taken, so far."""
    capacity: int
    """The log's cap, in bytes."""
    cursors: tuple[CursorStatus, ...]


def status(collections: Collections) -> Status:
    """Raises OutboxNotCreated and pymongo's errors."""
    log = Log(collections)
    capacity = log.describe().size
    lease: dict[str, Any] | None = holder(collections.leases, "sequencer")
    with call():
        staged = collections.staging.estimated_document_count()
        cursors = tuple(
            CursorStatus(each["_id"], each["seq"], each["id"], each["created"], each.get("updated"))
            for each in collections.cursors.find(sort=[("_id", 1)])
        )
    return Status(
        head=log.head(),
        oldest=log.oldest(),
        staging=staged,
        holder=None if lease is None else lease["owner"],
        fence=0 if lease is None else lease["fence"],
        capacity=capacity,
        cursors=cursors,
    )
