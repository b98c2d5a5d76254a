"""Wakes the iterators of this process when the log has grown, and hands them what came: one thread reads it for all."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from contextlib import ExitStack, closing
from functools import partial
from weakref import WeakKeyDictionary

from outbox.aio.threads import hand_over
from outbox.clock import SystemClock
from outbox.history.reader import ChosenHistory
from outbox.log.batch import Batch
from outbox.mongo.calls import outside_bound_session
from outbox.outbox import Outbox
from outbox.readers.head import Head
from outbox.readers.reader import LogReader
from outbox.readers.recent import Recent
from outbox.threads.program_end import told_at_the_end

logger = logging.getLogger("outbox")

POLL_SECONDS = 1.0
LINGER_SECONDS = 0.1
"""So long after the last iterator the thread looks whether it is to end, and lives on after one was cancelled."""
_AGAIN_SECONDS = 0.1
_RELEASED = 250
"""So many iterators are woken in one turn of their loop."""


class Growth:
    """Follows the log while anybody has joined. Thread-safe.

    Who joins is held by a weak reference only: an iterator that its program has dropped leaves by itself, and no lock
    is ever taken by the garbage collector.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._lock = threading.Lock()
        self._members: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        """Each with the time from which on it counts no more."""
        self._clock = SystemClock()
        self._following: _Following | None = None
        self._thread: threading.Thread | None = None
        self._next = 0
        """The seq that comes next in the log, as the thread has read it; 0 while it does not know."""
        self._recent = Recent()
        self._waiting: dict[asyncio.AbstractEventLoop, dict[asyncio.Future[None], int]] = {}
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def join(self, member: object) -> Head:
        """Keeps the reader threads of the process at work for a member, until it leaves or is no more.

        Returns what wakes its reader. Raises PoolTooSmall and OutboxClosed.
        """
        with self._lock:
            following = self._following
            if following is None or following.stop.is_set():
                self._following = following = self._begin()
            self._members[member] = math.inf
            return following.head

    def leave(self, member: object) -> None:
        """Ends the thread with the last member. Leaving twice does nothing."""
        with self._lock:
            self._members.pop(member, None)
            self._end_if_alone()

    def leave_soon(self, member: object) -> None:
        """Lets a member leave that was cancelled, unless it joins again at once: it may be asked with time limits."""
        with self._lock:
            if member in self._members:
                self._members[member] = self._clock.monotonic() + LINGER_SECONDS

    def _end_if_alone(self) -> None:
        now = self._clock.monotonic()
        if self._following is not None and all(until <= now for until in self._members.values()):
            self._following.stop.set()
            self._following.head.wake()
            self._following = None
            self._recent.forget()

    def _begin(self) -> _Following:
        self._next = 0
        self._recent.forget()
        with ExitStack() as unless_all_is_well:
            following = _Following(unless_all_is_well.enter_context(self._outbox.running()))
            work = outside_bound_session(partial(self._follow, following))
            thread = threading.Thread(target=work, name=f"outbox-observe-{self._outbox.name}", daemon=True)
            following.held = unless_all_is_well.pop_all()
            try:
                thread.start()
            except BaseException:  # no thread can be had
                following.held.close()
                raise
            self._thread = thread
            return following

    def _follow(self, following: _Following) -> None:
        stop = following.stop
        with following.held, told_at_the_end(stop.set, wait=False):
            # What one iterator has fetched is kept for the others, though each of them leaves the cache while it rests.
            following.head.fetch_cache.enter()
            try:
                while not stop.is_set():
                    try:
                        self._read(following)
                    except Exception as error:  # noqa: BLE001  # whoever reads meets it, too, and tells its program
                        name = self._outbox.collections.log.full_name
                        logger.info("following %s goes on in a moment: %s", name, error, extra={"outbox": name})
                        self._tell(None)
                        stop.wait(POLL_SECONDS)
            finally:
                following.head.fetch_cache.leave()

    def _read(self, following: _Following) -> None:
        with closing(self._outbox.reader("latest")) as reader:
            reader.follow(following.head)
            self._tell(reader.position)
            while not following.stop.is_set():
                batches = reader.read_batches()
                with self._lock:
                    if following is self._following:
                        self._recent.add(reader.sight(), batches, reader.position)
                if batches:
                    self._tell(reader.position)
                else:
                    self._wait(reader, following)

    def _wait(self, reader: LogReader, following: _Following) -> None:
        """Waits until it is time to read, or to end."""
        until = self._clock.monotonic() + POLL_SECONDS
        while not following.stop.is_set():
            woken = reader.wait(LINGER_SECONDS, following.stop)
            with self._lock:
                if following is self._following:
                    self._end_if_alone()
            is_due = not following.head.is_followed or following.head.seq >= reader.position
            if woken or is_due or self._clock.monotonic() >= until:
                return

    def _tell(self, position: int | None) -> None:
        """Wakes those whose position has come; all of them when it is not known."""
        with self._lock:
            if position is None:
                self._recent.forget()
            else:
                self._next = position
            loops = list(self._waiting)
        for loop in loops:
            if not hand_over(loop, lambda loop=loop: self._release(loop, position)):  # type: ignore[misc]
                with self._lock:
                    self._waiting.pop(loop, None)

    def _release(self, loop: asyncio.AbstractEventLoop, position: int | None) -> None:
        with self._lock:
            waiting = self._waiting.get(loop, {}).items()
            due = [future for future, wanted in waiting if position is None or wanted < position]
        self._release_some(loop, due)

    def _release_some(self, loop: asyncio.AbstractEventLoop, due: list[asyncio.Future[None]]) -> None:
        """Wakes some, and the others in the next turns of the loop: thousands at once would let nobody else run."""
        for future in due[-_RELEASED:]:
            if not future.done():
                future.set_result(None)
        del due[-_RELEASED:]
        if due:
            loop.call_soon(self._release_some, loop, due)

    def told(self, reader: LogReader | ChosenHistory) -> list[Batch] | None:
        """Gives a reader at rest what comes next, if that was just read for all; none at the head. No I/O.

        None: it is to read by itself.
        """
        with self._lock:
            return reader.told(self._recent)

    async def beyond(self, position: int, future: asyncio.Future[None]) -> None:
        """Returns when the log may have a record at `position`, or this was closed. Holds no thread meanwhile.

        future: of the running loop; who waits is woken by its result, too.
        """
        loop = future.get_loop()
        with self._lock:
            if self._is_closed:
                return
            is_due = self._next > position  # the majority that was asked had it not: it will not be told of again
            self._waiting.setdefault(loop, {})[future] = position
        try:
            if is_due:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                await future
        finally:
            with self._lock:
                waiting = self._waiting.get(loop, {})
                waiting.pop(future, None)
                if not waiting:
                    self._waiting.pop(loop, None)

    def close(self) -> None:
        """Wakes all that wait, for good, and ends the thread. Does not wait for that."""
        with self._lock:
            self._is_closed = True
            self._members.clear()
            self._end_if_alone()
        self._tell(None)

    def wait_ended(self, seconds: float) -> None:
        """Waits until the thread has ended, for so long at most."""
        if self._thread is not None:
            self._thread.join(seconds)


class _Following:
    """One turn of the thread."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.stop = threading.Event()
        self.held = ExitStack()
        """What keeps the reader threads of the process at work."""
