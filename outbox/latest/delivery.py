"""What keeps the view: a durable reader whose records and position commit in one transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from pymongo.client_session import ClientSession

from outbox.consumers.attempts import Attempts
from outbox.consumers.decoding import Delivery
from outbox.consumers.in_transaction import InTransaction, WithEffects
from outbox.consumers.in_turn import Terms
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.ports import Target, Wanted
from outbox.errors import (
    CursorMismatch,
    DeliveryFailed,
    HistoryLost,
    LogReplaced,
    OutboxError,
    OutboxNotCreated,
    PoisonMessage,
    Verdict,
)
from outbox.latest.view import READER, LatestView, deployed_compactions
from outbox.log.batch import Batch
from outbox.log.cursors import CursorStore
from outbox.log.position import Mark, Position
from outbox.log.record import Record
from outbox.mongo.elements import TEXT, Element
from outbox.mongo.lease import Lease
from outbox.shares.layout import share_cursor
from outbox.shares.share import Share

BATCH = 500
"""The most records of one transaction."""
_LOOK_SECONDS = 1.0
"""So old what is known of the compacted types may be; what was missed meanwhile is read again from the log."""


class ViewDelivery(WithEffects):
    """Goes on from the position that was committed with the view, or anew when the view does not cover a type yet."""

    def __init__(self, config: ViewConfig, cursors: CursorStore) -> None:
        super().__init__(config.outbox, cursors)
        self._config = config

    def position(self, lease: Lease, letters: DeadLetterStore) -> Position | None:
        """See AtLeastOnce."""
        position = super().position(lease, letters)
        return None if self._config.look() else position

    def begin(self, position: Position, lease: Lease) -> None:
        """See AtLeastOnce."""
        super().begin(position, lease)
        self._config.view.cover(self._config.compactions)


class ViewEncoder:
    """Leaves records as they are; batches without a record of the view's types are not even decoded."""

    def __init__(self, config: ViewConfig) -> None:
        self._config = config
        self._looked = time.monotonic()
        self._names = [Element(TEXT, _text(type)).named(b"type") for type in config.compactions]

    def encode_plain(self, batch: Batch, share: Share) -> list[tuple[list[Delivery], list[Mark]]] | None:
        """See Encoder. Raises DeliveryFailed when a type is compacted that the view does not cover yet."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            if self._config.is_outgrown():
                raise DeliveryFailed(
                    None, Verdict.RETRY, "more types are compacted now: the log is read again for them"
                )
            self._looked = now
        if any(name in batch.raw for name in self._names):
            return None
        seq, id, created = batch.heads()[-1]
        return [([], [(seq, created, id)])]

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Delivery], list[Mark], OutboxError | None]:
        """See Encoder."""
        return (
            [(record.seq, record) for record in records],
            [(record.seq, record.created_ms, record.id_bytes) for record in records],
            None,
        )


def _text(text: str) -> bytes:
    """Encodes a text as a BSON value."""
    encoded = text.encode()
    return (len(encoded) + 1).to_bytes(4, "little") + encoded + b"\0"


@dataclass(frozen=True)
class ViewConfig(DeliveryConfig[Delivery]):
    """What the reader `latest:` is told to do. It is derived from the log, so it begins anew where it must."""

    kind: ClassVar[str] = "latest"
    drain_seconds: ClassVar[float | None] = None
    compactions: dict[str, str] = field(default_factory=dict)
    """The types that are in the view, and what they are compacted by."""

    @property
    def view(self) -> LatestView:
        """The view that it keeps."""
        return LatestView(self.outbox.collections)

    def look(self) -> bool:
        """Looks which types are compacted; says whether one is not in the view yet."""
        self.compactions.update(deployed_compactions(self.outbox.collections))
        return not self.compactions.items() <= self.view.covered().items()

    def is_outgrown(self) -> bool:
        """Tells whether a type is compacted by now that was not when this looked."""
        return not deployed_compactions(self.outbox.collections).items() <= self.compactions.items()

    @property
    def wanted(self) -> Wanted:
        """See DeliveryConfig."""
        return lambda record: record.type in self.compactions

    def begin(self, save: Callable[[Position], None]) -> Position:
        """See DeliveryConfig. A cursor that is gone went with its log, or was forgotten so that the view is made anew:
        it is cleared then. For a new type the log is read again, and what the view has stays."""
        if self.view.position() is None:
            self.view.clear()
        self.has_begun.clear()
        return super().begin(save)

    def encoder(self, target: Target[Delivery], log: str) -> ViewEncoder:
        """See DeliveryConfig."""
        return ViewEncoder(self)

    @property
    def begins(self) -> str:
        """See DeliveryConfig."""
        return "keeping the newest of each id, after seq %d (fence %d)"

    def target(self, stop: threading.Event) -> InTransaction:
        """Makes what brings the view up to records, in transactions, again and again until that succeeds."""
        attempts = partial(Attempts, None, self.log(), self.chance, self.told)
        return InTransaction(self._apply, BATCH, Terms(attempts, stop, seconds=self.tally.handle_seconds))

    def _apply(self, records: Sequence[Record[Any]], session: ClientSession) -> None:
        self.view.apply(records, self.compactions, session)

    def delivery(self, target: Target[Delivery], share: Share) -> ViewDelivery:
        """See DeliveryConfig."""
        assert isinstance(target, InTransaction)
        delivery = ViewDelivery(self, share_cursor(self.outbox.collections.cursors, READER, share))
        target.delivery = delivery
        return delivery

    def hint(self, error: PoisonMessage) -> str:
        """See DeliveryConfig."""
        return f"`outbox readers APP forget {READER}` makes the view anew, from what the log still holds"

    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """See DeliveryConfig."""
        return f"`outbox readers APP forget {READER}` makes the view anew, from what the log still holds"

    def other_shares(self, there_are: int, given: int) -> OutboxError:
        """See DeliveryConfig."""
        return CursorMismatch(
            f"{READER!r} has {there_are} shares, and can have only one: `outbox readers APP forget {READER}`"
        )
