"""Each encoding is read from Kafka by Node's own libraries, the registered ones by a registry over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from bson import Decimal128, Int64
from pymongo.database import Database

from outbox import Outbox, message_type
from relay import KafkaSink, NewTopics, RecordFormat, Relay, SchemaRegistry
from relay.encoding.choices import Encoding
from tests.acceptance.example import run
from tests.servers.schema_registry import schema_registry

HERE = Path(__file__).parent / "kafkajs"
CI = os.environ.get("CI") == "true"
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
FIELDS = {"order_id": "string", "total": "decimal", "at": "date", "pieces": "long"}
PUT = {
    "order_id": "ö42",
    "total": Decimal128("9.90"),
    "at": datetime(2025, 1, 2, 3, 4, 5, 678000, UTC),
    "pieces": Int64(2**40),
}
AVRO = {
    "type": "record", "name": "Order",
    "fields": [
        {"name": "order_id", "type": "string"}, {"name": "total", "type": ["null", "string"]},
        {"name": "at", "type": "long"}, {"name": "pieces", "type": "long"},
    ],
}  # fmt: skip
JSON_SCHEMA = {"type": "object", "required": ["order_id"], "properties": {"total": {"type": "string"}}}
PLAIN = {"order_id": "ö42", "total": "9.90", "at": "2025-01-02T03:04:05.678Z", "pieces": 2**40}
CANONICAL = {
    "order_id": "ö42", "total": {"$numberDecimal": "9.90"}, "at": {"$date": {"$numberLong": "1735787045678"}},
    "pieces": {"$numberLong": str(2**40)},
}  # fmt: skip


@pytest.mark.heavy
def test_node_reads_each_encoding_with_the_library_it_has_for_it(
    tmp_path: Path, database: Database[Any], kafka: str
) -> None:
    if shutil.which("npm") is None:
        (pytest.fail if CI else pytest.skip)("npm is not on the PATH; Node's libraries take Node 20 or newer")
    shutil.copytree(HERE, tmp_path, dirs_exist_ok=True)
    run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=tmp_path, cap_seconds=200)
    schema = {"bsonType": "object", "properties": {name: {"bsonType": kind} for name, kind in FIELDS.items()}}
    classes = {each: message_type(f"of.{each}", key="order_id", schema=schema) for each in ENCODINGS}
    served = {"of.avro": ("AVRO", AVRO), "of.json-schema": ("JSON", JSON_SCHEMA)}
    with Outbox(database, messages=classes.values()) as orders, schema_registry(served) as url:
        orders.create()
        orders.put([made(PUT) for made in classes.values()], standalone=True)
        encodings = {f"of.{each}": each for each in ENCODINGS}
        format = RecordFormat("json", encodings, registry=SchemaRegistry({"url": url}))
        sink = KafkaSink(kafka, create=NewTopics(partitions=1, replication=1))
        Relay(orders, sink, format=format).run(threading.Event(), once=True)
        there = {"KAFKA": kafka, "TOPIC": f"{database.name}.outbox", "REGISTRY": url, "COUNT": str(len(ENCODINGS))}
        printed = run(["node", "read.mjs"], cwd=tmp_path, **there)

    records = [json.loads(line) for line in printed.splitlines()]
    assert {record["key"] for record in records} == {"ö42"}
    event = {"source": f"/{database.name}/outbox", "data": PLAIN}
    assert {each: record["value"] for each, record in zip(ENCODINGS, records, strict=True)} == {
        "json": PLAIN, "json-schema": PLAIN, "avro": {**PLAIN, "at": 1735787045678},
        "bson": CANONICAL, "extended-json": CANONICAL,
        "cloudevents": {"type": "of.cloudevents", **event},
        "cloudevents-structured": {"type": "of.cloudevents-structured", **event},
    }  # fmt: skip
