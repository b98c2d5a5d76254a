"""What a consumer is told to do: a durable reader that hands records to a function of this program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from outbox.consumers.decoding import Delivery, RecordDecoder
from outbox.consumers.in_transaction import InTransaction, WithEffects
from outbox.delivery.at_least_once import AtLeastOnce
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.ports import Target, Wanted
from outbox.errors import (
    CursorMismatch,
    HistoryLost,
    InvalidConsumer,
    LogReplaced,
    OutboxError,
    OutboxNotCreated,
    PoisonMessage,
)
from outbox.log.batch import MAX_RECORDS, PORTION
from outbox.log.reader_id import forget_command, reset_command, shares_command
from outbox.log.record import Decode
from outbox.readers.query import Query
from outbox.shares.layout import share_cursor
from outbox.shares.share import Share


@dataclass(frozen=True)
class ConsumerConfig(DeliveryConfig[Delivery]):
    """See outbox.consumers.consumer.Consumer, whose arguments these are. decode: makes a record's `message`."""

    kind: ClassVar[str] = "consumer"
    drain_seconds: ClassVar[float | None] = None

    query: Query
    decode: Decode

    @property
    def wanted(self) -> Wanted | None:
        """See DeliveryConfig."""
        is_choosy = self.query.types is not None or self.query.key is not None
        return self.query.wants if is_choosy else None

    def encoder(self, target: Target[Delivery], log: str) -> RecordDecoder:
        """See DeliveryConfig."""
        # A transaction is of what waits together; for all others, what is decoded late is soon forgotten again.
        portion = MAX_RECORDS if isinstance(target, InTransaction) else PORTION
        return RecordDecoder(self.decode, self.wanted, portion)

    @property
    def begins(self) -> str:
        """See DeliveryConfig."""
        return "handling after seq %d (fence %d)"

    def delivery(self, target: Target[Delivery], share: Share) -> AtLeastOnce:
        """See DeliveryConfig: with its effects, for a handler in a transaction."""
        cursors = share_cursor(self.outbox.collections.cursors, self.reader, share)
        if isinstance(target, InTransaction):
            target.delivery = WithEffects(self.outbox, cursors, target.sessions)
            return target.delivery
        return AtLeastOnce(self.outbox, cursors)

    def hint(self, error: PoisonMessage) -> str:
        """See DeliveryConfig."""
        skip = f"{reset_command(self.reader)} --to {error.seq}"
        return (
            "Remove the cause and run it again; or let it put such messages aside: on_poison='park-key' or "
            f"'dead-letter'; or skip this one for good: {skip}"
        )

    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """See DeliveryConfig."""
        if isinstance(lost, OutboxNotCreated):
            return "Create the outbox, and run it again: Outbox(…).create(), or `outbox create APP`"
        return (
            f"`{reset_command(self.reader)} --to earliest` goes on with what the log holds, `--to latest` with what "
            f"comes; `{forget_command(self.reader)}` lets it begin anew where its `start` says"
        )

    def other_shares(self, there_are: int, given: int) -> OutboxError:
        """See DeliveryConfig."""
        return InvalidConsumer(
            f"{self.reader} has {there_are} share(s), not {given}: leave shares= out. "
            f"`{shares_command(self.reader, given)}` changes the number"
        )
