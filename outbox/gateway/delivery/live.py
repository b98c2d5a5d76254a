"""What comes, for clients that are not registered: read and encoded once for all of them, and kept for a while."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from outbox.aio.threads import hand_over
from outbox.errors import HistoryLost
from outbox.gateway.answers import closing
from outbox.gateway.delivery.window import MOST_BYTES, MOST_RECORDS, Entry
from outbox.log.record import Record
from outbox.outbox import Outbox

KEPT_RECORDS = 10 * MOST_RECORDS
"""Who is further behind skips: so slow clients cost nothing, however many there are."""

Wants = Callable[[Record[Any]], bool]


class Kept(NamedTuple):
    """A record, and how it is sent."""

    entry: Entry
    record: Record[Any]


class Some(NamedTuple):
    """What there is behind a seq."""

    entries: list[Entry]
    next: int
    skipped: int
    """How many records before these were forgotten already."""


class Live:
    """Follows the log while anybody has asked for it, and keeps the newest records. For one event loop.

    Its reader's thread adds to what it keeps; who waits is woken in the loop.
    """

    def __init__(self, orders: Outbox, most_bytes: int = MOST_BYTES) -> None:
        """most_bytes: of what it keeps, as JSON, beside one record."""
        self._orders = orders
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self._end = 0  # the seq that comes next
        self._subscription: Any = None
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._is_waking = False
        self._is_closed = False
        self.skipped = 0
        """Counts the records that clients were too slow for."""
        self._begins = threading.Lock()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to follow the log, unless it does already. It asks the server. Thread-safe."""
        with self._begins:
            if self._subscription is not None or self._is_closed:
                return
            self._loop, self._error = loop, None
            self._forget(self._orders.log.head() + 1)
            observable = self._orders.observe(self._end, on_gap=self._lost)
            self._subscription = observable.subscribe(self._add, self._failed, lambda: self._failed(closing()))

    def _forget(self, end: int) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes, self._end = 0, end

    def _lost(self, lost: HistoryLost) -> None:
        self._forget(lost.oldest)

    def _add(self, record: Record[Any]) -> None:
        kept = Kept(Entry.of(record), record)
        with self._lock:
            self._kept.append(kept)
            self._bytes += kept.entry.size
            self._end = record.seq + 1
            while len(self._kept) > KEPT_RECORDS or (self._bytes > self._most_bytes and len(self._kept) > 1):
                self._bytes -= self._kept.popleft().entry.size
        self._tell()

    def _failed(self, error: Exception) -> None:
        self._error, self._subscription = error, None
        self._tell()

    def _tell(self) -> None:
        if not self._is_waking and self._loop is not None:
            self._is_waking = True
            hand_over(self._loop, self._wake)

    def _wake(self) -> None:
        self._is_waking = False
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.done():
                each.set_result(None)

    @property
    def head(self) -> int:
        """The newest seq that it has seen."""
        return self._end - 1

    @property
    def oldest(self) -> int:
        """The oldest seq that it keeps, or the next one."""
        with self._lock:
            return self._kept[0].entry.seq if self._kept else self._end

    def take(self, after: int, wants: Wants | None, limit: int, most_bytes: int = MOST_BYTES) -> Some:
        """Gives what is wanted behind a seq, up to so many and so many bytes, and at least one. wants: None for all."""
        with self._lock:
            if self._error is not None:
                raise self._error
            first = self._kept[0].entry.seq if self._kept else self._end
            skipped = max(0, first - after - 1)
            self.skipped += skipped
            chosen: list[Entry] = []
            size = 0
            for at in range(max(0, after + 1 - first), len(self._kept)):
                entry, record = self._kept[at]
                if wants is not None and not wants(record):
                    continue
                size += entry.size
                if len(chosen) == limit or (chosen and size > most_bytes):
                    return Some(chosen, entry.seq - 1, skipped)
                chosen.append(entry)
            return Some(chosen, max(after, self._end - 1), skipped)

    def look_back(self, after: int, wants: Wants | None, limit: int, most_bytes: int = MOST_BYTES) -> Some:
        """Gives the same of the log, for who asks for more than is kept here. It asks the server. Thread-safe."""
        lost: list[HistoryLost] = []
        chosen: list[Entry] = []
        size, next_ = 0, after
        for seen, record in enumerate(self._orders.read(after + 1, on_gap=lost.append)):
            entry = Entry.of(record) if wants is None or wants(record) else None
            size += 0 if entry is None else entry.size
            if len(chosen) == limit or (chosen and size > most_bytes) or seen == KEPT_RECORDS:
                break
            next_ = record.seq
            if entry is not None:
                chosen.append(entry)
        return Some(chosen, next_, sum(each.oldest - each.expected for each in lost))

    async def changed(self, seen: int, until: float) -> bool:
        """Waits until there is more than a client has seen, or a time of the loop is reached: then False."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.add(future)
        try:
            if self._error is None and self._end - 1 <= seen and not self._is_closed:
                async with asyncio.timeout_at(until):
                    await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    @property
    def waiting(self) -> int:
        """Counts the clients that wait for more."""
        return len(self._waiting)

    def close(self) -> None:
        """Ends it: whoever waits is told that the gateway ends."""
        self._is_closed = True
        self._error = closing()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.dispose()
        self._tell()
