"""The records that states are made of, read once more from the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from outbox.log.record import Record
from outbox.projections.config import ProjectionConfig


def wanted_records(config: ProjectionConfig, first: int, last: int) -> Iterator[Record[Any]]:
    """Gives those from seq `first` to seq `last`, which the log has, that the projection wants. Raises HistoryLost when
    the log no longer has the first, and pymongo's errors."""
    wanted = config.wanted
    with closing(config.outbox.reader(first)) as reader:
        while first <= last:
            for batch in reader.read_batches():
                for record in batch.records():
                    if record.seq > last:
                        return
                    first = record.seq + 1
                    decoded = record.decoded_by(config.decode)
                    if wanted is None or wanted(decoded):
                        yield decoded
