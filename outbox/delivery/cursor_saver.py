"""Saves the cursor on a thread beside the pump: a save is a majority write, and the pump must not wait for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for

from outbox.clock import Clock
from outbox.log.position import Position
from outbox.threads.workers import Workers

EVERY_SECONDS = 0.1
EVERY_RECORDS = 500


class CursorSaver:
    """Saves the newest position, one save at a time, on a thread of its own. Use it from one thread; close it.

    every: a save is due after so many records of the log, or a tenth of a second.

    `save` is called on the saver's own thread. What it raises is raised again by the next `save_if_due` or `finish`.
    """

    def __init__(
        self, save: Callable[[Position], None], saved: Position, clock: Clock, every: int = EVERY_RECORDS
    ) -> None:
        self.saved = saved
        """The position that is certainly saved."""
        self.failing = False
        """True after a failed save, until one succeeds: meanwhile nothing more should be sent."""
        self._save = save
        self._clock = clock
        self._every = every
        self._thread = Workers(1, "relay-cursor")
        self._saving: Future[None] | None = None
        self._newest = saved
        self._left = False
        self._started = clock.monotonic()

    def save_if_due(self, position: Position, *, now: bool = False) -> None:
        """Checks the save under way, and begins the next when it is due; with `now`, whenever there is one to do."""
        if self._saving is not None:
            if not self._saving.done():
                return
            self._finish(self._saving)
        behind = position[0] - self.saved[0]
        if behind <= 0:
            return
        if now or self.failing or behind >= self._every or self._clock.monotonic() - self._started >= EVERY_SECONDS:
            self._begin(position)

    def wait(self, seconds: float) -> None:
        """Waits until the save under way is done; `seconds` at most."""
        if self._saving is not None:
            wait_for([self._saving], seconds)

    def finish(self, position: Position, seconds: float) -> None:
        """Saves now and waits for it, `seconds` at most. Raises what saving raises, and TimeoutError.

        After a TimeoutError the save goes on alone. That does no harm, however late it ends: it is fenced.
        """
        deadline = self._clock.monotonic() + seconds
        if self._saving is not None:
            self._finish(self._saving, seconds)
        if position[0] > self.saved[0]:
            self._finish(self._begin(position), deadline - self._clock.monotonic())

    def _begin(self, position: Position) -> Future[None]:
        self._started = self._clock.monotonic()
        self._newest = position
        self._saving = self._thread.submit(self._save, position)
        return self._saving

    def _finish(self, saving: Future[None], seconds: float | None = None) -> None:
        try:
            error = saving.exception(seconds)  # waits
        except TimeoutError:
            self._left = True
            raise TimeoutError("the database has not confirmed it in time") from None
        self._saving = None
        self.failing = error is not None
        if error is not None:
            raise error
        self.saved = self._newest

    def close(self) -> None:
        """Waits for a save under way, which is bounded in time, and ends the thread. Saves nothing more."""
        self._thread.shutdown(wait=not self._left)
