"""Checks that the topics exist before anything is sent, and creates those that are missing if asked to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # NewTopic is public, but their stub hides it
    AdminClient,
    NewTopic,
)

from outbox.clock import SystemClock
from relay.errors import TopicMissing, Unreachable, Verdict
from relay.kafka import errors
from relay.kafka.secrets import Secrets

T = TypeVar("T")
logger = logging.getLogger("relay.kafka")

CHECK_SECONDS = 5.0
ASK_SECONDS = 0.5
LEARNS_SECONDS = 2.0
"""A broker learns of a new topic a moment after the others: one that does not know it is asked again for so long."""
_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class NewTopics:
    """How missing topics are created. Both from 1; the broker refuses more replicas than it has nodes."""

    partitions: int
    replication: int


class TopicCheck:
    """Looks for topics on the Kafka at `bootstrap`.

    client: makes a client of a class of confluent_kafka, with settings.
    """

    def __init__(
        self, bootstrap: str, client: Callable[[Callable[..., Any], dict[str, Any]], Any], secrets: Secrets
    ) -> None:
        self._bootstrap = bootstrap
        self._client = client
        self._secrets = secrets
        self.cluster: str | None = None
        """The id of the cluster that has answered."""

    def check(self, topics: Collection[str], create: NewTopics | None) -> None:
        """See Sink.check. One request a topic, again while it is missing, and two more to create what is."""
        faults: list[KafkaError] = []
        admin = self._client(AdminClient, {"error_cb": faults.append})
        missing = self._missing(admin, sorted(topics), faults)
        if not missing:
            return
        self._refuse_twins(missing, {*topics, *self._existing(admin, faults)})
        if create is None:
            missing = known_soon(missing, lambda: self._missing(admin, missing, faults), lambda left: not left)
            if missing:
                raise TopicMissing(
                    f"no such topic on {self._bootstrap}: {', '.join(missing)}. Create it, or let the relay do so: "
                    f"--create-topic partitions=3,replication=1"
                )
            return
        new = [NewTopic(topic, create.partitions, create.replication) for topic in missing]
        for topic in created(admin, new, CHECK_SECONDS, self._bootstrap):
            logger.info("created topic %s with %d partition(s)", topic, create.partitions)

    def _existing(self, admin: AdminClient, faults: list[KafkaError]) -> Iterable[str]:
        try:
            return self._noted(admin.list_topics(timeout=CHECK_SECONDS))
        except KafkaException as error:
            raise self._unreachable(admin, error.args[0], faults) from error

    def _missing(self, admin: AdminClient, topics: list[str], faults: list[KafkaError]) -> list[str]:
        if not topics:
            # No message type yet; that a broker answers is still worth knowing.
            self._existing(admin, faults)
            return []
        missing = []
        for topic in topics:
            # Not describe_topics: it asks the controller, which librdkafka's mock broker does not have.
            try:
                fault = self._noted(admin.list_topics(topic, timeout=CHECK_SECONDS))[topic].error
            except KafkaException as error:
                raise self._unreachable(admin, error.args[0], faults) from error
            if fault is None or fault.name() == "LEADER_NOT_AVAILABLE":  # the latter: it was made a moment ago
                continue
            if fault.name() in {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"}:
                missing.append(topic)
            elif errors.verdict(fault.name()) is Verdict.CONFIG:
                raise TopicMissing(f"topic {topic}: {errors.explanation(fault.name(), fault.str())}")
            else:
                raise self._unreachable(admin, fault, faults)
        return missing

    def _noted(self, metadata: Any) -> dict[str, Any]:
        """Returns the topics of what a broker has said, and keeps of which cluster it is."""
        self.cluster = metadata.cluster_id or self.cluster
        topics: dict[str, Any] = metadata.topics
        return topics

    def _refuse_twins(self, missing: Iterable[str], others: Collection[str]) -> None:
        """Raises TopicMissing where Kafka would not create a topic: in its metrics '.' and '_' are the same."""
        for topic in missing:
            twins = sorted(other for other in others if other != topic and _folded(other) == _folded(topic))
            if twins:
                raise TopicMissing(
                    f"the topic {topic} cannot stand beside {twins[0]} on {self._bootstrap}: Kafka takes '.' and '_' "
                    "for the same. Give another --topic, or one of the types, outboxes or databases another name; "
                    "nothing was sent yet"
                )

    def _unreachable(self, admin: AdminClient, error: KafkaError, faults: list[KafkaError]) -> Unreachable:
        """The error with its cause, which librdkafka tells by callback; the call itself has only timed out."""
        admin.poll(0)
        causes = [fault.str() for fault in faults if fault.name() != "_ALL_BROKERS_DOWN"]
        why = causes[-1] if causes else "check host, port and security.protocol"
        return Unreachable(f"Kafka at {self._bootstrap} did not answer: {error.str()}: {self._secrets.hide(why)}")


def known_soon(answer: T, ask: Callable[[], T], is_known: Callable[[T], bool]) -> T:
    """Asks again after an answer that does not know the topic, for LEARNS_SECONDS. Returns the last answer."""
    clock = SystemClock()
    deadline = clock.monotonic() + LEARNS_SECONDS
    while not is_known(answer) and clock.monotonic() < deadline:
        clock.wait(_AGAIN_SECONDS)
        answer = ask()
    return answer


def created(admin: AdminClient, new: list[NewTopic], seconds: float, bootstrap: str) -> Iterator[str]:
    """Creates topics, and yields the name of each that it created, but not of one that another relay created first.

    Iterate over it to its end. Raises TopicMissing, with the command that creates the topic by hand.
    """
    wanted = {topic.topic: topic for topic in new}
    for topic, future in admin.create_topics(new, operation_timeout=seconds).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise TopicMissing(
                    f"topic {topic} could not be created: {error.args[0].str()}. Make it by hand, as the broker wants "
                    f"it: {command(wanted[topic], bootstrap)}"
                ) from error
        else:
            yield topic


def command(topic: NewTopic, bootstrap: str) -> str:
    """The shell command that creates the topic by hand."""
    settings = "".join(f" --config {name}={value}" for name, value in (topic.config or {}).items())
    return (
        f"kafka-topics.sh --bootstrap-server {bootstrap} --create --topic {topic.topic} --partitions "
        f"{topic.num_partitions} --replication-factor {topic.replication_factor}{settings}"
    )


def trouble(client: Producer, topic: str) -> str:
    """Says what may keep Kafka from acknowledging records of `topic`; "" when nothing is wrong.

    With "" for the topic only the brokers are looked at. Blocks for at most ASK_SECONDS.
    """
    try:
        metadata = client.list_topics(topic, timeout=ASK_SECONDS) if topic else client.list_topics(timeout=ASK_SECONDS)
    except KafkaException as error:
        return f"no broker answers ({error.args[0].str()})"
    for number, partition in metadata.topics[topic].partitions.items() if topic else ():
        if partition.leader < 0:
            return f"partition {number} of {topic} has no leader"
        if len(partition.isrs) < len(partition.replicas):
            return (
                f"of partition {number} of {topic} {len(partition.isrs)} of {len(partition.replicas)} replicas are in "
                "sync, fewer perhaps than its min.insync.replicas"
            )
    return ""


def _folded(topic: str) -> str:
    return topic.replace(".", "_")
