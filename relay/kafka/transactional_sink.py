"""Delivers records to Kafka exactly once: each transaction commits records together with the cursor after them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer

from outbox.delivery.ports import Outgoing
from outbox.shares.share import is_of
from relay.errors import DeliveryFailed, DeliveryRefused, InvalidSettings, Verdict
from relay.kafka import errors
from relay.kafka.cursor_topic import PARTITION, CursorTopic
from relay.kafka.sink import KafkaSink
from relay.kafka.topic_admin import NewTopics

CURSORS = "mongo-outbox.cursors"
ID = "mongo-outbox/{name}"
"""The `transactional.id` of the relay `name`."""
RECORDS = 5_000
"""Records in a transaction at most, but for the rest of a batch. A commit takes 6 ms, and as long as the last records
need to arrive (measured): larger transactions bring no more throughput, only more delay."""
_FEW = 100
"""A shorter batch comes from the log's end: it is committed without waiting for more."""
_COMMIT_SECONDS = 1.0
_TAKE_OVER_SECONDS = 5.0
_STORE_SECONDS = 5.0
_ABORT_SECONDS = 2.0
_TRANSACTIONAL = {
    # Nothing arrives that is not committed, and a transaction with a failed record never is.
    "enable.gapless.guarantee": False,
    "delivery.report.only.error": True,
}


class KafkaTransactions(KafkaSink):
    """Delivers to Kafka in transactions; the contract is outbox.delivery.ports.TransactionalSink's.

    Settings as KafkaSink.

    `create` also makes the topic `cursors`, compacted, if it is missing; `check` refuses one that is not compacted.
    """

    def __init__(
        self,
        bootstrap: str,
        settings: Mapping[str, str] | None = None,
        *,
        create: NewTopics | None = None,
        cursors: str = CURSORS,
    ) -> None:
        super().__init__(bootstrap, settings, create=create)
        self._settings |= _TRANSACTIONAL
        # librdkafka limits it to the transaction's own timeout. A record that is not delivered by then is sent again.
        del self._settings["message.timeout.ms"]
        self._cursors = CursorTopic(cursors, bootstrap, self._client)
        self._name = ""
        self._cursor: Callable[[Outgoing], str] = _no_cursor
        self._checked = False
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        self._sent: list[int] = []
        self._last: Outgoing | None = None
        self._is_open = False
        self._is_ending = False
        self._is_due = False

    def another(self) -> KafkaTransactions:
        """See Sink.another."""
        made = KafkaTransactions(self.bootstrap, self._given, create=self._create, cursors=self._cursors.name)
        return self._share_silence(made)

    def check(self, topics: Collection[str]) -> None:
        """See Sink.check. The first call also checks the topic of the cursors."""
        if self._cursors.name in topics:
            raise InvalidSettings(
                f"the topic {self._cursors.name} has the cursors of --exactly-once, and is no topic for records: give "
                "another --topic"
            )
        super().check(topics)
        if not self._checked:
            self._cursors.check(None if self._create is None else self._create.replication)
            self._checked = True

    def take_over(self, name: str, cursor: Callable[[Outgoing], str]) -> str | None:
        """See TransactionalSink.take_over."""
        self.close()
        self._name, self._cursor = name, cursor
        self._producer = self._new_producer({"transactional.id": ID.format(name=name)})
        try:
            self._producer.init_transactions(_TAKE_OVER_SECONDS)
        except KafkaException as error:
            self.close()
            raise _failure(error.args[0], f"the transactions of {name!r} cannot be taken over yet: ") from error
        return self._cursors.read(name)

    def stored(self, name: str) -> Mapping[str, str]:
        """See TransactionalSink.stored."""
        return {relay: text for relay, text in self._cursors.all().items() if is_of(relay, name)}

    def store(self, cursor: str) -> None:
        """See TransactionalSink.store."""
        producer = self._open_producer()
        try:
            producer.begin_transaction()
            self._is_open = True
            producer.produce(self._cursors.name, cursor, self._name, PARTITION)
            producer.commit_transaction(_STORE_SECONDS)
        except KafkaException as error:
            raise _failure(error.args[0]) from error
        self._is_open = False

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """See Sink.open."""
        self._open_producer()
        self._acknowledged = acknowledged

    def send(self, batch: Sequence[Outgoing]) -> int:
        """See Sink.send. Takes none while a transaction is being committed."""
        producer = self._open_producer()
        if self._is_ending or not batch:
            return 0
        if not self._is_open:
            try:
                producer.begin_transaction()
            except KafkaException as error:
                raise _failure(error.args[0]) from error
            self._is_open = True
        try:
            sent = super().send(batch)
        except DeliveryFailed as failed:
            if failed.seq is None:
                raise self._cause(producer, failed) from failed
            self._add([outgoing for outgoing in batch if outgoing[0] < failed.seq])
            raise
        self._add(batch[:sent])
        return sent

    def _cause(self, producer: Producer, failed: DeliveryFailed) -> DeliveryFailed:
        """Finds the reason by aborting: of a producer that the broker ended, produce() says only that it has ended."""
        try:
            producer.abort_transaction(_ABORT_SECONDS)
        except KafkaException as error:
            return _failure(error.args[0])
        self._is_open = False
        return failed

    def _add(self, sent: Sequence[Outgoing]) -> None:
        if sent:
            self._sent.extend(outgoing[0] for outgoing in sent)
            self._last = sent[-1]
        self._is_due = len(sent) < _FEW or len(self._sent) >= RECORDS

    def poll(self, seconds: float) -> None:
        """See TransactionalSink.poll: commits when it is time to, else waits as Sink.poll."""
        due, self._is_due = self._is_due, True  # by the next time, unless more is sent
        if self._last is not None and due and not self._failed:
            self._commit(self._last)
        else:
            super().poll(0 if self._last is not None else seconds)

    def _commit(self, last: Outgoing) -> None:
        producer = self._open_producer()
        try:
            if not self._is_ending:
                producer.produce(self._cursors.name, self._cursor(last), self._name, PARTITION)
                self._is_ending = True
            producer.commit_transaction(_COMMIT_SECONDS)
        except BufferError:  # full of records that the broker has not taken yet
            super().poll(_COMMIT_SECONDS)
            return
        except KafkaException as error:
            if error.args[0].retriable() and not self._failed:  # a broker that is away: the next poll goes on
                self._check_silence()
                return
            raise self._failed_commit(error.args[0]) from error
        sent = self._sent
        self._forget_transaction()
        self._watch.flight.land()
        for seq in sent:
            self._acknowledged(seq)

    def _failed_commit(self, error: KafkaError) -> DeliveryFailed:
        """The failure to act on: a record that was refused says more than the transaction that failed because of it."""
        producer = self._open_producer()
        if error.name() == "_STATE":  # it had failed before the cursor was added, and its reports are not here yet
            self._collect(producer)
        if any(errors.verdict(cause.name()) is not Verdict.RETRY for _, cause in self._failed):
            return self._failure("")
        if error.name() not in ("_FATAL", "_STATE"):
            return _failure(error)
        return self._cause(producer, self._failure("") if self._failed else _failure(error))

    def close(self) -> None:
        """See Sink.close."""
        super().close()
        self._forget_transaction()

    def _end(self, producer: Producer) -> None:
        """Ends the producer without Producer.close(), which waits for ever if the broker is away (measured)."""
        if self._is_open:
            # So that those who read committed need not wait for the transaction's end. If that fails, because it is
            # fenced or the broker is away, the next one to take over ends it.
            producer.abort_transaction(_ABORT_SECONDS)
        producer.purge(in_queue=True, in_flight=True, blocking=False)


def _failure(error: KafkaError, what: str = "") -> DeliveryFailed:
    """The failure of a transaction. Raises DeliveryRefused when somebody has to change something first.

    what: begins the reason, where librdkafka's own does not say what has failed.
    """
    reason = what + errors.explanation(error.name(), error.str())
    if errors.verdict(error.name()) is Verdict.CONFIG:
        raise DeliveryRefused(reason)
    return DeliveryFailed(None, Verdict.RETRY, reason, code=error.name())


def _no_cursor(_: Outgoing) -> str:
    raise RuntimeError("nothing was taken over: call take_over() first")
