"""The Kafka sink: librdkafka's producer, with the settings that the guarantees stand on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # NewTopic is public, but their stub hides it
    AdminClient,
    NewTopic,
)

from relay import kafka_errors
from relay.errors import DeliveryFailed, InvalidSettings, TopicMissing, Unreachable, Verdict
from relay.secrets import Secrets
from relay.sink import Outgoing

log = logging.getLogger("relay.kafka")

CHECK_SECONDS = 5.0
_REPORT_SECONDS = 1.0

LOCKED: Mapping[str, str | bool | int] = {
    "enable.idempotence": True,
    # One record that fails for good ends the producer: without this, later records of its key overtake it (measured).
    "enable.gapless.guarantee": True,
    "acks": "all",
    # For ever: with a finite time later records of a key overtake one that timed out (measured).
    "message.timeout.ms": 0,
    # Where Java's clients place keys, so that a topic with several writers keeps each key in one partition.
    "partitioner": "murmur2_random",
    # Looking a topic up may create it (measured), with the broker's defaults instead of the wanted partitions.
    "allow.auto.create.topics": False,
    # More than any broker's limit in practice, so that it is the broker who names the record it refuses.
    "message.max.bytes": 8 << 20,
    "delivery.report.only.error": False,
}
"""Settings that cannot be changed: delivery, order or placement would be weaker."""

_OTHER_NAMES = {"request.required.acks": "acks", "delivery.timeout.ms": "message.timeout.ms"}
_ELSEWHERE = {
    "bootstrap.servers": "it is given as --kafka",
    "metadata.broker.list": "it is given as --kafka",
    "transactional.id": "--exactly-once makes it from the database, the outbox and the relay's name",
}
DEFAULTS: Mapping[str, str | int] = {
    # Records come in chunks, so batches form by themselves: 1 or 5 ms more were all delay and no throughput (measured:
    # acknowledged after 1.1 ms at 200/s, against 2.0 and 6.5; from a full log no difference beyond the noise).
    "linger.ms": 0,
    # What the sink may hold, which bounds the process's memory however long a broker is away.
    "queue.buffering.max.messages": 10_000,
    "queue.buffering.max.kbytes": 16 << 10,
    "client.id": "mongo-outbox-relay",
}
"""Settings of ours that may be changed."""


@dataclass(frozen=True)
class NewTopics:
    """How to make topics that are missing. Both from 1; the broker refuses more replicas than it has nodes."""

    partitions: int
    replication: int


def check_settings(settings: Mapping[str, str]) -> None:
    """Raises InvalidSettings for a setting that is locked, naming it and never its value."""
    for key in settings:
        name = _OTHER_NAMES.get(key, key)
        if name in LOCKED:
            raise InvalidSettings(f"the Kafka setting {key!r} is locked to {LOCKED[name]!r}: guarantees stand on it")
        if key in _ELSEWHERE:
            raise InvalidSettings(f"the Kafka setting {key!r} cannot be set here: {_ELSEWHERE[key]}")


class KafkaSink:
    """Delivers to Kafka; the contract is relay.sink.Sink's.

    `settings` are librdkafka's, by its own names; those in LOCKED cannot be given. `create` makes missing topics
    instead of refusing to start. Raises InvalidSettings, here for a locked setting, in `check` and `open` for one that
    librdkafka does not take.
    """

    def __init__(
        self, bootstrap: str, settings: Mapping[str, str] | None = None, *, create: NewTopics | None = None
    ) -> None:
        given = {} if settings is None else dict(settings)
        check_settings(given)
        self.bootstrap = bootstrap
        self._given = given
        self._create = create
        self._secrets = Secrets(given)
        self._settings: dict[str, Any] = {**DEFAULTS, **given, **LOCKED, "bootstrap.servers": bootstrap}
        self._producer: Producer | None = None
        self._acknowledged: Callable[[int], object] = _nobody
        self._failed: list[tuple[int, KafkaError]] = []
        self._singly = False

    def another(self) -> KafkaSink:
        """See Sink.another."""
        return KafkaSink(self.bootstrap, self._given, create=self._create)

    def check(self, topics: Collection[str]) -> None:
        """See Sink.check. One request a topic, and one more to create what is missing."""
        faults: list[KafkaError] = []
        admin = self._client(AdminClient, {"error_cb": faults.append})
        missing = self._missing(admin, sorted(topics), faults)
        if missing and self._create is not None:
            self._make(admin, missing, self._create)
        elif missing:
            raise TopicMissing(
                f"no such topic on {self.bootstrap}: {', '.join(missing)}. Create it, or let the relay do so: "
                f"--create-topic partitions=3,replication=1"
            )

    def _missing(self, admin: AdminClient, topics: list[str], faults: list[KafkaError]) -> list[str]:
        if not topics:
            # No message type yet; that a broker answers is still worth knowing.
            try:
                admin.list_topics(timeout=CHECK_SECONDS)
            except KafkaException as error:
                raise self._unreachable(admin, error.args[0], faults) from error
            return []
        missing = []
        for topic in topics:
            # Not describe_topics: it asks the controller, which librdkafka's mock broker does not have.
            try:
                fault = admin.list_topics(topic, timeout=CHECK_SECONDS).topics[topic].error
            except KafkaException as error:
                raise self._unreachable(admin, error.args[0], faults) from error
            if fault is None or fault.name() == "LEADER_NOT_AVAILABLE":  # the latter: it was made a moment ago
                continue
            if fault.name() in {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"}:
                missing.append(topic)
            elif kafka_errors.verdict(fault.name()) is Verdict.CONFIG:
                raise TopicMissing(f"topic {topic}: {kafka_errors.explanation(fault.name(), fault.str())}")
            else:
                raise self._unreachable(admin, fault, faults)
        return missing

    def _unreachable(self, admin: AdminClient, error: KafkaError, faults: list[KafkaError]) -> Unreachable:
        """The call itself only knows that its time was over: librdkafka says by callback why it cannot connect."""
        admin.poll(0)
        causes = [fault.str() for fault in faults if fault.name() != "_ALL_BROKERS_DOWN"]
        why = causes[-1] if causes else "check host, port and security.protocol"
        return Unreachable(f"Kafka at {self.bootstrap} did not answer: {error.str()}: {self._secrets.hide(why)}")

    def _make(self, admin: AdminClient, topics: list[str], create: NewTopics) -> None:
        new = [NewTopic(topic, create.partitions, create.replication) for topic in topics]
        for topic in created(admin, new, CHECK_SECONDS):
            log.info("created topic %s with %d partition(s)", topic, create.partitions)

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """See Sink.open."""
        self.close()
        self._acknowledged = acknowledged
        self._producer = self._client(Producer, {"batch.num.messages": 1} if self._singly else {})

    def _client(self, client: Callable[..., Any], more: dict[str, Any]) -> Any:
        try:
            return client({**self._settings, **more}, logger=self._log())
        except KafkaException as error:
            raise InvalidSettings(f"Kafka settings: {self._secrets.hide(error.args[0].str())}") from None
        except (TypeError, ValueError, AttributeError) as error:  # a name that the Python client has for a callback
            raise InvalidSettings(f"Kafka settings: {self._secrets.hide(str(error))}") from None

    def _log(self) -> logging.Logger:
        logger = logging.getLogger("relay.librdkafka")
        logger.addFilter(_worth_reading)
        logger.addFilter(self._secrets)
        return logger

    def send(self, batch: Sequence[Outgoing]) -> int:
        """See Sink.send."""
        produce, report = self._open_producer().produce, self._report
        sent = 0
        try:
            for seq, topic, key, value, headers in batch:
                produce(topic, value, key, on_delivery=partial(report, seq), headers=headers)  # type: ignore[arg-type]  # a list of pairs is fine, its stub is invariant
                sent += 1
        except BufferError:
            return sent
        except KafkaException as error:
            name = error.args[0].name()
            verdict = kafka_errors.verdict(name)
            raise DeliveryFailed(
                None if verdict is Verdict.RETRY else batch[sent][0],
                verdict,
                kafka_errors.explanation(name, error.args[0].str()),
            ) from error
        return sent

    def _report(self, seq: int, error: KafkaError | None, _: Message) -> None:
        # Also called while a fatal error is on its way out of poll(): do little, and ask `error` nothing.
        if error is None:
            self._acknowledged(seq)
        else:
            self._failed.append((seq, error))

    def poll(self, seconds: float) -> None:
        """See Sink.poll."""
        producer = self._open_producer()
        try:
            producer.poll(seconds)
        except KafkaException as fatal:
            self._collect(producer)
            raise self._failure(fatal.args[0].str()) from fatal
        if self._failed:
            self._collect(producer)
            raise self._failure("")

    def _collect(self, producer: Producer) -> None:
        """Gets the reports that a failure set off, for the record to blame is among them."""
        try:
            producer.flush(_REPORT_SECONDS)
        except KafkaException as error:  # the same fatal error, raised again for what it ended
            log.debug("while collecting reports: %s", error)

    def _failure(self, fatal: str) -> DeliveryFailed:
        """The failure to act on: the first record that was refused for what it is, else the first that failed."""
        failed = sorted(((seq, error.name(), error.str()) for seq, error in self._failed), key=lambda each: each[0])
        if not failed:
            return DeliveryFailed(None, Verdict.RETRY, fatal)
        refused = [each for each in failed if kafka_errors.verdict(each[1]) is not Verdict.RETRY]
        seq, name, says = (refused or failed)[0]
        verdict, reason = kafka_errors.verdict(name), kafka_errors.explanation(name, says)
        if verdict is Verdict.POISON and not self._singly:
            # The broker refuses a whole batch, whichever record of it is to blame. So send them one by one from here.
            self._singly = True
            reason += (
                ". It was refused together with its batch; from here on records are sent one by one, which is slower. "
                "If none of them is too large by itself, give --set batch.size= the topic's max.message.bytes"
            )
            return DeliveryFailed(seq, Verdict.RETRY, reason)
        self._singly = self._singly and verdict is not Verdict.POISON  # until the one to blame is found
        return DeliveryFailed(seq, verdict, reason)

    def close(self) -> None:
        """See Sink.close."""
        producer, self._producer = self._producer, None
        self._acknowledged = _nobody
        if producer is not None:
            try:
                self._end(producer)
            except KafkaException as error:  # a producer that had failed for good says so once more
                log.debug("while closing: %s", error)
        self._failed.clear()

    def _end(self, producer: Producer) -> None:
        producer.purge(in_queue=True, in_flight=True, blocking=False)
        producer.close()

    def _open_producer(self) -> Producer:
        if self._producer is None:
            raise RuntimeError("the sink is not open: call open() first")
        return self._producer


def created(admin: AdminClient, new: list[NewTopic], seconds: float) -> Iterator[str]:
    """Creates topics, and names each that it has made: not one that another relay was first with. Raises TopicMissing.

    To be iterated over to its end.
    """
    for topic, future in admin.create_topics(new, operation_timeout=seconds).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise TopicMissing(f"topic {topic} could not be created: {error.args[0].str()}") from error
        else:
            yield topic


def _nobody(_: int) -> None:
    """Acknowledgements that come after close() are nobody's."""


def _worth_reading(line: logging.LogRecord) -> bool:
    said = line.getMessage()
    # Said at every start: librdkafka still calls the setting experimental, seven years and many releases on.
    if "enable.gapless.guarantee is experimental" in said:
        return False
    # All clients get the same settings, and a consumer has no use for some of them.
    return "is a producer property and will be ignored" not in said
