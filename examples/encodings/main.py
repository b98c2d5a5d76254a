"""One outbox, two encodings: orders as Avro by a schema registry, all else as CloudEvents."""

import json
import os
import threading
from datetime import UTC, datetime
from decimal import Decimal

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer, Message
from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from mongoengine import DateTimeField, Decimal128Field, EmbeddedDocument, StringField
from pymongo import MongoClient

from outbox import Outbox, message
from relay import KafkaSink, NewTopics, RecordFormat, Relay, SchemaRegistry


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    total = Decimal128Field(required=True)
    at = DateTimeField(required=True)


@message("order.shipped", key="order_id")
class OrderShipped(EmbeddedDocument):
    order_id = StringField(required=True)


SCHEMA = {
    "type": "record",
    "name": "OrderPlaced",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}

client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
service = client.get_default_database("shop")
outbox = Outbox(service, messages=[OrderPlaced, OrderShipped])
# In production its address, and whoever owns the type registers the schema: the relay registers none.
registry = SchemaRegistry({"url": "mock://shop"})


def main() -> None:
    outbox.create()
    registry.client.register_schema("order.placed", Schema(json.dumps(SCHEMA)))
    at = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    outbox.put(OrderPlaced(order_id="42", total=Decimal("9.90"), at=at), standalone=True)
    outbox.put(OrderShipped(order_id="42"), standalone=True)
    # The same for `relay run`, in its file: encoding, schema_registry, and the type in the table [outbox.encodings].
    format = RecordFormat("cloudevents", {"order.placed": "avro"}, registry=registry)
    sink = KafkaSink(os.environ["KAFKA"], create=NewTopics(partitions=1, replication=1))
    Relay(outbox, sink, format=format).run(threading.Event(), once=True)
    outbox.close()
    show(2)


def show(count: int) -> None:
    """Prints the first records of the topic, as the consumers of their encodings read them."""
    topic = f"{service.name}.{outbox.name}"
    settings = {"bootstrap.servers": os.environ["KAFKA"], "group.id": service.name, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    avro = AvroDeserializer(registry.client)
    while count:
        record = consumer.poll(1.0)
        if record is None or record.error():
            continue
        if headers(record)["type"] == b"order.placed":
            placed = avro(record.value(), SerializationContext(topic, MessageField.VALUE))
            print(f"Avro: order {placed['order_id']} of {placed['total']} at {placed['at']:%Y-%m-%d %H:%M} UTC")
        else:
            event = from_binary(KafkaMessage(headers(record), record.key(), record.value() or b""), JSONFormat())
            print(f"CloudEvent: {event.get_type()}, subject {event.get_subject()}, data {event.get_data()!r}")
        count -= 1
    consumer.close()


def headers(record: Message) -> dict[str, bytes]:
    pairs = record.headers()
    assert isinstance(pairs, list)
    return {name: value for name, value in pairs if isinstance(value, bytes)}


if __name__ == "__main__":
    main()
