"""What a registered consumer was given and has not acknowledged: the target of its durable reader."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from outbox.consumers.decoding import Delivery
from outbox.consumers.waiting import interrupted, nobody
from outbox.errors import InvalidConsumer
from outbox.gateway.delivery.record_json import record_json
from outbox.log.record import Record

MOST_RECORDS = 1000
"""The most records that wait to be acknowledged, and the most of one answer."""
MOST_BYTES = 8 << 20
"""The same as JSON; a single record may be larger."""


class Entry(NamedTuple):
    """A record as it is given to clients, made once for all of them."""

    seq: int
    type: str
    event: bytes
    """As a Server-Sent Event. The JSON is on one line: a line break in a text is escaped."""

    @classmethod
    def of(cls, record: Record[Any]) -> Entry:
        """Makes it of a record."""
        return cls(record.seq, record.type, b"id: %d\ndata: %b\n\n" % (record.seq, record_json(record)))

    @property
    def json(self) -> memoryview:
        """The record as a JSON object."""
        return memoryview(self.event)[self.event.index(b"{") : -2]

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self.event)


class Portion(NamedTuple):
    """Some records, in order."""

    entries: list[Entry]
    next: int
    """Up to where there is nothing more to give: it acknowledges the records, and what was passed over behind them."""
    passed: int
    """Up to where all was passed over, or acknowledged."""
    is_full: bool
    """Whether there is more to give than fits."""


class Window:
    """Is a Target, and Interruptible: it keeps what is sent, as JSON, until it is acknowledged. Thread-safe.

    It takes no more while it holds so many records, or bytes: then the reader waits. What its consumer does not want is
    acknowledged at once.
    """

    def __init__(
        self, wanted: Callable[[Record[Any]], bool], most_bytes: int, changed: Callable[[], object] = lambda: None
    ) -> None:
        """changed: is told, on the reader's thread, when there is more to give."""
        self._wanted = wanted
        self._most_bytes = most_bytes
        self._changed = changed
        self._lock = threading.Lock()
        self._moved = threading.Event()
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._unsettled: deque[int] = deque()  # sent, and not yet told the reader as acknowledged
        self._acknowledged: Callable[[int], object] = nobody
        self._is_interrupted = False
        self.position = 0
        """What is acknowledged, with all before it; 0 when that is not known."""
        self.said = 0
        """The newest seq that was wanted, of those acknowledged here; 0 when none is known."""
        self.read_to = 0
        """The newest seq that was seen, wanted or not; 0 for none."""
        self.newest = 0
        """The newest seq that was wanted; 0 for none."""

    def another(self) -> Window:
        """See Target.another. The gateway refuses readers of several shares before they run."""
        raise InvalidConsumer("a gateway's consumer has one share: its client gets all records in one order")

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """See Target.open. What was given before and not acknowledged is sent again."""
        self.close()
        self._acknowledged = acknowledged
        self._is_interrupted = False

    def send(self, batch: Sequence[Delivery]) -> int:
        """See Target.send."""
        taken = 0
        for seq, record in batch:
            if self.is_full:
                break
            taken += 1
            entry = Entry.of(record) if self._wanted(record) else None
            with self._lock:
                self._unsettled.append(seq)
                self.read_to = max(self.read_to, seq)
                if entry is not None and seq <= self.position:
                    self.said = max(self.said, seq)
                elif entry is not None:
                    self.newest = max(self.newest, seq)
                    self._entries.append(entry)
                    self._bytes += entry.size
        if taken:
            self._changed()
        return taken

    @property
    def is_full(self) -> bool:
        """Tells whether it takes no more until something is acknowledged."""
        return len(self._entries) >= MOST_RECORDS or self._bytes >= self._most_bytes

    @property
    def bytes(self) -> int:
        """Counts the bytes of what it holds."""
        return self._bytes

    def poll(self, seconds: float) -> None:
        """See Target.poll."""
        if not self._settle() and seconds and not self._is_interrupted:
            self._moved.wait(seconds)
            self._settle()
        if self._is_interrupted:
            raise interrupted()

    def _settle(self) -> bool:
        """Tells the reader what is acknowledged; whether there was anything."""
        with self._lock:
            self._moved.clear()
            held = self._entries[0].seq if self._entries else None
            done = []
            while self._unsettled and (held is None or self._unsettled[0] < held):
                done.append(self._unsettled.popleft())
        for seq in done:
            self._acknowledged(seq)
        return bool(done)

    def interrupt(self) -> None:
        """See Interruptible.interrupt."""
        self._is_interrupted = True

    def close(self) -> None:
        """See Target.close."""
        with self._lock:
            self._entries.clear()
            self._unsettled.clear()
            self._bytes = 0
        self._acknowledged = nobody

    def acknowledge(self, seq: int) -> None:
        """Counts all up to the seq of a record as delivered, also what was not given yet. Never moves back."""
        self.said = max(self.said, seq)
        self.pass_over(seq)

    def acknowledge_held(self, seq: int) -> None:
        """Counts what is held here, up to a seq, as delivered."""
        with self._lock:
            held = [entry.seq for entry in self._entries if entry.seq <= seq]
        if held:
            self.acknowledge(held[-1])

    def pass_over(self, seq: int) -> None:
        """Counts all up to a seq as delivered, of which the client may know nothing."""
        with self._lock:
            self.position = max(self.position, seq)
            while self._entries and self._entries[0].seq <= self.position:
                entry = self._entries.popleft()
                self._bytes -= entry.size
                self.said = max(self.said, entry.seq)
        self._moved.set()

    def take(self, after: int, types: Collection[str] | None, limit: int, most_bytes: int = MOST_BYTES) -> Portion:
        """Gives the records after a seq, up to so many and so many bytes, and at least one. They stay here."""
        with self._lock:
            chosen: list[Entry] = []
            size, passed = 0, None
            for entry in self._entries:
                if entry.seq <= after or not (types is None or entry.type in types):
                    continue
                if passed is None:
                    passed = entry.seq - 1
                size += entry.size
                if len(chosen) == limit or (chosen and size > most_bytes):
                    return Portion(chosen, max(after, entry.seq - 1), passed, True)
                chosen.append(entry)
            end = max(after, self.read_to, self.position)
            return Portion(chosen, end, end if passed is None else passed, len(chosen) == limit)
