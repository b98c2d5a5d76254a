"""What the doctor looks for in how durable readers are worked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from outbox.doctor.finding import Finding
from outbox.log.reader_id import described, reader_of
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.lease import SECONDS, seconds_of
from outbox.monitoring.status import CursorStatus
from outbox.monitoring.units import format_duration
from outbox.monitoring.waiting import waiting_seconds
from outbox.shares.stopped import described as described_stop

LATE_SECONDS = 5.0
"""How long a record may wait for a reader that works, before it is told: one that is well has it within a second."""


def at_work(collections: Collections, cursors: Iterable[CursorStatus]) -> Iterator[Finding]:
    """Whether somebody works for each durable reader, and gets on: paused ones are told of elsewhere. Raises pymongo's
    errors."""
    leases, told = _leases(collections), set[str]()
    for cursor in cursors:
        reader = reader_of(cursor.reader)
        stopped = described_stop(leases.get(reader))
        if stopped is not None and reader not in told:
            told.add(reader)
            yield _stopped(reader, stopped)
        elif stopped is None and not cursor.paused:
            yield from _of_holder(collections, cursor, leases.get(cursor.reader, {}))


def _leases(collections: Collections) -> dict[str, Document]:
    age: Document = {"$set": {"silent_ms": {"$subtract": ["$$NOW", "$renewed"]}}}
    with time_limit():
        return {str(each["_id"]): each for each in collections.leases.aggregate([age])}


def _stopped(reader: str, stopped: Document) -> Finding:
    return Finding(
        "at work", f"{described(reader)} has stopped at {stopped['at']}: {stopped['why']}",
        "it delivers nothing until it is started again, and the log is kept for it",
        "mend that, and start it again; for a message that can never be delivered, with --on-poison park-key "
        "(docs/poison.md)", serious=True,
    )  # fmt: skip


def _of_holder(collections: Collections, cursor: CursorStatus, lease: Document) -> Iterator[Finding]:
    who, waits = described(cursor.reader), f"{cursor.lag:,} record(s) wait"
    silent = (lease.get("silent_ms") or 0) / 1000
    if lease.get("owner") is None:
        if cursor.lag:
            yield Finding(
                "at work", f"nobody works for {who}, and {waits}", "they do not arrive until somebody does",
                "start it" if not cursor.reader.startswith("relay:") else "start it: `relay run …`",
                serious=cursor.reader.startswith("relay:"),  # others may be run now and then
            )  # fmt: skip
    elif silent > 2 * seconds_of(lease, SECONDS):
        yield Finding(
            "at work", f"{lease['owner']}, which works for {who}, has given no sign of life for "
            f"{format_duration(silent)}; {waits}", "nothing is delivered until another takes over",
            "look whether that process is frozen, cut off or killed, end it, and start it again; a second one that "
            "stands by would take over by itself", serious=True,
        )  # fmt: skip
    elif cursor.lag and (late := waiting_seconds(collections, cursor.seq + 1) or 0.0) > LATE_SECONDS:
        yield Finding(
            "at work", f"the next record of {who} has waited for {format_duration(late)}; {waits}",
            "where it delivers to is away, acknowledges nothing, or is slow; or it is catching up",
            "its log output says which; `relay doctor` asks Kafka; docs/shares.md divides the work",
        )  # fmt: skip
