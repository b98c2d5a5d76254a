"""What a relay is told to do: a durable reader that delivers to Kafka."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from operator import itemgetter
from typing import ClassVar, cast

from outbox.delivery.at_least_once import AtLeastOnce
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.ports import Outgoing, Sink, Target, TransactionalSink
from outbox.errors import CursorMismatch, HistoryLost, LogReplaced, OutboxNotCreated, PoisonMessage
from outbox.log.reader_id import shares_command
from outbox.monitoring.delivery_count import Destination
from outbox.shares.layout import share_cursor
from outbox.shares.share import Share
from relay.encoding.encoder import Encoder, is_native
from relay.encoding.topics import Topics
from relay.errors import InvalidSettings
from relay.kafka.exactly_once import ExactlyOnce
from relay.recovery import RecoveryHints


@dataclass(frozen=True)
class RelayConfig(DeliveryConfig[Outgoing]):
    """See relay.relay.Relay, whose arguments these are."""

    kind: ClassVar[str] = "relay"

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

    @property
    def destination(self) -> Destination:
        """See DeliveryConfig: its topic."""
        return itemgetter(1)

    def encoder(self, target: Target[Outgoing], log: str) -> Encoder:
        """See DeliveryConfig. A topic that was not there at the start is checked on first use."""

        def checked_topic(type: str) -> str:
            topic = self.topic(type)
            if topic not in self.checked:
                self.check(cast(Sink, target), [topic])
            return topic

        return Encoder(checked_topic, log)

    @property
    def begins(self) -> str:
        """See DeliveryConfig."""
        return f"relaying after seq %d (fence %d, {'compiled' if is_native() else 'Python'} encoder)"

    def delivery(self, target: Target[Outgoing], share: Share) -> AtLeastOnce:
        """See DeliveryConfig: exactly once to a sink that has transactions."""
        stored = self.outbox.collections.cursors
        if isinstance(target, TransactionalSink):
            return ExactlyOnce(self.outbox, share_cursor(stored, self.reader, share, in_kafka=True), target)
        return AtLeastOnce(self.outbox, share_cursor(stored, self.reader, share))

    def hint(self, error: PoisonMessage) -> str:
        """See DeliveryConfig."""
        return RecoveryHints(self.outbox.collections, self.name).on_poison(error)

    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """See DeliveryConfig."""
        return RecoveryHints(self.outbox.collections, self.name).on_a_lost_place(lost)

    def other_shares(self, there_are: int, given: int) -> InvalidSettings:
        """See DeliveryConfig."""
        return InvalidSettings(
            f"relay {self.name!r} has {there_are} share(s), not {given}. Start it without --shares; "
            f"`{shares_command(self.reader, given)}` changes the number"
        )
