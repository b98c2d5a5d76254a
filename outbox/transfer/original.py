"""A record with the BSON that it is stored as, so that nothing of it is lost on the way to another outbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bson

from outbox.consumers.decoding import Delivery
from outbox.errors import LogCorrupt, OutboxError
from outbox.log.batch import Batch, Head
from outbox.log.position import Mark
from outbox.log.record import Record
from outbox.log.undecoded import Undecoded, is_partial
from outbox.mongo.codec import DECODED, decoded
from outbox.shares.share import Share


class Original(Record[Any]):
    """A record, and `document`: its type, key, headers and data as BSON."""

    __slots__ = ("document",)

    def __init__(self, head: Head, document: bytes) -> None:
        seq, id, created = head
        fields = decoded(document)
        super().__init__(seq, id, created, Undecoded(fields, seq, id) if is_partial(fields) else fields)
        self.document = document

    @property
    def head(self) -> Head:
        """Returns its seq, id and date."""
        return self.seq, self.id_bytes, self.created_ms


class Originals:
    """Is outbox.delivery.ports.Encoder for a mirror."""

    def encode_plain(self, batch: Batch, share: Share) -> list[tuple[list[Delivery], list[Mark]]] | None:
        """See Encoder."""
        try:
            heads, documents = batch.documents()
        except LogCorrupt:  # which the caller then meets
            return None
        records = [Original(head, document) for head, document in zip(heads, documents, strict=True)]
        return [([(record.seq, record) for record in records], [(seq, created, id) for seq, id, created in heads])]

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Delivery], list[Mark], OutboxError | None]:
        """See Encoder: those that wait behind dead letters, or that were letters."""
        originals = [
            Original((each.seq, each.id_bytes, each.created_ms), bson.encode(each.stored, codec_options=DECODED))
            for each in records
        ]
        marks = [(each.seq, each.created_ms, each.id_bytes) for each in records]
        return [(each.seq, each) for each in originals], marks, None
