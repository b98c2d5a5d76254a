"""Counts what a replay would send, by type and topic."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from outbox.clock import SystemClock
from outbox.delivery.read_ahead import ReadAhead
from outbox.errors import UndecodableRecord
from outbox.log.record import Record
from outbox.messages.json_value import Unencodable
from outbox.mongo.server_errors import patient
from relay.config import RelayConfig
from relay.replay.asked import Asked
from relay.replay.range_reader import RangeReader


@dataclass(frozen=True)
class Counted:
    """Holds the range in seqs, and by type and topic how many records of it would be sent."""

    first: int
    last: int
    records: dict[tuple[str, str], int]


@patient
def count(config: RelayConfig, asked: Asked) -> Counted:
    """Counts what is asked for, without sending or storing anything. Raises as Asked.resolve, and as reading does."""
    outbox, wanted = config.outbox, asked.wanted
    first, last = asked.resolve(outbox.log)
    counts: Counter[tuple[str, str]] = Counter()
    if first <= last:
        reader = ReadAhead(asked.reader(outbox, first, last))
        with closing(reader):
            source = RangeReader(reader, last, SystemClock())
            seq = first - 1
            while seq < last:
                batches = source.read_batches()
                for record in (record for batch in batches for record in batch.records()):
                    seq = record.seq
                    if wanted is None or wanted(record):
                        counts[record.type, _topic(config, record)] += 1
                if not batches:
                    source.wait(0.1)
    return Counted(first, last, dict(sorted(counts.items())))


def _topic(config: RelayConfig, record: Record[Any]) -> str:
    try:
        return config.topic(record.type, record.key, record.headers)
    except (Unencodable, UndecodableRecord) as error:
        return f"none: {error}"
