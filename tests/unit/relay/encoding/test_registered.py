"""Values by registered schemas, read back by confluent-kafka's deserializers and fastavro."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from outbox.delivery.ports import Outgoing
from outbox.errors import OutboxError
from outbox.shares.share import ALL
from relay.encoding.choices import Encoding
from relay.encoding.encoder import Encoder
from relay.encoding.record_format import RecordFormat
from relay.encoding.shaped import ShapedEncoder
from relay.errors import DeliveryRefused, InvalidSettings, PoisonMessage, Unreachable
from relay.registry import Registry
from tests.actors.registry import AVRO, JSON, ScriptedRegistry, mock_registry, schema
from tests.doubles.batches import LOG, batch_of, record

PLACED = {"order_id": "42", "total": 3}
EACH = pytest.mark.parametrize(("encoding", "kind", "text"), [("avro", "AVRO", AVRO), ("json-schema", "JSON", JSON)])
HERE = SerializationContext("orders", MessageField.VALUE)


def encoder(registry: Registry, encoding: Encoding) -> ShapedEncoder:
    format = RecordFormat(encoding, registry=registry)
    return ShapedEncoder(Encoder(lambda type: "orders", LOG, format.form), format, None, "/shop/orders")


def encoded(registry: Registry, encoding: Encoding, *datas: Any) -> tuple[list[Outgoing], OutboxError | None]:
    records = batch_of(*[record(data, type="order.placed") for data in datas]).records()
    outgoing, _, error = encoder(registry, encoding).encode(records)
    return outgoing, error


def test_avro_is_read_back_by_the_registry_s_own_deserializer_and_by_fastavro() -> None:
    registry = mock_registry(order__placed=("AVRO", AVRO))

    [outgoing], error = encoded(registry, "avro", PLACED)

    value = outgoing[3] or b""
    assert error is None
    assert value[:5] == b"\0\0\0\0\1"
    assert AvroDeserializer(registry.client)(value, HERE) == PLACED
    assert fastavro.schemaless_reader(io.BytesIO(value[5:]), fastavro.parse_schema(AVRO), None) == PLACED


def test_json_is_read_back_by_the_registry_s_own_deserializer() -> None:
    registry = mock_registry(order__placed=("JSON", JSON))

    [outgoing], error = encoded(registry, "json-schema", PLACED)

    value = outgoing[3] or b""
    assert error is None
    assert JSONDeserializer(json.dumps(JSON), schema_registry_client=registry.client)(value, HERE) == PLACED
    assert value == b'\0\0\0\0\1{"order_id":"42","total":3}'


def test_a_subject_may_be_of_the_topic() -> None:
    registry = mock_registry("{topic}-value", **{"orders-value": ("JSON", JSON)})

    assert encoded(registry, "json-schema", PLACED)[1] is None


@EACH
def test_a_type_is_looked_up_once(encoding: Encoding, kind: str, text: dict[str, Any]) -> None:
    registry = ScriptedRegistry(schema(kind, text))

    outgoing, error = encoded(registry, encoding, *[PLACED] * 5)

    assert (len(outgoing), error, registry.asked) == (5, None, [("order.placed", "orders")])


@pytest.mark.usefixtures("native")
@EACH
def test_what_they_are_made_of_is_made_by_the_compiled_encoder(
    encoding: Encoding, kind: str, text: dict[str, Any]
) -> None:
    made = encoder(ScriptedRegistry(schema(kind, text)), encoding)
    tombstones = [record(None, type="order.placed"), record(None, type="order.placed", **{"compaction-id": "7"})]
    batch = batch_of(record(PLACED, type="order.placed"), *tombstones)
    known, _, _ = made.encode(batch.records())

    plainly = made.encode_plain(batch, ALL)

    assert plainly is not None
    assert plainly[0][0] == known


@pytest.mark.parametrize("encoding", ["avro", "json-schema"])
@pytest.mark.parametrize("away", [Unreachable("no answer"), DeliveryRefused("401")])
def test_a_registry_that_is_away_or_lets_nobody_in_is_no_fault_of_the_message(
    encoding: Encoding, away: Exception
) -> None:
    outgoing, error = encoded(ScriptedRegistry(away), encoding, PLACED)

    assert (outgoing, error) == ([], away)


@pytest.mark.parametrize(
    ("encoding", "answer", "data", "says"),
    [
        ("avro", schema("JSON", JSON), PLACED, "is of the kind JSON, and its encoding is avro"),
        ("json-schema", schema("JSON", {"type": 7}), PLACED, "is no JSON Schema"),
        ("json-schema", schema("JSON", JSON), {"order_id": 7}, "data.order_id: 7 is not of type 'string'"),
        ("avro", schema("AVRO", AVRO), {"order_id": 7}, "its Avro schema does not take it"),
    ],
)
def test_what_the_schema_refuses_is_poison(encoding: Encoding, answer: Any, data: Any, says: str) -> None:
    outgoing, error = encoded(ScriptedRegistry(answer), encoding, data)

    assert outgoing == []
    assert isinstance(error, PoisonMessage)
    assert says in str(error)


@pytest.mark.parametrize("encoding", ["avro", "json-schema"])
def test_a_tombstone_needs_no_schema(encoding: Encoding) -> None:
    registry = ScriptedRegistry(Unreachable("not asked"))
    records = batch_of(record(None), record(None, **{"compaction-id": "7"})).records()

    outgoing, _, error = encoder(registry, encoding).encode(records)

    assert ([each[3] for each in outgoing], error) == ([None, b""], None)


def test_without_a_registry_these_encodings_are_refused() -> None:
    with pytest.raises(InvalidSettings, match="need a --schema-registry"):
        RecordFormat("json", {"order.placed": "avro"})
