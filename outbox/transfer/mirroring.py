"""Mirrors an outbox into another one, as a durable reader: on this replica set, or on any other."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from outbox.consumers.attempts import Attempts
from outbox.consumers.decoding import Delivery
from outbox.consumers.in_turn import Terms
from outbox.dead_letters.policy import OnPoison
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.durable_reader import DurableReader
from outbox.delivery.ports import OpenOutbox, Target
from outbox.errors import (
    CursorMismatch,
    HistoryLost,
    InvalidArgument,
    LogReplaced,
    OutboxNotCreated,
    PoisonMessage,
)
from outbox.history.with_history import with_history
from outbox.log.log import Log
from outbox.log.position import Position
from outbox.log.reader_id import forget_command, reader_id, reset_command
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections, create_collection
from outbox.mongo.server_errors import patiently
from outbox.readers.query import History
from outbox.readers.start import StartAt
from outbox.shares.layout import share_cursor
from outbox.shares.share import Share
from outbox.transfer.arrivals import look
from outbox.transfer.mirror_delivery import MirrorDelivery, position_at_destination
from outbox.transfer.mirror_target import MirrorTarget
from outbox.transfer.original import Originals

KIND = "mirror"


@dataclass(frozen=True)
class MirrorConfig(DeliveryConfig[Delivery]):
    """See `mirror`, whose arguments these are."""

    kind: ClassVar[str] = KIND
    drain_seconds: ClassVar[float | None] = None

    to: Collections

    def target(self, stop: threading.Event) -> MirrorTarget:
        """Makes what puts the messages. What is refused is given up at once, all else is tried for ever."""
        attempts = partial(Attempts, None, self.log(), self.chance, self.tell)
        return MirrorTarget(self.outbox.collections, self.to, Terms(attempts, stop), self.log())

    def encoder(self, target: Target[Delivery], log: str) -> Originals:
        """See DeliveryConfig."""
        return Originals()

    @property
    def begins(self) -> str:
        """See DeliveryConfig."""
        return "mirroring after seq %d (fence %d)"

    def delivery(self, target: Target[Delivery], share: Share) -> MirrorDelivery:
        """See DeliveryConfig."""
        assert isinstance(target, MirrorTarget)
        cursors = share_cursor(self.outbox.collections.cursors, self.reader, share)
        target.delivery = MirrorDelivery(self.outbox, cursors, self.to)
        return target.delivery

    def begin(self, save: Callable[[Position], None]) -> Position:
        """See DeliveryConfig: after what the destination has of it, if it has; for a cursor that was forgotten."""
        reached = position_at_destination(self.to, self.outbox.collections, self.reader).load()
        if reached is None:
            return super().begin(save)
        position = DeliveryConfig.begin(replace(self, start=reached[0] + 1), save)
        if None not in (position[2], reached[2]) and position[2] != reached[2]:
            raise CursorMismatch(
                f"{self.to.log.full_name} has been mirrored to from another log than {self.where}: at seq "
                f"{reached[0]} that had {reached[2]}, and this has {position[2]}"
            )
        return position

    def hint(self, error: PoisonMessage) -> str:
        """See DeliveryConfig."""
        return (
            "Mend the destination, with `outbox create APP2` for a type or a field that it does not have, and run it "
            "again; or let it put such messages aside: --on-poison park-key or dead-letter; or skip this one for good: "
            f"{reset_command(self.reader)} --to {error.seq}"
        )

    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """See DeliveryConfig."""
        if isinstance(lost, OutboxNotCreated):
            return "Create the outbox, and run it again: Outbox(…).create(), or `outbox create APP`"
        return (
            f"`{reset_command(self.reader)} --to SEQ` goes on after a seq, `--to earliest` with all that the log has, "
            "and puts again what is there already; with --archive it goes on with what the log has forgotten. "
            f"`{forget_command(self.reader)}` gives it up"
        )

    def other_shares(self, there_are: int, given: int) -> InvalidArgument:
        """See DeliveryConfig."""
        return InvalidArgument(f"{self.reader} has {there_are} shares, and a mirror has one writer")


def mirror(
    outbox: OpenOutbox,
    destination: Collections,
    name: str | None = None,
    *,
    stop: threading.Event,
    start: StartAt = "oldest",
    history: History | None = None,
    on_poison: OnPoison = "stop",
    once: bool = False,
) -> None:
    """Puts an outbox's messages into another one as they come, each once and in order, until `stop` is set. Blocks.

    It is the durable reader `mirror:NAME`: of all processes that run it one works, and the others stand by; the log
    rolls over nothing that has not arrived. The position is written at the destination, with the messages.

    name: None for the destination's name. start: where it begins that has no position yet. history: an archive, for
        what the log has forgotten. on_poison: what happens to a message that the destination refuses. once: ends when
        all has arrived.

    Raises InvalidArgument for an outbox that would be mirrored into itself, InvalidName, PoisonMessage, what must be
    seen to by somebody (HistoryLost, LogReplaced, CursorMismatch, OutboxNotCreated), and errors of the database that
    do not pass by themselves.
    """
    name = destination.name if name is None else name
    reader_id(KIND, name)
    config = MirrorConfig(with_history(outbox, history), name, start, on_poison, random.random, destination)
    DurableReader(config, config.target(stop), shares=1).run(
        stop, once=once, check=lambda: _check(outbox.collections, destination)
    )


@outside_bound_session
def _check(source: Collections, destination: Collections) -> None:
    """Raises InvalidArgument and OutboxNotCreated."""
    here, there = patiently(Log(source).identity), patiently(Log(destination).identity)
    if here == there:
        raise InvalidArgument(f"{source.log.full_name} cannot be mirrored into itself: --to names another outbox")
    patiently(lambda: look(destination))
    for collection in (destination.imported, destination.mirrors):
        patiently(partial(create_collection, destination, collection.name))
