"""At-least-once delivery: the cursor is saved after the records, and a crash in between repeats some."""

from __future__ import annotations

from collections.abc import Callable

from outbox.dead_letters.requeued import RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.ports import OpenOutbox
from outbox.log.cursors import CursorStore
from outbox.log.position import Position, verify_position
from outbox.mongo.lease import Lease

Restart = Callable[[Position], Position]
"""From the position of what was acknowledged last, after a failure, to where to go on."""


class AtLeastOnce:
    """Where a relay goes on, by the cursor in `NAME.cursors`. Not thread-safe. Raises pymongo's errors."""

    def __init__(self, outbox: OpenOutbox, cursors: CursorStore) -> None:
        self._outbox = outbox
        self.cursors = cursors

    def position(self, lease: Lease, letters: DeadLetterStore) -> Position | None:  # see ExactlyOnce
        """After which record to go on; None before the first start. Raises CursorMismatch, HistoryLost, LeaseLost."""
        with self._outbox.collections.client.start_session(causal_consistency=True) as session:
            self.cursors.claim(lease.fence, session)
            position = self.cursors.load(session)
            if position is not None:
                verify_position(position, self._outbox.log, self.cursors.name, session)
            return position

    def begin(self, position: Position, lease: Lease) -> None:
        """Before the log is read on from `position`, which is saved."""
        if self.cursors.is_in_kafka():  # from here on this one counts, also if nothing is delivered for long
            self.cursors.save(position, lease.fence)

    def restart(self, lease: Lease) -> Restart:  # as above
        """What a pump that follows the log does after a failure."""
        return lambda prefix: prefix

    def rest(self, lease: Lease, letters: DeadLetterStore) -> bool:  # as above
        """Before released letters are looked for, while the log is left alone. False: the log has to come first."""
        return True

    def restart_letters(self, lease: Lease, released: RequeuedLetters) -> Restart:  # as above
        """What a pump that sends released letters does after a failure; called before it is made."""
        return lambda prefix: prefix
