"""A record as the gateway's clients see it: one JSON object, whose data is the value on Kafka."""

from __future__ import annotations

from typing import Any

from outbox.errors import UndecodableRecord
from outbox.log.record import Record
from outbox.messages.json_value import Unencodable, json_value


def record_json(record: Record[Any]) -> bytes:
    """Encodes a record. One that JSON cannot hold has `data` null and says why in `fault`: nobody is held up by it."""
    fields: dict[str, Any] = {"seq": record.seq, "id": record.id, "created": record.created, "type": record.type}
    try:
        return json_value({**fields, "key": record.key, "headers": record.headers, "data": record.data})
    except (UndecodableRecord, Unencodable) as error:
        return json_value({**fields, "key": record.key, "headers": {}, "data": None, "fault": str(error)})
