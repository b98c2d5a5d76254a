"""Topics on a broker whose policy has a say: a real broker, with a policy in Java."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

from relay.errors import TopicMissing
from relay.kafka.sink import KafkaSink
from relay.kafka.topic_admin import NewTopics
from relay.kafka.transactional_sink import KafkaTransactions
from tests.actors.consumer import topic_exists
from tests.servers.kafka import KafkaBroker, admin_client
from tests.servers.kafka_jars import KafkaUnavailable, kafka_jars
from tests.servers.unavailable import unavailable
from tests.waiting import wait_until

POLICY = """
import java.util.Map;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.CreateTopicPolicy;

public class HousePolicy implements CreateTopicPolicy {
    public void configure(Map<String, ?> settings) {}
    public void close() {}
    public void validate(RequestMetadata wanted) {
        String segment = wanted.configs().get("segment.bytes");
        if (segment != null && Long.parseLong(segment) < 52428800L)
            throw new PolicyViolationException("segment.bytes must be at least 52428800");
        if (wanted.topic().startsWith("owned.") && !wanted.configs().containsKey("retention.ms"))
            throw new PolicyViolationException("say how long it is kept");
    }
}
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("policy")
    source = Path(folder, "HousePolicy.java")
    source.write_text(POLICY)
    try:
        if shutil.which("javac") is None:
            raise KafkaUnavailable("`javac` is not on the PATH")
        subprocess.run(["javac", "-cp", f"{kafka_jars()}/*", "-d", folder, source], check=True, timeout=120)
        with KafkaBroker({"create.topic.policy.class.name": "HousePolicy"}, folder) as broker:
            yield broker.bootstrap
    except KafkaUnavailable as error:
        unavailable("Kafka with a policy", error)


def topic_name(prefix: str = "test") -> str:
    return f"{prefix}.{uuid.uuid4().hex}"


def test_the_topic_of_the_cursors_is_made_without_what_is_only_convenient(strict: str) -> None:
    name = topic_name()

    KafkaTransactions(strict, cursors=name, create=NewTopics(1, 1)).check([])

    wait_until(lambda: topic_exists(strict, name), 30, "the topic")
    admin, resource = admin_client(strict), ConfigResource(ResourceType.TOPIC, name)
    assert admin.describe_configs([resource])[resource].result(30)["cleanup.policy"].value == "compact"


def test_what_a_policy_does_not_let_the_relay_make_is_told_how_to_make_by_hand(strict: str) -> None:
    name = topic_name("owned")
    command = rf"kafka-topics.sh --bootstrap-server {strict} --create --topic {name} --partitions"

    with pytest.raises(TopicMissing, match=rf"say how long .*{command} 1 .*--config cleanup.policy=compact$"):
        KafkaTransactions(strict, cursors=name, create=NewTopics(3, 1)).check([])
    with pytest.raises(TopicMissing, match=rf"say how long .*{command} 3 --replication-factor 1$"):
        KafkaSink(strict, create=NewTopics(3, 1)).check([name])


def test_more_replicas_than_there_are_brokers_are_told_the_same_way(strict: str) -> None:
    name = topic_name()

    with pytest.raises(TopicMissing, match=rf"kafka-topics.sh .*--topic {name} .*--replication-factor 3"):
        KafkaTransactions(strict, cursors=name, create=NewTopics(1, 3)).check([])
