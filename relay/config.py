"""What a relay is told to do: a durable reader that delivers to Kafka."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import ClassVar, cast

from outbox.delivery.at_least_once import AtLeastOnce
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.ports import Outgoing, Sink, Target, TransactionalSink
from outbox.errors import CursorMismatch, HistoryLost, LogReplaced, OutboxNotCreated, PoisonMessage
from outbox.log.reader_id import shares_command
from outbox.monitoring.delivery_count import Destination
from outbox.monitoring.no_sequencer_warning import UnsequencedWarning
from outbox.shares.layout import share_cursor
from outbox.shares.share import Share
from outbox.tracing.tracing import Sending, sending
from relay.encoding.encoder import Encoder, is_native
from relay.encoding.record_format import RecordFormat
from relay.encoding.shaped import ShapedEncoder
from relay.encoding.topics import Topics
from relay.errors import InvalidSettings
from relay.kafka.exactly_once import ExactlyOnce
from relay.recovery import RecoveryHints

_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class RelayConfig(DeliveryConfig[Outgoing]):
    """See relay.relay.Relay, whose arguments these are."""

    kind: ClassVar[str] = "relay"

    topics: Topics
    format: RecordFormat = field(default_factory=RecordFormat)
    checked: set[str] = field(default_factory=set)
    """Topics that are known to be there; shared by all threads."""
    unsequenced: UnsequencedWarning | None = None
    """Looks whether others number the messages, for a process that does not."""

    def glance(self) -> None:
        """See DeliveryConfig."""
        if self.unsequenced is not None:
            self.unsequenced.look()

    def topic(self, type: str, key: str | None = None, headers: Mapping[str, str] = _NO_HEADERS) -> str:
        """The topic of a message. Raises InvalidSettings when Kafka would not take its name, Unencodable when that is
        because of its key or headers."""
        collections = self.outbox.collections
        return self.topics.name(
            type, outbox=self.outbox.name, database=collections.database.name, key=key, headers=headers
        )

    def fixed_topics(self, types: Iterable[str]) -> set[str]:
        """The topics of those types of which all messages go to one. Raises as `topic`."""
        return {self.topic(type) for type in types if self.topics.is_fixed(type)}

    def check(self, sink: Sink, topics: Collection[str]) -> None:
        """See Sink.check. These need not be checked when their first records come."""
        sink.check(topics)
        self.checked.update(topics)

    @property
    def destination(self) -> Destination:
        """See DeliveryConfig: its topic; where messages choose theirs, the template, for there may be any number."""
        template = self.topics.template
        return itemgetter(1) if self.topics.are_fixed else lambda _: template

    def sending(self, items: Sequence[Outgoing]) -> Sending | None:
        """See DeliveryConfig."""
        return sending(items)

    def encoder(self, target: Target[Outgoing], log: str) -> Encoder | ShapedEncoder:
        """See DeliveryConfig. A topic that was not there at the start is checked on first use."""

        def checked_topic(type: str, key: str | None = None, headers: Mapping[str, str] = _NO_HEADERS) -> str:
            topic = self.topic(type, key, headers)
            if topic not in self.checked:
                self.check(cast(Sink, target), [topic])
            return topic

        def fixed_topic(type: str) -> str:
            return checked_topic(type) if self.topics.is_fixed(type) else ""

        if self.format.is_of_values and self.topics.are_fixed:
            return Encoder(checked_topic, log, self.format.form)
        source = f"/{self.outbox.collections.database.name}/{self.outbox.name}"
        topic_of = None if self.topics.are_fixed else checked_topic
        return ShapedEncoder(Encoder(fixed_topic, log, self.format.form), self.format, topic_of, source)

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
