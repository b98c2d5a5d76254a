"""Delivers records to Kafka at least once, through librdkafka's idempotent producer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from outbox.clock import SystemClock
from outbox.counting.tally import Counts
from outbox.delivery.ports import Outgoing
from relay.errors import DeliveryFailed, InvalidSettings, Verdict
from relay.kafka import errors
from relay.kafka.log import RepetitionFilter
from relay.kafka.partitions import BY_KEY, Partitions
from relay.kafka.secrets import Secrets
from relay.kafka.settings import DEFAULTS, LOCKED, check_settings
from relay.kafka.topic_admin import CHECK_SECONDS, NewTopics, TopicCheck, trouble
from relay.kafka.watch import Generation, Silence, Watch
from relay.origin import Origin

logger = logging.getLogger("relay.kafka")

S = TypeVar("S", bound="KafkaSink")

_REPORT_SECONDS = 1.0


class KafkaSink:
    """Delivers to Kafka; the contract is outbox.delivery.ports.Sink's.

    `settings` are librdkafka's, by its own names; those in LOCKED cannot be given. `create` makes missing topics
    instead of refusing to start. Raises InvalidSettings, here for a locked setting, in `check` and `open` for one that
    librdkafka does not take.
    """

    def __init__(
        self, bootstrap: str, settings: Mapping[str, str] | None = None, *, create: NewTopics | None = None
    ) -> None:
        clock = SystemClock()
        given = {} if settings is None else dict(settings)
        check_settings(given)
        self.bootstrap = bootstrap
        self._given = given
        self._create = create
        self._secrets = Secrets(given)
        self._settings: dict[str, Any] = {**DEFAULTS, **given, **LOCKED, "bootstrap.servers": bootstrap}
        self.broker_errors = Counts(*errors.BROKER_ERRORS)
        """What went wrong between this client and the brokers, by librdkafka's names; with that of `another`."""
        self._watch = Watch(Silence(bootstrap, clock), clock)
        self.cluster: str | None = None
        """The id of the Kafka cluster; None before `check`."""
        self._topic = ""
        self._probing = threading.Lock()
        self._probe: AdminClient | None = None
        self._producer: Producer | None = None
        self._acknowledged: Callable[[int], object] = _ignore
        self._failed: list[tuple[int, KafkaError]] = []
        self._singly = False
        self._partitions = Partitions(self._partition_count)

    def another(self) -> KafkaSink:
        """See Sink.another."""
        return self._share_silence(KafkaSink(self.bootstrap, self._given, create=self._create))

    def _share_silence(self, other: S) -> S:
        """Makes another sink of the same Kafka report silence together with this one, once for both, and count so."""
        other.broker_errors = self.broker_errors
        other._watch = Watch(self._watch.silence, SystemClock())
        return other

    def check(self, topics: Collection[str]) -> None:
        """See Sink.check. One request a topic, and two more to create what is missing."""
        looking = TopicCheck(self.bootstrap, self._client, self._secrets)
        looking.check(topics, self._create)
        self.cluster = looking.cluster

    def unreachable(self, seconds: float) -> str:
        """Says why no broker answers within so many seconds; "" when one does. Thread-safe; by a client of its own."""
        with self._probing:
            try:
                # Of one topic, which may be missing: a cluster may have thousands.
                self.admin().list_topics(self._topic or "mongo-outbox.cursors", timeout=seconds)
            except KafkaException as error:
                return f"Kafka at {self.bootstrap} does not answer: {self._secrets.hide(error.args[0].str())}"
        return ""

    def silence(self) -> str:
        """Says for how long Kafka has acknowledged nothing of what this sink, or `another`, has sent, and why; "" when
        it does. Thread-safe; it asks nobody."""
        return self._watch.silence.described()

    def admin(self) -> AdminClient:
        """Returns a client for looking at the brokers, made once. Raises InvalidSettings."""
        if self._probe is None:
            self._probe = self._client(AdminClient, {})
        return self._probe

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """See Sink.open."""
        self.close()
        self._acknowledged = acknowledged
        self._producer = self._new_producer({})

    def _new_producer(self, more: dict[str, Any]) -> Producer:
        singly = {"batch.num.messages": 1} if self._singly else {}
        producer: Producer = self._client(Producer, {**singly, **more, "error_cb": self._on_error})
        return producer

    def _on_error(self, error: KafkaError) -> None:
        """Takes an error of a connection; errors of records come with their reports."""
        self.broker_errors.add(error.name())
        if error.name() == "_ALL_BROKERS_DOWN":
            self._watch.down()
        else:
            self._watch.fault(error.name(), self._secrets.hide(error.str()))

    def _client(self, kind: Callable[..., Any], more: dict[str, Any]) -> Any:
        """Makes a client of this kind, a class of confluent_kafka, with `more` settings. Raises InvalidSettings."""
        try:
            return kind({**self._settings, **more}, logger=self._client_logger())
        except KafkaException as error:
            raise InvalidSettings(f"Kafka settings: {self._secrets.hide(error.args[0].str())}") from None
        except (TypeError, ValueError, AttributeError) as error:  # a name that the Python client has for a callback
            raise InvalidSettings(f"Kafka settings: {self._secrets.hide(str(error))}") from None

    def _client_logger(self) -> logging.Logger:
        logger = logging.getLogger("relay.librdkafka")
        logger.addFilter(_REPETITIONS)
        logger.addFilter(self._secrets)
        return logger

    def send(self, batch: Sequence[Outgoing]) -> int:
        """See Sink.send."""
        produce, report = self._open_producer().produce, self._report
        flight = self._watch.flight
        generation = flight.sending()
        sent = 0
        origin: list[Origin]
        try:
            for seq, topic, key, value, headers, *origin in batch:
                produce(
                    topic, value, key, on_delivery=partial(report, seq, generation), headers=headers,  # type: ignore[arg-type]  # a list of pairs is fine, its stub is invariant
                    timestamp=origin[0].date if origin else 0,
                    partition=self._partition(topic, origin[0]) if origin else BY_KEY,
                )  # fmt: skip
                sent += 1
        except BufferError:
            if not sent and flight.oldest is None:  # the queue is empty
                raise self._too_large(batch[0], "queue.buffering.max.kbytes") from None
        except KafkaException as error:
            name = error.args[0].name()
            if name == "MSG_SIZE_TOO_LARGE":
                raise self._too_large(batch[sent], "message.max.bytes") from error
            verdict = errors.verdict(name)
            raise DeliveryFailed(
                None if verdict is Verdict.RETRY else batch[sent][0],
                verdict,
                errors.explanation(name, error.args[0].str()),
                code=name,
            ) from error
        finally:
            flight.add(generation, sent)
        self._topic = batch[-1][1] if batch else self._topic
        return sent

    def _partition(self, topic: str, origin: Origin) -> int:
        return BY_KEY if origin.partition_key is None else self._partitions.of(topic, origin.partition_key)

    def _partition_count(self, topic: str) -> int:
        """Asks Kafka; blocks for at most CHECK_SECONDS. Raises KafkaException."""
        found = self._open_producer().list_topics(topic, timeout=CHECK_SECONDS).topics[topic]
        if not found.partitions:  # what `check` found a moment ago is gone, or has no leader yet
            raise KafkaException(found.error or KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
        return len(found.partitions)

    def _too_large(self, record: Outgoing, limit: str) -> DeliveryFailed:
        """The error for a record over a limit of this client, counted before compression; no broker was asked."""
        seq, value = record[0], record[3]
        hint = "" if limit in LOCKED else f": --set {limit}= a larger one"
        return DeliveryFailed(
            seq,
            Verdict.POISON,
            f"its value takes {len(value or b'')} bytes, more than the relay's own {limit} of "
            f"{self._settings[limit]}, which counts before compression{hint}",
        )

    def _report(self, seq: int, generation: Generation, error: KafkaError | None, _: Message) -> None:
        # Also called while a fatal error is on its way out of poll(): do little, and ask `error` nothing.
        generation.waiting -= 1
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
        self._check_silence()

    def _check_silence(self) -> None:
        """Logs that Kafka is silent. Raises DeliveryFailed when a new client may be able to connect."""
        producer = self._open_producer()
        if self._watch.check(lambda: trouble(producer, self._topic)) and self._watch.refused:
            # Certificates, keys and authorities are read from their files when a client is made, and never again.
            raise DeliveryFailed(
                None, Verdict.RETRY, f"{self._watch.refused}; connecting anew, with what stands in the files by now"
            )

    def _collect(self, producer: Producer) -> None:
        """Waits for the reports that a failure brings: the record to blame is among them."""
        try:
            producer.flush(_REPORT_SECONDS)
        except KafkaException as error:  # the same fatal error, raised again for what it ended
            logger.debug("while collecting reports: %s", error)

    def _failure(self, fatal: str) -> DeliveryFailed:
        """The failure to act on: of the first record that was refused as it is, else of the first that failed."""
        failed = sorted(((seq, error.name(), error.str()) for seq, error in self._failed), key=itemgetter(0))
        if not failed:
            return DeliveryFailed(None, Verdict.RETRY, fatal, code="_FATAL")
        refused = [failure for failure in failed if errors.verdict(failure[1]) is not Verdict.RETRY]
        for _, code, _ in failed:
            self.broker_errors.add(code)
        seq, name, text = (refused or failed)[0]
        verdict, reason = errors.verdict(name), errors.explanation(name, text)
        if verdict is Verdict.POISON and not self._singly:
            # The broker refuses a whole batch, whichever record of it is to blame. So send them one by one from here.
            self._singly = True
            reason += (
                ". It was refused together with its batch; from here on records are sent one by one, which is slower. "
                "If none of them is too large by itself, give --set batch.size= the topic's max.message.bytes"
            )
            return DeliveryFailed(seq, Verdict.RETRY, reason, code=name)
        self._singly = self._singly and verdict is not Verdict.POISON  # until the one to blame is found
        return DeliveryFailed(seq, verdict, reason, code=name)

    def close(self) -> None:
        """See Sink.close."""
        producer, self._producer = self._producer, None
        self._acknowledged = _ignore
        if producer is not None:
            try:
                self._end(producer)
            except KafkaException as error:  # a producer that had failed for good says so once more
                logger.debug("while closing: %s", error)
        self._failed.clear()
        self._partitions.forget()
        self._watch.flight.land()

    def _end(self, producer: Producer) -> None:
        producer.purge(in_queue=True, in_flight=True, blocking=False)
        producer.close()

    def _open_producer(self) -> Producer:
        if self._producer is None:
            raise RuntimeError("the sink is not open: call open() first")
        return self._producer


def trouble_of(sinks: Sequence[KafkaSink], seconds: float) -> str:
    """Says why the Kafka of all these sinks does not answer within so many seconds, or acknowledges nothing to one of
    them; "" when all is well."""
    return sinks[0].unreachable(seconds) or next(filter(None, (sink.silence() for sink in sinks)), "")


_REPETITIONS = RepetitionFilter(SystemClock())


def _ignore(_: int) -> None:
    """Takes acknowledgements that come after close()."""
