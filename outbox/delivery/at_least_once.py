"""Delivers at least once: the cursor is saved after the records, and a crash in between repeats some."""

from __future__ import annotations

from collections.abc import Callable

from outbox.dead_letters.requeued import RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.ports import OpenOutbox
from outbox.log.cursors import CursorStore
from outbox.log.position import Position, verify_position
from outbox.mongo.lease import Lease

Restart = Callable[[Position], Position]
"""Is called after a failure with the position of what was acknowledged last; returns the position to go on from."""


class AtLeastOnce:
    """Chooses where a reader goes on, by the cursor in `NAME.cursors`. Not thread-safe. Raises pymongo's errors."""

    def __init__(self, outbox: OpenOutbox, cursors: CursorStore) -> None:
        self._outbox = outbox
        self.cursors = cursors

    def position(self, lease: Lease, letters: DeadLetterStore) -> Position | None:  # see ExactlyOnce
        """Returns the position of the last record delivered; None before the first start.

        Raises CursorMismatch, HistoryLost, LeaseLost.
        """
        with self._outbox.collections.client.start_session(causal_consistency=True) as session:
            self.cursors.claim(lease.fence, session)
            position = self.cursors.load(session)
            if position is not None:
                verify_position(position, self._outbox.log, self.cursors.reader, session)
            return position

    def begin(self, position: Position, lease: Lease) -> None:
        """Prepares for reading the log on from `position`, which is saved."""
        if (
            self.cursors.is_in_kafka()
        ):  # from here on the cursor in MongoDB counts, even if nothing is delivered for long
            self.cursors.save(position, lease.fence)

    def end(self) -> None:
        """Gives back what the holder of a lease has for its deliveries. It may begin again, under another lease."""

    def save(self, position: Position, fence: int) -> None:
        """Saves the position. Raises LeaseLost when another has taken over, and pymongo's errors."""
        self.cursors.save(position, fence)

    def restart(self, lease: Lease) -> Restart:  # as above
        """Returns what a pump over the log does after a failure."""
        return lambda prefix: prefix

    def rest(self, lease: Lease, letters: DeadLetterStore) -> bool:  # as above
        """Prepares for sending requeued letters instead of the log. False: the log has to come first."""
        return True

    def restart_letters(self, lease: Lease, requeued: RequeuedLetters) -> Restart:  # as above
        """Returns what a pump over requeued letters does after a failure. Called before that pump is made."""
        return lambda prefix: prefix
