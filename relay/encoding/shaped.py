"""Shapes records as a format says: what the encoder has made gets its topic, key, headers and envelope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import bson

from outbox.delivery.ports import Headers, Outgoing
from outbox.errors import OutboxError, UndecodableRecord
from outbox.log.batch import Batch
from outbox.log.position import Mark
from outbox.log.record import Record
from outbox.messages.json_value import Unencodable
from outbox.mongo.codec import DECODED
from outbox.shares.share import Share
from relay.encoding import cloud_events
from relay.encoding.encoder import Encoder, unencodable
from relay.encoding.record_format import RecordFormat
from relay.encoding.registered import RegisteredValues
from relay.errors import RelayError
from relay.origin import Origin

_OWN = 5
"""So many headers are the relay's: id, seq, log, created, type."""

TopicOf = Callable[[str, "str | None", dict[str, str]], str]
"""Names the topic of a message by its type, key and own headers. Raises RelayError and Unencodable."""


class ShapedEncoder:
    """Is Encoder: gives what `encoder` makes the shape that `format` says. Not thread-safe.

    topic: for messages whose topic their type does not tell; None: there are none. source: `/DATABASE/OUTBOX`.
    """

    def __init__(self, encoder: Encoder, format: RecordFormat, topic: TopicOf | None, source: str) -> None:
        self._encoder = encoder
        self._format = format
        self._topic = topic
        self._source = source
        self._partition = format.partition
        self._needs_origin = format.needs_origin
        self._registered = None if format.registry is None else RegisteredValues(format.registry)

    def encode_plain(self, batch: Batch, share: Share) -> list[tuple[list[Outgoing], list[Mark]]] | None:
        """See Encoder. None where a record has to be decoded for its key, or may not be sendable."""
        if self._format.key.is_of_data or (self._partition is not None and self._partition.is_of_data):
            return None
        portions = self._encoder.encode_plain(batch, share)
        try:
            return None if portions is None else [(self._plainly(*portion), portion[1]) for portion in portions]
        except (Unencodable, RelayError):  # `encode` says which record it is
            return None

    def _plainly(self, outgoing: Sequence[Outgoing], marks: Sequence[Mark]) -> list[Outgoing]:
        # There may be a mark more: the batch's last.
        return [self._shaped(each, mark[1], None) for each, mark in zip(outgoing, marks, strict=False)]

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Outgoing], list[Mark], OutboxError | None]:
        """See Encoder."""
        outgoing, marks, error = self._encoder.encode(records)
        shaped: list[Outgoing] = []
        for record, each in zip(records, outgoing, strict=False):
            try:
                shaped.append(self._shaped(each, record.created_ms, record))
            except (Unencodable, UndecodableRecord) as fault:
                return shaped, marks[: len(shaped)], unencodable(record, str(fault))
            except OutboxError as fault:
                return shaped, marks[: len(shaped)], fault
        return shaped, marks, error

    def _shaped(self, outgoing: Outgoing, created: int, record: Record[Any] | None) -> Outgoing:
        """Shapes what the encoder made. record: the same, where it is decoded."""
        seq, topic, key, value, headers = outgoing
        type = headers[4][1]
        if self._topic is not None:
            topic = self._topic(type, key, dict(headers[_OWN:]))
        new_key = self._format.key.of(outgoing, record)
        partition_key = None if self._partition is None else self._partition.of(outgoing, record)
        envelope: Headers = []
        encoding = self._format.of(type)
        if self._registered is not None and encoding == "json-schema":
            value = self._registered.json(type, topic, value)
        elif self._registered is not None and encoding == "avro":
            value = self._avro(self._registered, type, topic, value, record)
        elif encoding.startswith("cloudevents"):
            attributes = cloud_events.attributes(self._source, headers, key, partition_key or new_key)
            if encoding == "cloudevents":
                envelope = cloud_events.binary(attributes)
            else:
                envelope, value = cloud_events.structured(attributes, value)
        (_, id), _, _, (_, created_text), _ = headers[:_OWN]
        new_headers = [*self._format.headers.of(headers), *envelope]
        shaped = seq, topic, new_key, value, new_headers
        if not self._needs_origin:
            return shaped
        is_dated = self._format.timestamp == "created" and created > 0  # Kafka's dates begin in 1970
        return cast(Outgoing, (*shaped, Origin(id, created_text, created if is_dated else 0, partition_key)))

    def _avro(
        self, registered: RegisteredValues, type: str, topic: str, value: bytes | None, record: Record[Any] | None
    ) -> bytes | None:
        """Makes Avro of a record's data, which the compiled encoder gives as BSON; leaves a tombstone as it is."""
        data = _decoded(value) if record is None else record.data
        return value if data is None else registered.avro(type, topic, data)


def _decoded(value: bytes | None) -> dict[str, Any] | None:
    return bson.decode(value, DECODED) if value else None
