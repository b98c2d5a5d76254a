"""Another language puts by the written contract alone: Node's own `mongodb` driver, and the relay as people run it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo.database import Database

from outbox import Outbox, message
from tests.acceptance.example import EXAMPLES, expected, run, uri_of
from tests.actors.consumer import read_topic

CI = os.environ.get("CI") == "true"


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    pieces = IntField(required=True, min_value=1)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a folder of its own, with the driver installed."""
    if shutil.which("npm") is None:
        (pytest.fail if CI else pytest.skip)("npm is not on the PATH; the contract's test takes Node 20 or newer")
    folder = tmp_path_factory.mktemp("node_put")
    for file in ("package.json", "put.mjs"):
        shutil.copy(EXAMPLES / "node_put" / file, folder)
    run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=folder, cap_seconds=100)
    return folder


def put(program: Path, mongo_uri: str, database: Database[Any]) -> str:
    with Outbox(database, messages=[OrderPlaced]) as outbox:
        outbox.create()
    return run(["node", "put.mjs"], cwd=program, MONGO_URI=uri_of(mongo_uri, database))


def relay(mongo_uri: str, database: Database[Any], kafka: str) -> None:
    command = [sys.executable, "-c", "from relay.cli import main; main()", "run", "--once"]
    command += ["--mongo", mongo_uri, "--database", database.name, "--kafka", kafka]
    run([*command, "--create-topic", "partitions=3,replication=1"])


def test_node_puts_in_a_transaction_and_the_server_guards_the_contract(
    program: Path, mongo_uri: str, database: Database[Any]
) -> None:
    assert put(program, mongo_uri, database) == expected("node_put")
    assert [staged["key"] for staged in database["outbox.staging"].find()] == ["1"]


def test_a_message_put_from_node_arrives_on_kafka(
    program: Path, mongo_uri: str, database: Database[Any], kafka: str
) -> None:
    put(program, mongo_uri, database)
    staged = database["outbox.staging"].find_one()
    assert staged is not None
    with Outbox(database) as outbox:
        log = outbox.log.identity()
    relay(mongo_uri, database, kafka)

    [record] = read_topic(kafka, f"{database.name}.outbox", until=bool)
    created = staged["created"].isoformat(timespec="milliseconds") + "Z"
    assert record.key() == b"1"
    assert json.loads(record.value() or b"") == {"order_id": "1", "pieces": 3}
    assert dict(record.headers() or []) == {
        "id": str(staged["_id"]).encode(),
        "seq": b"1",
        "log": log.encode(),
        "created": created.encode(),
        "type": b"order.placed",
        "source": b"node",
    }
