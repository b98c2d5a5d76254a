"""What a projection is told to do: a durable reader whose effect is its states, and that leaves no record out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from outbox.consumers.config import ConsumerConfig
from outbox.errors import (
    CursorMismatch,
    HistoryLost,
    InvalidProjection,
    LogReplaced,
    OutboxNotCreated,
    PoisonMessage,
    Superseded,
)
from outbox.log.position import Position
from outbox.log.reader_id import described, forget_command, reset_command
from outbox.log.record import Record
from outbox.projections.header import Header, HeaderStore
from outbox.projections.rules import Rules
from outbox.shares.share import Share
from outbox.shares.states import KIND, remove_states


class SharedByState(Share):
    """A share of the states: it takes the records of the same states, whatever the records' own keys."""

    key_of: Callable[[Record[object]], str]

    def chosen(self, records: Iterable[Record[object]]) -> list[Record[object]]:
        """See Share.chosen."""
        return [each for each in records if self.takes(self.key_of(each), each.id_bytes, each.seq)]


@dataclass(frozen=True)
class ProjectionConfig(ConsumerConfig):
    """See outbox.projections.projection.Projection, whose arguments these are."""

    kind: ClassVar[str] = KIND

    rules: Rules
    header: HeaderStore

    def begin(self, save: Callable[[Position], None]) -> Position:
        """See DeliveryConfig. First removes states without a position, as who was killed while forgetting leaves."""
        if not self.has_begun.is_set():
            remove_states(self.outbox.collections, self.reader)
        position = super().begin(save)
        self.header.begin(Header(self.rules.version, position[0] + 1))
        return position

    def share(self, share: Share) -> Share:
        """See DeliveryConfig."""
        shared = SharedByState(*share)
        shared.key_of = self._state_key
        return shared

    def _state_key(self, record: Record[object]) -> str:
        """All records without a key go to one state, and so to one share; as do those that the program cannot tell the
        key of, and that the effect will name."""
        try:
            return self.rules.key(record.decoded_by(self.decode)) or ""
        except Exception:  # noqa: BLE001  # the effect meets it again, where it counts
            return ""

    def hint(self, error: PoisonMessage) -> str:
        """See DeliveryConfig."""
        skip = f"{reset_command(self.reader)} --to {error.seq}"
        return (
            "A projection leaves nothing out by itself, because its state would be wrong from then on. Mend apply, and "
            f"run it again; or leave this message out for good: {skip}"
        )

    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """See DeliveryConfig."""
        if isinstance(lost, OutboxNotCreated):
            return super().way_on(lost)
        return (
            f"`{forget_command(self.reader)}` removes the states, and lets it begin anew with what the log holds; "
            f"`{reset_command(self.reader)} --to earliest` keeps them, and goes on with that"
        )

    def other_shares(self, there_are: int, given: int) -> InvalidProjection:
        """See DeliveryConfig."""
        return InvalidProjection(str(super().other_shares(there_are, given)))


@dataclass(frozen=True)
class RebuildConfig(ProjectionConfig):
    """Makes the states anew, beside those in use. live: the header of those."""

    rest_seconds: ClassVar[float | None] = 0.1  # it waits for those in use to be no further

    live: HeaderStore

    @property
    def begins(self) -> str:
        """See DeliveryConfig."""
        return "making the states anew after seq %d (fence %d)"

    def begin(self, save: Callable[[Position], None]) -> Position:
        """See DeliveryConfig. Raises Superseded when another process has done it, HistoryLost when the log no longer
        holds all that the states in use are made of."""
        header = self.live.load()
        if self.has_begun.is_set() or header is None:
            raise Superseded(f"the states of {described(self.live.reader)} have been made anew, or are forgotten")
        since = header.since

        def save_all(position: Position) -> None:
            if position[0] + 1 > since:
                raise HistoryLost(since, position[0] + 1)
            save(position)

        return super().begin(save_all)

    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """See DeliveryConfig."""
        return (
            f"The states of {described(self.live.reader)} are made of more than the log holds, so that they cannot be "
            f"made anew, and they stay as they are. `{forget_command(self.live.reader)}` gives them up: then it begins "
            "anew with what the log holds. A larger capacity keeps more"
        )
