"""Shapes records as a format says: what the encoder has made gets its topic, key, headers and envelope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from outbox.delivery.ports import Headers, Outgoing
from outbox.errors import OutboxError
from outbox.log.batch import Batch
from outbox.log.position import Mark
from outbox.log.record import Record
from outbox.messages.json_value import Unencodable
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
        self._registered = None if format.registry is None else RegisteredValues(format.registry)

    def encode_plain(self, batch: Batch, share: Share) -> list[tuple[list[Outgoing], list[Mark]]] | None:
        """See Encoder. None where a record has to be decoded for its key, or may not be sendable."""
        if self._format.key.words not in ("key", "none", "type"):
            return None
        portions = self._encoder.encode_plain(batch, share)
        try:
            return None if portions is None else [(self._plainly(*portion), portion[1]) for portion in portions]
        except (Unencodable, RelayError):  # `encode` says which record it is
            return None

    def _plainly(self, outgoing: Sequence[Outgoing], marks: Sequence[Mark]) -> list[Outgoing]:
        words = self._format.key.words
        return [
            self._shaped(each, mark[1], {"key": each[2], "none": None, "type": each[4][4][1]}[words])
            for each, mark in zip(outgoing, marks, strict=False)  # there may be a mark more: the batch's last
        ]

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Outgoing], list[Mark], OutboxError | None]:
        """See Encoder."""
        outgoing, marks, error = self._encoder.encode(records)
        shaped: list[Outgoing] = []
        for record, each in zip(records, outgoing, strict=False):
            try:
                shaped.append(self._shaped(each, record.created_ms, self._format.key.of(record), record))
            except Unencodable as fault:
                return shaped, marks[: len(shaped)], unencodable(record, str(fault))
            except OutboxError as fault:
                return shaped, marks[: len(shaped)], fault
        return shaped, marks, error

    def _shaped(
        self, outgoing: Outgoing, created: int, new_key: str | None, record: Record[Any] | None = None
    ) -> Outgoing:
        seq, topic, key, value, headers = outgoing
        type = headers[4][1]
        if self._topic is not None:
            topic = self._topic(type, key, dict(headers[_OWN:]))
        envelope: Headers = []
        encoding = self._format.of(type)
        if self._registered is not None and encoding == "json-schema":
            value = self._registered.json(type, topic, value)
        elif self._registered is not None and encoding == "avro" and record is not None:
            value = self._registered.avro(record, topic)
        elif encoding.startswith("cloudevents"):
            attributes = cloud_events.attributes(self._source, headers, key, new_key)
            if encoding == "cloudevents":
                envelope = cloud_events.binary(attributes)
            else:
                envelope, value = cloud_events.structured(attributes, value)
        (_, id), _, _, (_, created_text), _ = headers[:_OWN]
        new_headers = [*self._format.headers.of(headers), *envelope]
        shaped = seq, topic, new_key, value, new_headers
        if self._format.has_usual_headers:
            return shaped
        is_dated = self._format.timestamp == "created" and created > 0  # Kafka's dates begin in 1970
        return cast(Outgoing, (*shaped, Origin(id, created_text, created if is_dated else 0)))
