"""What a relay is told to do: a durable reader that delivers to Kafka."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from outbox.delivery.at_least_once import AtLeastOnce
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.ports import Sink, TransactionalSink
from outbox.errors import PoisonMessage
from outbox.shares.layout import share_cursor
from outbox.shares.share import Share
from relay.encoding.encoder import Encoder, is_native
from relay.encoding.topics import Topics
from relay.kafka.exactly_once import ExactlyOnce
from relay.recovery import RecoveryHints


@dataclass(frozen=True)
class RelayConfig(DeliveryConfig):
    """See relay.relay.Relay, whose arguments these are."""

    topics: Topics
    checked: set[str] = field(default_factory=set)
    """Topics that are known to be there; shared by all threads."""

    def topic(self, type: str) -> str:
        """The topic of a message type. Raises InvalidSettings when Kafka would not take its name."""
        return self.topics.name(type, outbox=self.outbox.name, database=self.outbox.collections.database.name)

    def check(self, sink: Sink, topics: Collection[str]) -> None:
        """See Sink.check. These need not be checked when their first records come."""
        sink.check(topics)
        self.checked.update(topics)

    def encoder(self, sink: Sink, log: str) -> Encoder:
        """See DeliveryConfig. A topic that was not there at the start is checked on first use."""

        def checked_topic(type: str) -> str:
            topic = self.topic(type)
            if topic not in self.checked:
                self.check(sink, [topic])
            return topic

        return Encoder(checked_topic, log)

    @property
    def encoder_kind(self) -> str:
        """See DeliveryConfig."""
        return "compiled" if is_native() else "Python"

    def delivery(self, sink: Sink, share: Share) -> AtLeastOnce:
        """See DeliveryConfig: exactly once to a sink that has transactions."""
        stored = self.outbox.collections.cursors
        if isinstance(sink, TransactionalSink):
            return ExactlyOnce(self.outbox, share_cursor(stored, self.name, share, in_kafka=True), sink)
        return AtLeastOnce(self.outbox, share_cursor(stored, self.name, share))

    def hint(self, error: PoisonMessage) -> str:
        """See DeliveryConfig."""
        return RecoveryHints(self.outbox.collections, self.name).on_poison(error)
