"""The compacted Kafka topic with the cursors of exactly-once relays: creates, checks and reads it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but their stub hides some
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from relay.errors import DeliveryFailed, TopicMissing, Unreachable, Verdict
from relay.kafka import errors
from relay.kafka.topic_admin import created, known_soon

logger = logging.getLogger("relay.kafka")

PARTITION = 0
"""The one partition of the topic: cursors are few, and one is found without knowing how many partitions there are."""
CALL_SECONDS = 4.0
_POLL_SECONDS = 0.2
_LAST = 1000
"""Records from the end that are read first: the cursor of a relay that was at work a moment ago is among them."""
LAYOUT = {"cleanup.policy": "compact"}
"""Settings that the topic must have, or it would lose a cursor."""
CONVENIENT = {"segment.bytes": str(4 << 20)}
"""Settings that it should have: small segments, because only closed ones are compacted. If a policy of the broker's
refuses them, the topic is created without."""
_AGAINST_SETTINGS = {"POLICY_VIOLATION", "INVALID_CONFIG"}


class CursorTopic:
    """Creates, checks and reads the compacted topic `name`: one record for each relay, and one for each share.

    relay/kafka/transactional_sink.py writes it, in the same transaction as the records.

    client: makes a client of a class of confluent_kafka, with settings.
    """

    def __init__(self, name: str, bootstrap: str, client: Callable[[Callable[..., Any], dict[str, Any]], Any]) -> None:
        self.name = name
        self._bootstrap = bootstrap
        self._client = client

    def check(self, replication: int | None) -> None:
        """Creates the topic if it is missing and `replication` is given. Raises TopicMissing, Unreachable."""
        admin = self._client(AdminClient, {})
        policy = self._policy(admin)
        if policy is None and replication is not None:
            self._create_best(admin, replication)
            return
        policy = known_soon(policy, lambda: self._policy(admin), lambda policy: policy is not None)
        if policy is None:
            raise TopicMissing(
                f"no topic {self.name} on {self._bootstrap}, where --exactly-once keeps its cursors. Let the relay "
                f"make it: --create-topic partitions=3,replication=1; or do so: kafka-topics.sh --bootstrap-server "
                f"{self._bootstrap} --create --topic {self.name} --partitions 1 --config cleanup.policy=compact"
            )
        if policy != "compact":  # with "delete" in it, the cursor of a relay that has nothing to do would go
            raise TopicMissing(
                f"the topic {self.name} has cleanup.policy={policy}: a cursor in it would be deleted in time. Mend it: "
                f"kafka-configs.sh --bootstrap-server {self._bootstrap} --alter --entity-type topics --entity-name "
                f"{self.name} --add-config cleanup.policy=compact"
            )

    def _policy(self, admin: AdminClient) -> str | None:
        """The topic's cleanup.policy; None when there is no such topic."""
        resource = ConfigResource(ResourceType.TOPIC, self.name)
        try:
            settings = admin.describe_configs([resource], request_timeout=CALL_SECONDS)[resource].result()
        except KafkaException as error:
            fault = error.args[0]
            if fault.name() in {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"}:
                return None
            if errors.verdict(fault.name()) is Verdict.CONFIG:
                raise TopicMissing(f"topic {self.name}: {fault.str()}: grant DescribeConfigs on it") from error
            raise Unreachable(f"Kafka at {self._bootstrap} did not answer: {fault.str()}") from error
        return str(settings["cleanup.policy"].value)

    def _create_best(self, admin: AdminClient, replication: int) -> None:
        try:
            self._create(admin, replication, LAYOUT | CONVENIENT)
        except TopicMissing as refused:
            cause = refused.__cause__
            if not isinstance(cause, KafkaException) or cause.args[0].name() not in _AGAINST_SETTINGS:
                raise
            logger.info("%s: the broker may not want %s; trying without", self.name, ", ".join(CONVENIENT))
            self._create(admin, replication, LAYOUT)

    def _create(self, admin: AdminClient, replication: int, layout: dict[str, str]) -> None:
        new = NewTopic(self.name, PARTITION + 1, replication, config=layout)
        for topic in created(admin, [new], CALL_SECONDS, self._bootstrap):
            logger.info("created topic %s for the cursors", topic)

    def read(self, key: str) -> str | None:
        """Returns the newest committed value of `key`; None when there is none, or a null.

        Raises DeliveryFailed, also while the transaction of a relay that has just died is open in the topic: whether
        what comes after it is committed is not known before Kafka has ended that.
        """
        count = _LAST
        while True:
            values, is_all = self._last(count)
            if key in values or is_all:
                return values.get(key)
            count *= 100

    def all(self) -> dict[str, str]:
        """Returns the newest committed value of each key that has one. Raises DeliveryFailed, as `read`."""
        count = _LAST
        while True:
            values, is_all = self._last(count)
            if is_all:
                return {key: value for key, value in values.items() if value is not None}
            count *= 100

    def _last(self, count: int) -> tuple[dict[str, str | None], bool]:
        """The values of the last `count` records by their keys, and whether there are no other records."""
        try:
            admin = self._client(AdminClient, {})
            oldest = self._offset(admin, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # theirs
            end = self._offset(admin, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # as above
            start = max(oldest, end - count)
            return self._newest(start, end), start == oldest
        except KafkaException as error:
            raise self._failed(error.args[0].str()) from error

    def _offset(self, admin: AdminClient, which: OffsetSpec) -> int:
        partition = TopicPartition(self.name, PARTITION)
        return int(admin.list_offsets({partition: which}, request_timeout=CALL_SECONDS)[partition].result().offset)

    def _newest(self, start: int, end: int) -> dict[str, str | None]:
        settings = {
            "group.id": "mongo-outbox",  # must be there; nothing is ever committed for it
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
        values: dict[str, str | None] = {}
        consumer = self._client(Consumer, settings)
        try:
            consumer.assign([TopicPartition(self.name, PARTITION, start)])
            deadline = time.monotonic() + CALL_SECONDS
            while time.monotonic() < deadline:
                message = consumer.poll(_POLL_SECONDS)
                if message is None:
                    continue
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise self._failed(error.str())
                if message.offset() >= end:  # what others have stored since, or that there is nothing more
                    return values
                if error is None:
                    deadline = time.monotonic() + CALL_SECONDS
                    values[_text(message.key()) or ""] = _text(message.value())
        finally:
            consumer.close()
        raise self._failed("its end is not readable yet; perhaps the transaction of a relay that died is still open")

    def _failed(self, why: str) -> DeliveryFailed:
        return DeliveryFailed(None, Verdict.RETRY, f"the cursor in {self.name} could not be read: {why}")


def _text(value: bytes | None) -> str | None:
    """Decodes what anybody may have written: text that is broken is no cursor, and is refused as one later."""
    return None if value is None else value.decode(errors="replace")
