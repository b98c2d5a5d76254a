"""What the doctor finds on Kafka."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but their stub hides them
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from outbox.doctor.finding import examined
from relay import KafkaSink
from relay.kafka.examination import KafkaExamination
from tests.servers.kafka import admin_client, create_topic
from tests.waiting import wait_until


def found(kafka: str, topic: str, *, compacted: bool = False, largest: int | None = None) -> list[str]:
    examination = KafkaExamination(KafkaSink(kafka), {topic: compacted}, largest)
    return [each.what for each in examined(examination.checks()) if not each.what.endswith("has one replica")]


def test_of_a_topic_that_is_well_only_its_single_replica_is_found(kafka: str, topic: str) -> None:
    assert found(kafka, topic, largest=1_000_000) == []


def test_one_partition_is_found(kafka: str, topic_name: str) -> None:
    create_topic(kafka, topic_name, partitions=1)

    assert found(kafka, topic_name) == [f"{topic_name} has one partition"]


def test_a_limit_below_what_may_be_put_is_found(kafka: str, topic: str) -> None:
    assert found(kafka, topic, largest=2_000_000) == [f"{topic} has max.message.bytes=1048588"]


def test_compacted_types_on_a_topic_that_deletes_are_found(kafka: str, topic: str) -> None:
    assert found(kafka, topic, compacted=True) == [f"{topic} has cleanup.policy=delete"]


def test_a_topic_that_compacts_suits_types_that_are_compacted(kafka: str, topic: str) -> None:
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = admin_client(kafka)
    admin.incremental_alter_configs([resource])[resource].result()

    wait_until(lambda: found(kafka, topic, compacted=True) == [], 10, "the broker to have the setting")
    assert found(kafka, topic) == [f"{topic} has cleanup.policy=compact"]


@pytest.mark.parametrize(("in_sync", "is_found"), [([1], True), ([1, 2], False)])
def test_too_few_replicas_in_sync_are_found(in_sync: list[int], is_found: bool) -> None:
    partitions = {number: SimpleNamespace(leader=1, replicas=[1, 2, 3], isrs=in_sync) for number in range(3)}
    topic = SimpleNamespace(partitions=partitions)

    findings = KafkaExamination(KafkaSink("k"), {}, None)._of_layout("t", topic, {"min.insync.replicas": "2"})

    few = "t has 1 replica(s) in sync, and min.insync.replicas=2"
    assert [(each.what, each.serious) for each in findings] == ([(few, True)] if is_found else [])
