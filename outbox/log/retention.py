"""Retention: how much may be appended before the log rolls over what a durable reader has not read yet."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future, wait
from typing import NamedTuple

from pymongo.client_session import ClientSession

from outbox.log.edge import Edge
from outbox.log.log import Log
from outbox.log.weight import LogWeight, Weight, start_of
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import READERS, Collections

_STEP = 2000
_AHEAD = 16  # the edge is announced a sixteenth of the cap ahead of what an append rolls over
_FRESH_SECONDS = 0.02
_COUNTED_SECONDS = 1.0  # how long the log's size is counted along before it is asked for: it may be another server's


class Hold(NamedTuple):
    """What the sequencer waits for: the durable reader furthest behind, and the seq it would lose."""

    reader: str
    seq: int


class _Moved(NamedTuple):
    """What moving the edge beside an append came to."""

    edge: int
    bytes: int
    """So much more may be appended."""
    readers: list[Hold]
    """Where they were after it."""


class Retention:
    """Predicts what an append evicts, for the one process that appends. Not thread-safe.

    A capped collection evicts its oldest documents, after each insert, while the sizes of all sum up to more than the
    cap: exactly so, in bytes (measured). So a reader loses nothing as long as everything from the batch it reads next
    to the newest fits into the cap. What is left is remembered between sweeps, for readers only advance.

    Before anything is rolled over, the edge is announced beyond it, and the cursors are looked at once more: for the
    next append beside this one, so that only the first to a full log waits for that.
    """

    def __init__(self, collections: Collections, fence: int) -> None:
        self._collections = collections
        self._fence = fence
        self._log = Log(collections)
        self._weight = LogWeight(collections)
        self._edge = Edge(collections)
        self._granted = 0  # bytes that may be appended without rolling over anything beyond the edge
        self._announced = 0
        self._moving: Future[_Moved] | None = None
        self._counted_from = 0.0
        self._batch_bytes = 1
        self._cap = 0
        self._last: tuple[int, Hold | None] = 0, None
        """What the last append wanted, and the slowest reader then."""
        self._is_used = False
        self._is_open = False
        self.left = 1.0
        """As a share of the cap, what may surely be appended before a reader holds the sequencer back."""
        self._asked: Future[list[Hold]] | None = None
        self._asked_at = -_FRESH_SECONDS
        self._spare = 0
        self._position = 0
        self._oldest = 0  # or less than it is by now, which only counts readers in that have nothing to protect

    def begin(self, lease: Document) -> None:
        """Takes back the last holder's edge, if the lease that was taken over has one: the fence refuses its appends
        by now. Raises pymongo's errors."""
        if "edge" in lease:
            self._edge.withdraw(self._fence)

    def ask(self, threads: Executor, head: int) -> None:
        """Begins to look where the readers are, beside what else is to be done; the next `spare` knows then."""
        if self._moving is None:  # which looks, too
            self._asked, self._asked_at = threads.submit(self._readers, head), time.monotonic()

    def look_ahead(self, threads: Executor, head: int) -> None:
        """Begins what the next `spare` needs, beside the append to a log that ends at `head`: moves the edge if the
        next such append would roll over something beyond it; else as `ask`, if the last answer will soon be too old."""
        now, wanted = time.monotonic(), self._last[0]
        if self._announced and self._granted < wanted and now - self._counted_from < _COUNTED_SECONDS:
            self._moving = threads.submit(self._move_on, self._announced, wanted - self._granted, head)
        elif now - self._asked_at > _FRESH_SECONDS / 2:
            self.ask(threads, head)

    def spare(self, wanted: int, cap: int, head: int) -> tuple[int, Hold | None]:
        """How many bytes may be appended to a log that ends at `head`, and for whose sake no more.

        Exact when it is less than `wanted`; else at least that much. Raises pymongo's errors, and LeaseLost.
        """
        asked = self._answer()
        if cap != self._cap:
            self._cap, self._granted = cap, 0
        spare, slowest = self._spared(asked, wanted, cap, head)
        self._last = wanted, slowest
        if min(spare, wanted) <= self._granted:
            return spare, slowest
        with self._collections.client.start_session(causal_consistency=True) as session:
            self._announce(min(spare, wanted), cap, slowest, session)
            spare, slowest = self._room(self._readers(head, session), wanted, cap, head)
            if slowest is not None and slowest.seq < self._announced:  # it came just before that could be seen
                self._granted = min(self._granted, spare)
                self._move(slowest.seq, session)
        return spare, slowest

    def _answer(self) -> list[Hold] | None:
        """Where the readers were when it was last asked; None when that is too long ago."""
        moving, self._moving = self._moving, None
        asked, self._asked = self._asked, None
        if moving is not None:
            moved = moving.result()
            self._announced = moved.edge
            self._granted += moved.bytes
            return moved.readers
        return asked.result() if asked is not None and time.monotonic() - self._asked_at < _FRESH_SECONDS else None

    def _spared(self, asked: list[Hold] | None, wanted: int, cap: int, head: int) -> tuple[int, Hold | None]:
        if asked is not None:
            spare, slowest = self._room(asked, wanted, cap, head)
            if spare >= wanted:
                return spare, slowest
        return self._room(self._readers(head), wanted, cap, head)

    def _room(self, readers: list[Hold], wanted: int, cap: int, head: int) -> tuple[int, Hold | None]:
        slowest = self._slowest(readers)
        if slowest is not None and (slowest.seq < self._position or wanted > self._spare):
            self._oldest = self._log.earliest()
            slowest = self._slowest(readers)
            if slowest is not None:
                self._spare = cap if slowest.seq > head else self._measure(slowest.seq, cap, wanted)
        if slowest is None:
            self.left = 1.0
            return wanted, None
        self._position, self.left = slowest.seq, self._spare / cap
        return self._spare, slowest

    def spend(self, size: int) -> None:
        """Notes that `size` bytes are appended now; until `landed`, nobody knows whether they are."""
        self._spare -= size
        self._granted -= size
        self._is_used = self._is_open = True

    def landed(self) -> None:
        """Notes that everything that was spent is appended."""
        self._is_open = False

    def rest(self) -> None:
        """Takes the edge back if nothing was appended since the last call: the log keeps all it has for now.

        Raises pymongo's errors.
        """
        if not self._is_used:
            self.end()
        self._is_used = False

    def end(self) -> None:
        """Takes the edge back, unless an append may still be under way. Raises pymongo's errors."""
        if self._moving is not None:
            wait([self._moving])  # no append needs it any more: what it raised is nobody's, what it announced goes
            self._moving = None
        if self._announced and not self._is_open:
            self._granted = self._announced = 0
            self._edge.withdraw(self._fence)

    def _announce(self, wanted: int, cap: int, slowest: Hold | None, session: ClientSession) -> None:
        """Moves the edge, if `wanted` bytes roll over anything, beyond all that they do and a little more; at most up
        to where the slowest reader is. Nothing is being appended meanwhile."""
        oldest, (size, count) = self._log.earliest(session), self._weight.whole()
        self._counted_from, self._batch_bytes = time.monotonic(), max(1, size // max(1, count))
        self._granted = cap - size
        if self._granted >= wanted:
            return
        end = None if slowest is None else self._log.batch_start(slowest.seq)
        weighed = self._weigh_at_least(start_of(oldest), end, wanted - self._granted)
        self._granted += weighed.bytes
        if weighed.batches:
            self._move(weighed.last + 1, session)

    def _move_on(self, edge: int, wanted: int, head: int) -> _Moved:
        """Moves the edge on from there, while an append rolls over at most what lies before it."""
        _, slowest = self._last
        end = head + 1 if slowest is None else self._log.batch_start(slowest.seq)
        weighed = self._weigh_at_least(edge, end, wanted)
        with self._collections.client.start_session(causal_consistency=True) as session:
            if not weighed.batches:
                return _Moved(edge, 0, self._readers(head, session))
            moved = weighed.last + 1
            self._edge.announce(moved, self._fence, session)
            readers = self._readers(head, session)
            first = min((each.seq for each in readers if each.seq >= edge), default=moved)
            if first < moved:  # it came just before that could be seen
                self._edge.announce(first, self._fence, session)
                return _Moved(
                    first, self._weight.exact(edge, self._log.batch_start(first), weighed.batches).bytes, readers
                )
            return _Moved(moved, weighed.bytes, readers)

    def _move(self, seq: int, session: ClientSession) -> None:
        self._edge.announce(seq, self._fence, session)
        self._announced = seq

    def _readers(self, head: int, session: ClientSession | None = None) -> list[Hold]:
        with time_limit():
            found = self._collections.cursors.find(
                {"seq": {**READERS["seq"], "$lte": head}}, {"seq": 1}, session=session
            )
            return [Hold(each["_id"], int(each["seq"]) + 1) for each in found]

    def _slowest(self, readers: list[Hold]) -> Hold | None:
        """The durable reader furthest behind. One whose next record is gone has nothing to lose, and holds nobody."""
        protected = [each for each in readers if each.seq >= self._oldest]
        return min(protected, key=lambda each: each.seq, default=None)

    def _measure(self, seq: int, cap: int, wanted: int) -> int:
        size, _ = self._weight.whole()
        unused = cap - size
        first = self._log.batch_start(seq)
        return unused + self._weight.at_least(start_of(self._oldest), first, wanted - unused, _STEP).bytes

    def _weigh_at_least(self, start: int, end: int | None, wanted: int) -> Weight:
        """The first batches from `start` up to `end` that have so many bytes, and about a share of the cap more."""
        return self._weight.at_least(start, end, wanted, 1 + (wanted + self._cap // _AHEAD) // self._batch_bytes)
