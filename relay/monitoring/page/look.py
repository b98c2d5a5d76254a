"""Looks at an outbox for the page: what its database says at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outbox import dates, reader_status
from outbox.counting.tally import Distribution, ReaderTally
from outbox.log.reader_id import reader_of
from outbox.metrics.collector import summed
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections
from outbox.monitoring.status import Status, status
from outbox.monitoring.waiting import waiting_seconds
from outbox.reader_status import ReaderStatus
from outbox.shares.stopped import described as described_stop
from relay.monitoring.page.history import Sample


@dataclass(frozen=True)
class Look:
    """What was seen of an outbox."""

    at: float
    """When, in seconds since the epoch, by this process's clock."""
    status: Status
    positions: Mapping[str, int]
    """What each durable reader has acknowledged, its slowest share's; of those that have a sound cursor."""
    headroom: Mapping[str, float]
    """How much of the capacity may be appended before the sequencer waits for the reader, from 0 to 1; 0 as well when
    what it would read next is gone."""
    headroom_seconds: Mapping[str, float]
    """When that is at the present rate; missing without a rate."""
    readers: Sequence[ReaderStatus] = ()
    waiting: Mapping[str, float] = field(default_factory=dict)
    """For how many seconds the reader's next record has waited; of those that have one."""
    leases: Sequence[dict[str, Any]] = ()

    def sample(self, tallies: Sequence[ReaderTally]) -> Sample:
        """Makes the numbers that are kept of it. tallies: of the relays of this process."""
        now = self.status
        counters = {"put": float(now.head + now.staging), "sequenced": float(now.head)}
        gauges = {
            "staging_seconds": now.staging_seconds or 0.0,
            "staging": float(now.staging),
            "dead": float(now.dead),
            "parked": float(now.parked),
        }
        for reader, position in self.positions.items():
            counters[f"delivered:{reader}"] = float(position)
            gauges[f"lag:{reader}"] = float(max(0, now.head - position))
            gauges[f"headroom:{reader}"] = self.headroom[reader]
        latency = summed(tally.delivery_seconds.all() for tally in tallies) if tallies else Distribution((), 0.0)
        return Sample(self.at, counters, gauges, latency)


def look(collections: Collections, at: float, *, whole: bool) -> Look:
    """Looks at an outbox. whole: also at each reader, share and lease; else some small reads.

    Raises OutboxNotCreated and pymongo's errors.
    """
    now = status(collections)
    positions: dict[str, int] = {}
    headroom: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for cursor in now.cursors:
        reader = reader_of(str(cursor.reader))
        positions[reader] = min(cursor.seq, positions.get(reader, cursor.seq))
        left = 1.0 if cursor.seq >= now.head else 0.0
        if cursor.headroom is not None:
            left = min(1.0, cursor.headroom.bytes / now.capacity)
            if cursor.headroom.seconds is not None:
                seconds[reader] = min(cursor.headroom.seconds, seconds.get(reader, cursor.headroom.seconds))
        headroom[reader] = min(left, headroom.get(reader, 1.0))
    if not whole:
        return Look(at, now, positions, headroom, seconds)
    readers = reader_status.readers(collections)
    behind = {reader: seq for reader, seq in positions.items() if seq < now.head}
    waits = {seq: waiting_seconds(collections, seq + 1) for seq in set(behind.values())}
    waiting = {reader: value for reader, seq in behind.items() if (value := waits[seq]) is not None}
    return Look(at, now, positions, headroom, seconds, readers, waiting, _leases(collections))


def _leases(collections: Collections) -> list[dict[str, Any]]:
    with time_limit():
        found = list(collections.leases.find(sort=[("_id", 1)]))
    return [
        {
            "role": str(each["_id"]),
            "holder": each.get("owner"),
            "fence": each.get("fence"),
            "seconds": each.get("seconds"),
            "renewed": dates.text(at) if isinstance(at := each.get("renewed"), datetime) else None,
            "stopped": described_stop({"owner": None, **each}),
        }
        for each in found
    ]
