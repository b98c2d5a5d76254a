"""Says what lasts: once, then every minute, with since when."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from outbox.clock import Clock, SystemClock

AGAIN_SECONDS = 60.0
_MACHINE = SystemClock()


class Repeats:
    """Knows whether what goes on is to be said again. Not thread-safe.

    What nobody has asked about for a minute, or that is `over`, begins anew.
    """

    def __init__(self, clock: Clock = _MACHINE, today: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._today = today
        self._began: tuple[float, datetime] | None = None
        self._asked = float("-inf")
        self._said: tuple[str, float] = "", 0.0

    def said(self, what: str) -> str | None:
        """Returns what to say of it now; None when it was said within the last minute. Another `what` is said at once.

        Once it lasts for a minute, it says since when, whatever it was in between.
        """
        now = self._clock.monotonic()
        if self._began is None or now - self._asked > AGAIN_SECONDS:
            self._began = now, self._today()
        self._asked = now
        before, at = self._said
        if what == before and now - at < AGAIN_SECONDS:
            return None
        self._said = what, now
        since, date = self._began
        return f"{what} (since {date:%H:%M:%S} UTC)" if now - since >= AGAIN_SECONDS else what

    def log(
        self, logger: logging.Logger | logging.LoggerAdapter[logging.Logger], begin: str, of: str, what: str
    ) -> None:
        """Logs, as INFO, what is to be said now, behind `begin`, a format of `of`."""
        said = self.said(what)
        if said is not None:
            logger.info(f"{begin}: %s", of, said)  # noqa: G004  # begin is a format

    def over(self) -> None:
        """Notes that it does not go on any more."""
        self._began = None
