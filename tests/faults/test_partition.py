"""The primary is cut off from the other nodes, and still reached by everybody; what it takes alone is rolled back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo import MongoClient, WriteConcern
from pymongo.database import Database
from pymongo.errors import PyMongoError

from outbox import Outbox, Record
from outbox.embedded.mongo import EmbeddedMongo
from outbox.mongo.collections import Collections
from relay import Relay
from relay.testing import MemorySink
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.acceptance.processes.entry import Entry
from tests.acceptance.topic import Topic
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import Relaying
from tests.faults.service import Service
from tests.servers.partition import PartitionedSet
from tests.waiting import wait_until

Document = dict[str, Any]
ELECTION_SECONDS = 180.0
"""The nodes' heartbeats go through proxies: at a load of 20 on two cores one took more than 60 s."""

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the owners of connections in /proc"),
]


@pytest.fixture(scope="module")
def _nodes() -> Iterator[PartitionedSet]:
    with PartitionedSet(election_ms=4000) as nodes:  # so long a primary goes on alone
        yield nodes


@pytest.fixture
def nodes(_nodes: PartitionedSet) -> Iterator[PartitionedSet]:
    _nodes.wait_until_healthy()
    yield _nodes
    _nodes.heal()
    _nodes.wait_until_healthy()


@pytest.fixture
def database(nodes: PartitionedSet) -> Iterator[Database[Document]]:
    with MongoClient[Document](nodes.uri) as client:
        yield client[f"test_{ObjectId()}"]


def test_what_a_primary_took_alone_was_shown_to_nobody_and_its_numbers_are_given_anew(
    nodes: PartitionedSet, database: Database[Document]
) -> None:
    """Goes red when readers read with local concern."""
    sink = MemorySink()
    with new_outbox(database, sequence=False) as orders, Outbox(database, sequence=False) as reading:
        shown: list[Record[Any]] = []
        reading.observe("earliest").subscribe(shown.append)
        with Relaying(Relay(reading, sink)):
            orders.put([placed(1), placed(2), placed(3)], standalone=True)
            orders.sequence()
            wait_until(lambda: len(shown) == len(sink.records) == 3, 30, "the first records")
            # Else the relay may send them again when it has found the new primary.
            wait_until(lambda: orders.collections.cursors.find_one({"seq": 3}), 30, "the relay's cursor to be saved")

            alone = nodes.primary()
            rings = reading._feed.head.rings
            nodes.isolate(alone)
            vanishing = append_alone(alone, orders, seq=4)
            wait_until(lambda: reading._feed.head.rings > rings, 30, "the tail to have seen it")
            wait_until(lambda: nodes.primary_besides(alone), ELECTION_SECONDS, "another primary")
            wait_until(lambda: puts(orders, 4), 60, "the new primary to number")
            nodes.heal()
            nodes.wait_until_healthy()
            head = orders.log.head()
            wait_until(lambda: len(shown) >= head and len(sink.records) >= head, 60, "all to be shown")

            wait_until(lambda: local(alone, orders, 4) not in {None, vanishing}, 60, "it to be rolled back")

        assert [each.seq for each in shown] == [each.seq for each in sink.records] == list(range(1, head + 1))
        assert [each.id for each in shown] == [each.id for each in reading.read(1)]
        assert vanishing not in {each.id for each in shown}
        assert str(vanishing).encode() not in {dict(each.headers)["id"] for each in sink.records}


def append_alone(node: EmbeddedMongo, orders: Outbox, seq: int) -> ObjectId:
    """Appends a batch of one record, as the sequencer would, that only this node acknowledges; returns its id."""
    with node.connect() as client:
        log = Collections(client[orders.collections.database.name], orders.name).log
        batch = log.find_one({"_id": 1})
        assert batch is not None
        record = {**batch["records"][0], "id": ObjectId()}
        batch |= {"_id": Int64(seq), "last": Int64(seq), "undeleted": Int64(seq), "records": [record]}
        log.with_options(write_concern=WriteConcern(w=1)).insert_one(batch)
    assert local(node, orders, seq) == record["id"]
    return record["id"]


def local(node: EmbeddedMongo, orders: Outbox, seq: int) -> ObjectId | None:
    """The id that this node alone has at a seq; None while it does not say."""
    try:
        with node.connect() as client:
            found = client[orders.collections.database.name][orders.name].find_one({"_id": seq})
    except PyMongoError:  # it is rolling back
        return None
    return None if found is None else found["records"][0]["id"]


def puts(orders: Outbox, total: int) -> bool:
    """Puts a message and numbers it, if the primary does."""
    try:
        orders.put(placed(total), standalone=True)
        return orders.sequence() > 0
    except PyMongoError:
        return False


def test_whatever_was_shown_while_primaries_were_cut_off_is_in_the_log_for_good(
    nodes: PartitionedSet, database: Database[Document], kafka: str, ledger_topic: Topic, start: Start
) -> None:
    ledger = Ledger(database)
    service = Service(ledger, nodes.uri, ledger_topic, start)
    for _ in range(2):
        service.write(60)
    relay = service.relay(lease=2)
    service.wait_until_delivered(100)
    with Outbox(database, messages=[Entry], sequence=False) as reading:
        shown: list[tuple[int, str]] = []
        reading.observe("earliest").subscribe(lambda record: shown.append((record.seq, str(record.id))))
        for _ in range(2):
            alone = nodes.primary()
            nodes.isolate(alone)
            wait_until(lambda: nodes.primary_besides(alone), ELECTION_SECONDS, "another primary")  # noqa: B023
            nodes.heal()
            service.wait_until_delivered(200)
            nodes.wait_until_healthy()
        written = service.finish()
        relay.stop()
        wait_until(lambda: shown and shown[-1][0] == ledger.head(), 60, "the subscriber to be at the head")

    log = [(record.seq, record.id) for record in ledger.log()]
    seen = service.topic.records()
    assert any(rolled_back(node) for node in nodes.nodes), "no primary had taken anything alone"
    assert shown == log
    assert {(record.seq, record.id) for record in seen} == set(log)
    assert ledger.faults(written, seen) == []


def rolled_back(node: EmbeddedMongo) -> bool:
    assert node.path is not None
    return "Rollback summary" in (node.path / "mongod.log").read_text()
