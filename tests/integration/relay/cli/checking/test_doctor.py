"""The command `relay doctor`."""

from __future__ import annotations

import json

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from outbox import Outbox
from relay.cluster import known_cluster
from tests.actors.order_service import placed
from tests.actors.relay_command import RelayCommand
from tests.servers.kafka import admin_client
from tests.waiting import wait_until


def test_of_a_single_node_and_broker_only_notes_are_found(relay: RelayCommand, orders: Outbox) -> None:
    ended = relay("doctor", "--json")

    shown = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert [each["check"] for each in shown["findings"]] == ["topology", "topics"]
    assert shown["checks"] == 18


def test_a_topic_that_compacts_what_is_not_compacted_is_serious(
    relay: RelayCommand, orders: Outbox, kafka: str, topic: str
) -> None:
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = admin_client(kafka)
    admin.incremental_alter_configs([resource])[resource].result()

    wait_until(lambda: relay("doctor").returncode == 1, 20, "the broker to have the setting")

    ended = relay("doctor")
    assert f"serious: {topic} has cleanup.policy=compact" in ended.stdout
    assert f"--entity-name {topic} --add-config cleanup.policy=delete" in ended.stdout.replace("\n", "")


def test_a_topic_that_is_missing_is_serious(relay: RelayCommand, orders: Outbox) -> None:
    ended = relay("doctor", "--json", RELAY_TOPIC="no.such.topic")

    (finding,) = [each for each in json.loads(ended.stdout)["findings"] if each["serious"]]
    assert "no.such.topic" in finding["what"]
    assert "--create --topic no.such.topic" in finding["mend"]


def test_a_kafka_that_does_not_answer_is_serious(relay: RelayCommand, orders: Outbox) -> None:
    ended = relay("doctor", "--kafka", "127.0.0.1:9")

    assert ended.returncode == 1
    assert "serious: Kafka at 127.0.0.1:9 does not answer" in ended.stdout


def test_a_relay_of_that_name_that_writes_to_another_kafka_is_serious(relay: RelayCommand, orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    assert relay("run", "--once").returncode == 0
    assert relay("doctor").returncode == 0
    here = known_cluster(orders.collections, "relay:kafka")
    assert here is not None
    orders.collections.leases.update_one({"_id": "relay:kafka"}, {"$set": {"kafka": "of-another"}})

    ended = relay("doctor", "--json")
    (finding,) = [each for each in json.loads(ended.stdout)["findings"] if each["serious"]]
    again = relay("run", "--once")

    assert (ended.returncode, finding["check"]) == (1, "destination")
    assert f"another Kafka, cluster of-another; this one is cluster {here}" in finding["what"]
    assert f"to cluster of-another, and from here on to {here}" in again.stderr
    assert known_cluster(orders.collections, "relay:kafka") == here
