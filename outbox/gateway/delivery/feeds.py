"""What is pushed to a client, portion by portion: of a registered consumer, or live."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, NamedTuple, Protocol

from outbox.gateway.delivery.live import Live, Some, Wants
from outbox.gateway.delivery.running import Running
from outbox.gateway.delivery.window import Entry
from outbox.gateway.scope import Scope
from outbox.log.record import Record

PUSHED_BYTES = 256 << 10
"""The most of one portion, or one record: a client that is slow shows it after so much."""


class Given(NamedTuple):
    """What comes next."""

    entries: list[Entry]
    next: int
    skipped: int | None = 0
    """How many records were passed over unseen; None when that is not to be told, for some were hidden."""


class Feed(Protocol):
    """Gives a client what comes. For one event loop."""

    @property
    def position(self) -> int:
        """What the client has acknowledged; 0 when it has said nothing yet."""

    @property
    def is_stalled(self) -> bool:
        """Tells whether nothing comes before the client acknowledges."""

    async def more(self, limit: int, until: float) -> Given | None:
        """Waits for the next portion, until a time of the loop: then None. Raises what ends it."""

    def acknowledge(self, seq: int) -> None:
        """Counts all up to a seq as delivered."""


class Lingering:
    """Is a Feed that waits a little for more, so that what comes shortly after another is given with it."""

    def __init__(self, feed: Feed, seconds: float) -> None:
        self._feed = feed
        self._seconds = seconds

    @property
    def position(self) -> int:
        """See Feed."""
        return self._feed.position

    @property
    def is_stalled(self) -> bool:
        """See Feed."""
        return self._feed.is_stalled

    async def more(self, limit: int, until: float) -> Given | None:
        """See Feed."""
        given = await self._feed.more(limit, until)
        return None if given is None else await self.with_more(given, limit)

    async def with_more(self, given: Given, limit: int) -> Given:
        """Waits for what comes behind something."""
        due = asyncio.get_running_loop().time() + self._seconds
        while given.entries and len(given.entries) < limit and sum(each.size for each in given.entries) < PUSHED_BYTES:
            further = await self._feed.more(limit - len(given.entries), due)
            if further is None:
                break
            skipped = None if given.skipped is None or further.skipped is None else given.skipped + further.skipped
            given = Given([*given.entries, *further.entries], further.next, skipped)
        return given

    def acknowledge(self, seq: int) -> None:
        """See Feed."""
        self._feed.acknowledge(seq)


def lingering(feed: Feed, seconds: float) -> Feed:
    """Makes a feed wait so long for more; of one that is not to wait nothing is asked twice."""
    return Lingering(feed, seconds) if seconds else feed


class RegisteredFeed:
    """Is a Feed of a registered consumer."""

    def __init__(self, running: Running, scope: Scope) -> None:
        self._running = running
        self._hides = scope.hides
        self._sent = running.window.position

    @property
    def position(self) -> int:
        """See Feed."""
        return self._running.window.position

    @property
    def is_stalled(self) -> bool:
        """See Feed."""
        window = self._running.window
        return window.is_full and not window.take(self._sent, None, 1).entries

    async def more(self, limit: int, until: float) -> Given | None:
        """See Feed."""
        while True:
            self._running.check()
            portion = self._running.window.take(self._sent, None, limit, PUSHED_BYTES)
            if portion.entries:
                self._sent = portion.entries[-1].seq
                return Given(portion.entries, self._sent if self._hides else portion.next)
            if not await self._running.changed(until):
                return None

    def acknowledge(self, seq: int) -> None:
        """See Feed."""
        self._running.window.acknowledge(seq)


class LiveFeed:
    """Is a Feed of what comes: who is too slow skips."""

    def __init__(self, live: Live, scope: Scope, types: Collection[str] | None, after: int) -> None:
        self._live = live
        self._scope = scope
        self._types = types
        self.after = after
        self.position = 0
        self.is_stalled = False

    @property
    def _wanted(self) -> Wants | None:
        return None if self._types is None and not self._scope.hides else self._wants

    def _wants(self, record: Record[Any]) -> bool:
        return (self._types is None or record.type in self._types) and self._scope.sees(record)

    def take(self, limit: int, most_bytes: int = PUSHED_BYTES) -> Given:
        """Gives what there is now."""
        return self._given(self._live.take(self.after, self._wanted, limit, most_bytes))

    def look_back(self, limit: int) -> Given:
        """Gives what the log has. It asks the server."""
        return self._given(self._live.look_back(self.after, self._wanted, limit))

    def _given(self, some: Some) -> Given:
        self.after = some.next
        if not self._scope.hides:
            return Given(*some)
        last = some.entries[-1].seq if some.entries else 0
        return Given(some.entries, last, None if some.skipped else 0)

    async def more(self, limit: int, until: float) -> Given | None:
        """See Feed."""
        while True:
            given = self.take(limit)
            if given.entries or given.skipped != 0:
                return given
            if not await self._live.changed(self.after, until):
                return None

    def acknowledge(self, seq: int) -> None:
        """See Feed."""
        self.position = max(self.position, seq)
