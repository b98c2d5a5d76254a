"""Decodes the log's records for a program's handler, and leaves out those that it does not want."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from outbox.delivery.ports import Wanted
from outbox.errors import OutboxError
from outbox.log.batch import PORTION, Batch
from outbox.log.position import Mark
from outbox.log.record import Decode, Record
from outbox.shares.share import Share

Delivery = tuple[int, Record[Any]]
"""What a handler's target takes: a record, after its seq."""


class RecordDecoder:
    """Is outbox.delivery.ports.Encoder for handlers in this process. Not thread-safe."""

    def __init__(self, decode: Decode, wanted: Wanted | None, portion: int = PORTION) -> None:
        """portion: how many records are decoded at a time."""
        self._decode = decode
        self._wanted = wanted
        self._portion = portion

    def encode_plain(self, batch: Batch, share: Share) -> Iterator[tuple[list[Delivery], list[Mark]]]:
        """See Encoder."""
        return (self._encoded(records, share) for records in batch.portions(self._decode, self._portion))

    def _encoded(self, records: Sequence[Record[Any]], share: Share) -> tuple[list[Delivery], list[Mark]]:
        last = records[-1]
        if not share.is_all:
            records = share.chosen(records)
        if self._wanted is not None:
            records = list(filter(self._wanted, records))
        marks = [(record.seq, record.created_ms, record.id_bytes) for record in records]
        if not records or records[-1] is not last:
            marks.append((last.seq, last.created_ms, last.id_bytes))
        return [(record.seq, record) for record in records], marks

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Delivery], list[Mark], OutboxError | None]:
        """See Encoder. What cannot be decoded is the handler's to meet, when it looks at that."""
        decoded = [(record.seq, record.decoded_by(self._decode)) for record in records]
        return decoded, [(record.seq, record.created_ms, record.id_bytes) for record in records], None
