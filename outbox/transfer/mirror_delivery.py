"""How a mirror goes on: where its destination says, for the position is written there with the messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outbox.consumers.in_transaction import WithEffects
from outbox.dead_letters.requeued import RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.at_least_once import Restart
from outbox.delivery.ports import OpenOutbox
from outbox.errors import CursorMismatch, LeaseLost
from outbox.log.cursors import CursorStore
from outbox.log.log import Log
from outbox.log.position import Position, verify_position
from outbox.log.reader_id import described
from outbox.log.record import Record
from outbox.mongo.calls import Write, outside_bound_session, time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.holder_session import HolderSession
from outbox.mongo.lease import Lease

GOES_TO = "destination"
"""The field of the cursor that says to which log the mirror goes. A reset removes it, and then the cursor counts."""


def position_at_destination(destination: Collections, source: Collections, reader: str) -> CursorStore:
    """Returns where the position of a mirror is kept, at its destination."""
    id = f"{reader} of {source.log.full_name}"
    return CursorStore(destination.mirrors, id, name=id, group=id)


class MirrorDelivery(WithEffects):
    """See AtLeastOnce. The cursor of the source only holds the log, and says which destination it has."""

    def __init__(self, outbox: OpenOutbox, cursors: CursorStore, destination: Collections) -> None:
        super().__init__(outbox, cursors)
        self.progress = position_at_destination(destination, outbox.collections, cursors.reader)
        self._holder = HolderSession(destination.mirrors, self.progress.reader)
        self._destination = destination
        self.sends_letters = False
        """Whether what is sent were dead letters: no position says which of them have arrived."""

    def position(self, lease: Lease, letters: DeadLetterStore) -> Position | None:
        """See AtLeastOnce. Raises CursorMismatch also when the destination is another one, or has forgotten it."""
        self.progress.claim(lease.fence)
        with self._outbox.collections.client.start_session(causal_consistency=True) as session:
            self.cursors.claim(lease.fence, session)
            saved = self.cursors.load(session)
            if saved is None:
                return None
            position = self._counting(saved)
            verify_position(position, self._outbox.log, self.cursors.reader, session)
            return position

    @outside_bound_session
    def _counting(self, saved: Position) -> Position:
        """Chooses the destination's position; the cursor, where somebody has set that since."""
        with time_limit():
            found = self._outbox.collections.cursors.find_one({"_id": self.cursors.reader}, {GOES_TO: 1}) or {}
        if GOES_TO not in found:
            return saved
        here = Log(self._destination).identity()
        reached = self.progress.load() if found[GOES_TO] == here else None
        if reached is None:
            raise CursorMismatch(
                f"{described(self.cursors.reader)} has gone to {found[GOES_TO]} up to seq {saved[0]}, and {here} is "
                "another log, or has forgotten it"
            )
        return reached

    def begin(self, position: Position, lease: Lease) -> None:
        """See AtLeastOnce: lets the destination's position count from here on, and be `position`."""
        self.progress.place(position, lease.fence)
        self._mark(Log(self._destination).identity(), lease)

    @outside_bound_session
    def _mark(self, identity: str, lease: Lease) -> None:
        held = {"_id": self.cursors.reader, "fence": lease.fence}
        with time_limit():
            marked = self._outbox.collections.cursors.update_one(held, {"$set": {GOES_TO: identity}})
        if not marked.matched_count:
            raise LeaseLost(f"another has taken {self.cursors.reader!r} over")

    def rest(self, lease: Lease, letters: DeadLetterStore) -> bool:
        """See AtLeastOnce, and WithEffects."""
        position = self.position(lease, letters)
        if position is None:
            return False
        self.begin(position, lease)
        return not letters.any_after(position[0], self._outbox.log)

    def save(self, position: Position, fence: int) -> None:
        """See AtLeastOnce: the destination first, where it is behind what was passed over, so that it is never
        behind the cursor but for what it has lost."""
        if position[0] > self._committed:
            self.progress.advance(position, fence)
        self.cursors.save(position, fence)

    def restart(self, lease: Lease) -> Restart:
        """See AtLeastOnce."""
        self.sends_letters = False
        return super().restart(lease)

    def restart_letters(self, lease: Lease, requeued: RequeuedLetters) -> Restart:
        """See AtLeastOnce. The letters are at the source: they are removed after the transaction."""
        fence = self._fence = lease.fence
        self.sends_letters = True

        def writes(records: Sequence[Record[Any]]) -> list[Write]:
            self._reached = 0
            return [self.progress.conflicting(fence)]

        def restart(prefix: Position) -> Position:
            self.progress.claim(fence)
            return requeued.after_those_gone(prefix)

        self._writes = writes
        return restart
