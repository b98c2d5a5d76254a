"""What an outbox says of itself, for people and for checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from bson import ObjectId

from outbox.log.edge import ROLE as SEQUENCER
from outbox.log.log import Log
from outbox.log.reader_id import paused_readers, reader_of
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import READERS, Collections
from outbox.mongo.lease import seconds_of
from outbox.monitoring.headroom import Headroom, HeadroomGauge

UNSEQUENCED_SECONDS = 5.0
"""A sequencer that lives has given a sign in between, and after one that was killed another has taken over."""


@dataclass(frozen=True, slots=True)
class CursorStatus:
    """A durable reader's saved position: the last record it has acknowledged."""

    reader: str
    seq: int
    """0 when it has acknowledged none."""
    id: ObjectId | None
    created: datetime | None
    updated: datetime | None
    lag: int
    """Records in the log that it has not acknowledged."""
    headroom: Headroom | None
    """What may be appended before the sequencer waits for it; None when it never will: the log does not hold what this
    reader would read next, nor is that the next to come."""
    paused: bool = False
    """Whether somebody has paused the reader: it stands still then, and holds the log all the same."""


@dataclass(frozen=True, slots=True)
class Held:
    """Whom the sequencer waits for, or had to a few seconds ago."""

    reader: str
    seq: int
    """What the reader would read next, and would be rolled over; at most 3 s old."""
    seconds: float
    """For how long, by the server's clock; several short waits for the same reader are one."""
    paused: bool = False
    """Whether somebody has paused the reader."""


@dataclass(frozen=True, slots=True)
class Status:
    """A moment's view; its parts are read one after the other."""

    head: int
    """The newest seq; 0 when nothing was ever appended."""
    oldest: int
    """The oldest seq that the log keeps for a reader set just before it now; head + 1 when it holds none. At a log that
    is full and written to, the next append may roll over a few before it, which are still there."""
    staging: int
    """Messages that are committed and not yet numbered. Approximate, from the collection's metadata, as its bytes."""
    staging_bytes: int
    staging_seconds: float | None
    """How long the oldest of them has waited, by the server's clock; None when there is none."""
    holder: str | None
    """Who sequences, as `host:pid:…`; None when nobody does."""
    fence: int
    """The sequencer's fence: how often the role was taken, so far."""
    unsequenced: bool
    """Whether messages have waited in staging for 5 s, and nobody has given a sign of numbering them for as long, nor
    for as long as the sequencer's lease lasts."""
    held: Held | None
    """None when the sequencer waits for nobody, or nobody sequences."""
    capacity: int
    """The log's cap, in bytes."""
    size: int
    """What the log's batches take of it."""
    dead: int
    """Messages in `NAME.dead` that were put aside, by all readers and by the sequencer."""
    parked: int
    """Messages there that wait behind a dead one of their key."""
    cursors: tuple[CursorStatus, ...]


class Survey(NamedTuple):
    """A status, with what was read for it."""

    status: Status
    leases: Mapping[str, Document]
    """By their role."""
    letters: Mapping[str, Mapping[str, int]]
    """How many dead letters there are, by their reader and their state."""


def status(collections: Collections) -> Status:
    """Raises OutboxNotCreated and pymongo's errors. Some small reads, however large the log is."""
    return survey(collections).status


def survey(collections: Collections) -> Survey:
    """As `status`."""
    log = Log(collections)
    capacity = log.describe().size
    # Its edge is read before the log's oldest: what an append has rolled over is gone before its edge is taken back.
    leases = _leases(collections, SEQUENCER, {})
    lease = leases.get(SEQUENCER, {})
    staged, staged_bytes, staged_seconds = _staging(collections)
    letters = _letters(collections)
    with time_limit():
        found = list(collections.cursors.find(READERS, sort=[("_id", 1)]))
    paused = paused_readers(collections.cursors)
    gauge = HeadroomGauge(collections, capacity)
    headrooms = gauge.headrooms({each["_id"]: int(each["seq"]) for each in found})
    now = Status(
        head=gauge.head,
        oldest=max(gauge.oldest, int(lease.get("edge", 0))),
        staging=staged,
        staging_bytes=staged_bytes,
        staging_seconds=staged_seconds,
        holder=lease.get("owner"),
        fence=lease.get("fence", 0),
        unsequenced=_unsequenced(lease, staged_seconds),
        held=_held(lease, paused),
        capacity=capacity,
        size=gauge.size,
        dead=sum(states.get("dead", 0) for states in letters.values()),
        parked=sum(states.get("parked", 0) for states in letters.values()),
        cursors=tuple(_cursor(each, gauge.head, headrooms[each["_id"]], paused) for each in found),
    )
    return Survey(now, leases, letters)


def _cursor(found: Document, head: int, headroom: Headroom | None, paused: frozenset[str]) -> CursorStatus:
    seq = int(found["seq"])
    return CursorStatus(
        found["_id"],
        seq,
        found.get("id"),
        found.get("created"),
        found.get("updated"),
        max(0, head - seq),
        headroom,
        reader_of(str(found["_id"])) in paused,
    )


def lease_with_ages(collections: Collections, role: str) -> Document:
    """Reads the lease of a role, with how long its holder has held others back (`held_ms`) and has given no sign of
    life (`silent_ms`), by the server's clock; empty when the role was never taken."""
    return _leases(collections, role, {"_id": role}).get(role, {})


def _leases(collections: Collections, role: str, which: Document) -> dict[str, Document]:
    """Reads some leases, by their role; that of `role` with its ages."""
    since = {"held_ms": "$holding.since", "silent_ms": "$renewed"}
    of_role: Document = {"$eq": ["$_id", role]}
    ages = {name: {"$cond": [of_role, {"$subtract": ["$$NOW", at]}, None]} for name, at in since.items()}
    with time_limit():
        return {str(each["_id"]): each for each in collections.leases.aggregate([{"$match": which}, {"$set": ages}])}


def is_unsequenced(collections: Collections) -> bool:
    """See Status.unsequenced. Two small reads."""
    return _unsequenced(lease_with_ages(collections, SEQUENCER), _staging(collections)[2])


def _unsequenced(lease: Document, staged_seconds: float | None) -> bool:
    if staged_seconds is None or staged_seconds < UNSEQUENCED_SECONDS:
        return False
    patience = max(UNSEQUENCED_SECONDS, seconds_of(lease, 0.0))
    return lease.get("owner") is None or (lease.get("silent_ms") or 0) > 1000 * patience


def _held(lease: Document, paused: frozenset[str]) -> Held | None:
    holding: dict[str, Any] | None = lease.get("holding")
    if holding is None or lease["owner"] is None:
        return None
    seconds = max(0.0, lease["held_ms"] / 1000)
    return Held(holding["reader"], holding["seq"], seconds, reader_of(holding["reader"]) in paused)


def _staging(collections: Collections) -> tuple[int, int, float | None]:
    """How many messages wait there, their bytes, and the oldest one's age in seconds."""
    with time_limit():
        stats = collections.database.command("collStats", collections.staging.name)
        # What is no stamp went past the validator.
        stamp = {"$cond": [{"$eq": [{"$type": "$at"}, "timestamp"]}, "$at", None]}
        shown = {
            "_id": 0,
            "at": stamp,
            "now_ms": {"$toLong": "$$NOW"},
        }  # subtracted here: 5.0 makes no date of a timestamp
        oldest = list(collections.staging.aggregate([{"$sort": {"at": 1}}, {"$limit": 1}, {"$project": shown}]))
    ages = [0.0 if each["at"] is None else each["now_ms"] / 1000 - each["at"].time for each in oldest]
    return stats["count"], stats["size"], max(0.0, ages[0]) if ages else None


def _letters(collections: Collections) -> dict[str, dict[str, int]]:
    group: Document = {"_id": {"reader": "$reader", "state": "$state"}, "count": {"$sum": 1}}
    found: dict[str, dict[str, int]] = {}
    with time_limit():
        for each in collections.dead.aggregate([{"$group": group}]):
            reader, state = (str(each["_id"].get(name)) for name in ("reader", "state"))
            found.setdefault(reader, {})[state] = found.get(reader, {}).get(state, 0) + each["count"]
    return found
