"""CloudEvents 1.0 on Kafka: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md"""

from __future__ import annotations

import orjson

from outbox.delivery.ports import Headers

_VERSION = "1.0"
_JSON = ("content-type", "application/json")
_STRUCTURED = ("content-type", "application/cloudevents+json")


def attributes(source: str, headers: Headers, key: str | None, partition_key: str | None) -> dict[str, str]:
    """Makes the attributes of an event.

    source: `/DATABASE/OUTBOX`. headers: those of the relay, `id`, `seq`, `log`, `created` and `type`. key: the
    message's. partition_key: the key on Kafka.
    """
    (_, id), (_, seq), _, (_, created), (_, type) = headers[:5]
    found = {"specversion": _VERSION, "id": id, "source": source, "type": type}
    if len(created) == 24:  # RFC 3339 has no other years than those of four digits
        found["time"] = created
    if key:
        found["subject"] = key
    found["sequence"] = seq.zfill(19)  # the extension wants texts that are in order as texts
    if partition_key:
        found["partitionkey"] = partition_key
    return found


def binary(attributes: dict[str, str]) -> Headers:
    """Makes the headers of an event whose data is the record's value."""
    return [*((f"ce_{name}", value) for name, value in attributes.items()), _JSON]


def structured(attributes: dict[str, str], value: bytes | None) -> tuple[Headers, bytes | None]:
    """Makes the headers and the value of an event that is one JSON text; of a null value, which ends a key, a null
    value again."""
    if value is None:
        return [_STRUCTURED], None
    event = {**attributes, "datacontenttype": _JSON[1], "data": orjson.Fragment(value)}
    return [_STRUCTURED], orjson.dumps(event)
