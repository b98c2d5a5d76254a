"""The servers that the other tests stand on can really be killed, frozen and brought back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient, WriteConcern
from pymongo.database import Database

from tests.servers.kafka import KafkaBroker, admin_client, create_topic, wait_until_answers
from tests.servers.replica_set import ReplicaSet
from tests.waiting import wait_until

Document = dict[str, Any]


def test_the_shared_mongodb_runs_transactions(database: Database[Document]) -> None:
    with database.client.start_session() as session, session.start_transaction():
        database.orders.insert_one({"_id": 1}, session=session)

    assert database.orders.count_documents({}) == 1


def test_the_shared_broker_creates_no_topic_by_itself(kafka: str, topic_name: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.list_topics(topic_name, timeout=30)

    assert topic_name not in admin.list_topics(timeout=30).topics


def test_a_topic_takes_records(kafka: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, b"value", b"key")

    assert producer.flush(10) == 0
    assert _read_one(kafka, topic) == b"value"


def test_a_killed_broker_comes_back_on_its_port_with_its_data(broker: KafkaBroker) -> None:
    create_topic(broker.bootstrap, "kept")
    broker.kill()
    broker.start()

    assert "kept" in admin_client(broker.bootstrap).list_topics(timeout=30).topics


def test_a_paused_broker_answers_again_when_resumed(broker: KafkaBroker) -> None:
    admin = admin_client(broker.bootstrap)
    broker.pause()
    try:
        with pytest.raises(KafkaException, match=r"_TRANSPORT|_TIMED_OUT"):
            admin.list_topics(timeout=0.5)
    finally:
        broker.resume()

    wait_until_answers(broker.bootstrap)


@pytest.fixture(scope="module")
def replica_set() -> Iterator[ReplicaSet]:
    with ReplicaSet(3) as replica_set:
        yield replica_set


def test_a_replica_set_steps_down_to_another_node(replica_set: ReplicaSet) -> None:
    old = replica_set.primary()

    assert replica_set.step_down() is not old


def test_a_frozen_primary_is_succeeded_and_follows_when_resumed(replica_set: ReplicaSet) -> None:
    replica_set.wait_until_healthy()
    old = replica_set.primary()
    replica_set.pause(old)
    try:
        wait_until(lambda: replica_set.primary_besides(old), 30, "a new primary")
        with MongoClient[Document](replica_set.uri) as client:
            majority = WriteConcern("majority", wtimeout=30_000)
            client.shop.get_collection("meanwhile", write_concern=majority).insert_one({"_id": 1})
    finally:
        replica_set.resume(old)
    replica_set.wait_until_healthy()

    with old.connect() as client:
        assert wait_until(client.shop.meanwhile.find_one, 30, "what was written meanwhile") == {"_id": 1}


def test_a_killed_node_comes_back_with_its_data(replica_set: ReplicaSet) -> None:
    replica_set.wait_until_healthy()
    with MongoClient[Document](replica_set.uri) as client:
        orders = client.shop.get_collection("orders", write_concern=WriteConcern(3, wtimeout=20_000))
        orders.insert_one({"_id": 1})
        node = replica_set.secondaries()[0]
        replica_set.kill(node)
        replica_set.restart(node)
        replica_set.wait_until_healthy()

    with node.connect() as client:
        assert client.shop.orders.find_one() == {"_id": 1}


def test_a_fail_point_can_be_set(replica_set: ReplicaSet) -> None:
    with replica_set.primary().connect() as client:
        client.admin.command("configureFailPoint", "failCommand", mode="off")


def _read_one(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        return wait_until(lambda: consumer.poll(0.5), 30, "a record").value()
    finally:
        consumer.close()
