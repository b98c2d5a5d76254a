"""What the doctor looks for on Kafka: whether it answers, and how the topics are set up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but their stub hides them
    ConfigResource,
    ResourceType,
)

from outbox.doctor.finding import Check, Finding
from relay.kafka.sink import KafkaSink

_SECONDS = 5.0
_OVERHEAD = 48_588
"""By how much the JSON of a message may be larger than its staged document; see docs/wire-contracts.md."""


class KafkaExamination:
    """Looks at the Kafka that a sink writes to. It changes nothing.

    topics: the topics of the message types, each with whether all of its types are compacted. largest: the most bytes
    of a staged message; None when that is not known.
    """

    def __init__(self, sink: KafkaSink, topics: Mapping[str, bool], largest: int | None) -> None:
        self._sink = sink
        self._topics = topics
        self._largest = largest
        self._away = False

    def checks(self) -> dict[str, Check]:
        """The checks, by name."""
        return {"kafka": self.reachable, "topics": self.topics}

    def reachable(self) -> Iterator[Finding]:
        """Whether a broker answers."""
        why = self._sink.unreachable(_SECONDS)
        self._away = bool(why)
        if why:
            yield Finding(
                "kafka", why, "nothing is delivered until it does",
                "check --kafka, the network, and security.protocol; `kafka-broker-api-versions.sh "
                f"--bootstrap-server {self._sink.bootstrap}` asks the same", serious=True,
            )  # fmt: skip

    def cluster(self) -> str | None:
        """Returns the id of the cluster; None when no broker answers, or says none."""
        try:
            found: str | None = self._sink.admin().list_topics("mongo-outbox.cursors", timeout=_SECONDS).cluster_id
        except KafkaException:  # which `reachable` finds
            return None
        return found

    def topics(self) -> Iterator[Finding]:
        """How each topic is set up."""
        if self._away:
            return
        admin = self._sink.admin()
        for topic, is_compacted in self._topics.items():
            try:
                found: Any = admin.list_topics(topic, timeout=_SECONDS).topics[topic]
                if found.error is not None:
                    yield self._missing(topic, found.error.str())
                    continue
                resource = ConfigResource(ResourceType.TOPIC, topic)
                answer = admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
            except KafkaException as error:
                yield Finding(
                    "topics", f"the topic {topic} could not be looked at: {error.args[0].str()}",
                    "how it is set up is not known", "grant Describe and DescribeConfigs on it",
                )  # fmt: skip
                continue
            settings = {name: entry.value for name, entry in answer.items()}
            yield from self._of_layout(topic, found, settings)
            yield from self._of_settings(topic, is_compacted, settings)

    def _missing(self, topic: str, why: str) -> Finding:
        return Finding(
            "topics", f"the topic {topic} cannot be written to: {why}", "the relay does not start without it",
            f"kafka-topics.sh --bootstrap-server {self._sink.bootstrap} --create --topic {topic} --partitions 3 "
            "--replication-factor 3; or relay run --create-topic partitions=3,replication=3", serious=True,
        )  # fmt: skip

    def _of_layout(self, topic: str, found: Any, settings: Mapping[str, Any]) -> Iterator[Finding]:
        leaderless = [number for number, partition in found.partitions.items() if partition.leader < 0]
        if leaderless:
            yield Finding(
                "topics", f"partition {leaderless[0]} of {topic} has no leader",
                "what goes there is not acknowledged, and all behind it waits", "bring its broker back", serious=True,
            )  # fmt: skip
        wanted = int(settings.get("min.insync.replicas") or 1)
        few = [each for each in found.partitions.values() if len(each.isrs) < min(wanted, len(each.replicas))]
        if few and not leaderless:
            yield Finding(
                "topics", f"{topic} has {len(few[0].isrs)} replica(s) in sync, and min.insync.replicas={wanted}",
                "what goes there is not acknowledged, and all behind it waits",
                f"bring the brokers of its other replicas back; `kafka-topics.sh --bootstrap-server "
                f"{self._sink.bootstrap} --describe --topic {topic}` names them", serious=True,
            )  # fmt: skip
        replicas = min((len(partition.replicas) for partition in found.partitions.values()), default=0)
        if len(found.partitions) == 1:
            yield Finding(
                "topics", f"{topic} has one partition", "only one consumer of a group can work",
                f"kafka-topics.sh --bootstrap-server {self._sink.bootstrap} --alter --topic {topic} --partitions 3, "
                "before there are messages whose keys would move",
            )  # fmt: skip
        if replicas == 1:
            yield Finding(
                "topics", f"{topic} has one replica", "acknowledged messages are lost with that broker's disk",
                "give it three: kafka-reassign-partitions.sh",
            )  # fmt: skip
        elif settings.get("min.insync.replicas") == "1":
            yield self._setting(
                topic, "min.insync.replicas", "1", "2", "what is acknowledged may be on one broker alone"
            )

    def _of_settings(self, topic: str, is_compacted: bool, settings: Mapping[str, Any]) -> Iterator[Finding]:
        limit = int(settings.get("max.message.bytes") or 0)
        if self._largest is not None and 0 < limit < self._largest:
            wanted = self._largest + _OVERHEAD
            yield self._setting(
                topic, "max.message.bytes", str(limit), str(wanted),
                f"messages may take {self._largest} bytes when they are put: a larger one is poison",
            )  # fmt: skip
        compacts = "compact" in (settings.get("cleanup.policy") or "").split(",")
        if compacts and not is_compacted:
            yield self._setting(
                topic, "cleanup.policy", "compact", "delete",
                "not all of its message types are compacted: Kafka keeps only the newest of a key, and refuses those "
                "without one", serious=True,
            )  # fmt: skip
        elif is_compacted and not compacts:
            yield self._setting(
                topic, "cleanup.policy", "delete", "compact",
                "its message types are compacted: what is not published for longer than the retention is gone, and "
                "tombstones remove nothing",
            )  # fmt: skip

    def _setting(self, topic: str, name: str, now: str, then: str, why: str, *, serious: bool = False) -> Finding:
        return Finding(
            "topics", f"{topic} has {name}={now}", why,
            f"kafka-configs.sh --bootstrap-server {self._sink.bootstrap} --alter --entity-type topics --entity-name "
            f"{topic} --add-config {name}={then}", serious,
        )  # fmt: skip
