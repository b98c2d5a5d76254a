"""Records as an asynchronous iterator: pulls a portion of the log when the last one is used up, and never before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, cast

from pymongo.errors import PyMongoError

from outbox.aio.first import FirstPortions
from outbox.aio.growth import Growth
from outbox.aio.synchronous import Synchronous
from outbox.clock import SystemClock
from outbox.errors import HistoryLost, InvalidArgument
from outbox.events import CaughtUp, Disconnected, Fetched, Idle, Reconnected, Started, Stopped, teller
from outbox.history.reader import ChosenHistory
from outbox.history.source import open_history
from outbox.log.record import Decode, Record
from outbox.mongo.server_errors import is_transient, patiently, short_message
from outbox.readers.head import Head
from outbox.readers.query import Portions, Query, decoded, pass_gap, pinned
from outbox.readers.reader import LogReader

logger = logging.getLogger("outbox")

T = TypeVar("T")

_RETRY_SECONDS = 0.1


class _Over(Exception):
    """It was ended while it asked. Never leaves this module."""


class AsyncRecords:
    """Gives records, one after the other, from where it starts; made by AsyncOutbox.observe and AsyncOutbox.read.

    For `async for`, in one task at a time; a second one is refused. It begins with the first record that is asked for,
    or at `async with`. It reads a portion of the log, of some MiB at most, when the last one is used up. Between
    portions it has no session and no thread, so that it may wait, or its loop be slow, for any time; if the log rolls
    over it, it says so.

    When the task is cancelled, and after `asyncio.timeout`, nothing is lost: asked again, it goes on. An error ends it,
    and so does `aclose`, or leaving its `async with`; one that is dropped needs neither.
    """

    def __init__(self, sync: Synchronous, query: Query, decode: Decode, growth: Growth | None) -> None:
        """growth: None for one that ends at the head."""
        self._sync = sync
        self._query = query
        self._decode = decode
        self._growth = growth
        self._tell = teller(query.on_event)
        self._clock = SystemClock()
        self._first = None if query.first is None else FirstPortions(query.first())
        self._reader: LogReader | ChosenHistory | None = None
        self._head: Head | None = None
        self._is_taken = False
        self._asked: asyncio.Future[Any] | None = None
        self._waits: asyncio.Future[None] | None = None
        self._portion: Iterator[Record[Any]] = iter(())
        self._delivered = False
        self._at_head = False
        self._ended = False

    def __aiter__(self) -> AsyncRecords:
        return self

    async def __anext__(self) -> Record[Any]:
        """Returns the next record. Raises HistoryLost, LogReplaced, OutboxNotCreated, what `where` raises, errors of
        the server that do not pass by themselves, and InvalidArgument when another task is asking."""
        self._take()
        try:
            while not self._is_over():
                for record in self._portion:
                    self._delivered = True
                    if self._query.wants(record):
                        return record
                if not await self._fetch():
                    break
        except asyncio.CancelledError:
            self._rest()
            raise
        except _Over:
            pass
        except BaseException:
            self._end()
            raise
        finally:
            self._is_taken = False
        self._end()
        raise StopAsyncIteration

    async def __aenter__(self) -> AsyncRecords:
        """Begins: what is put from now on is given, also with start="latest"."""
        self._take()
        try:
            if self._first is None:
                await self._open()
            else:
                self._join()
        except asyncio.CancelledError:
            self._rest()
            raise
        except _Over:
            self._end()
        except BaseException:
            self._end()
            raise
        finally:
            self._is_taken = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends it: nothing more is given, also not to a task that waits for it. Idempotent."""
        self._end()

    def _take(self) -> None:
        """Makes the running task the one that asks. Two would each be given some, or the same."""
        if self._is_taken:
            raise InvalidArgument(
                "another task is asking these records for the next one: make an iterator for each task "
                "(orders.observe(…)), or let one task give the records to the others by an asyncio.Queue"
            )
        if self._asked is not None and self._asked.get_loop() is not asyncio.get_running_loop():
            raise InvalidArgument(
                "these records were being read in another event loop, which has what was read last: read anew in this "
                "one, from the seq after your last record"
            )
        self._is_taken = True

    def _is_over(self) -> bool:
        return self._ended or (self._growth is not None and self._growth.is_closed)

    def _end(self) -> None:
        if self._growth is not None:
            self._growth.leave(self)
        self._portion = iter(())
        if not self._ended:
            self._ended = True
            if self._waits is not None and not self._waits.done():
                self._waits.set_result(None)
            self._tell(Stopped())
            self._tell = teller(None)

    def _rest(self) -> None:
        """Keeps nothing but the position and the portion, unless it is asked again at once."""
        if self._growth is not None:
            self._growth.leave_soon(self)

    async def _fetch(self) -> bool:
        """Reads the next portion, and waits for it if need be. False: there is no more to come."""
        self._portion = iter(())
        if self._first is not None and await self._fetch_first(self._first):
            return True
        reader = await self._open()
        await asyncio.sleep(0)  # what was read for all is there at once: a loop that keeps up would let nobody else run
        while not self._is_over():
            try:
                batches = self._told(reader)
                if batches is None:
                    batches = await self._riding_out(partial(self._read, reader))
            except HistoryLost as lost:
                pass_gap(reader, self._query, self._delivered, lost)
                continue
            if batches:
                self._at_head = False
                if fetched := sum(batch.gives for batch in batches):  # none of a chunk that has nothing wanted
                    self._tell(Fetched(fetched))
                self._portion = decoded(batches, self._decode)
                return True
            if self._growth is None:
                return False
            self._reach(reader.position - 1)
            self._waits = asyncio.get_running_loop().create_future()
            await self._growth.beyond(reader.position, self._waits)
        return False

    async def _fetch_first(self, first: FirstPortions) -> bool:
        """Reads the next portion of what comes before the log. False: there is no more of it, or this has ended."""
        self._join()
        while not self._is_over():
            portion = await self._riding_out(first.read)
            if portion is None:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._query = replace(self._query, pinned=portion.start, where=first.wants)
            self._portion = iter(portion.records)
            if portion.records:
                return True
            self._first = None
            return False
        return False

    def _told(self, reader: LogReader | ChosenHistory) -> Sequence[Portions] | None:
        if self._growth is None or self._asked is not None:  # whose asker was cancelled: a thread uses the reader
            return None
        return self._growth.told(reader)

    def _reach(self, head: int) -> None:
        if not self._at_head:
            self._at_head = True
            self._tell(CaughtUp(head))
            self._tell(Idle())

    def _join(self) -> None:
        self._head = None if self._growth is None else self._growth.join(self)

    async def _open(self) -> LogReader | ChosenHistory:
        self._join()
        if self._reader is None:
            self._reader = await self._riding_out(self._opened)
            self._tell(Started())
        return self._reader

    async def _riding_out(self, call: Callable[[], T]) -> T:
        """Asks until there is an answer, through step-downs and disconnects."""
        lost_at: float | None = None
        while not self._is_over():
            try:
                result = await self._ask(call)
            except PyMongoError as error:
                if self._is_over():
                    break  # the outbox was closed: that the server is away, too, concerns nobody any more
                if self._growth is None or not is_transient(error):
                    raise
                if lost_at is None:
                    lost_at = self._clock.monotonic()
                    self._tell(Disconnected(error))
                name = self._sync.outbox.collections.log.full_name
                said = "reading %s goes on in a moment: %s"
                logger.info(said, name, short_message(error), extra={"outbox": name})
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                if lost_at is not None:
                    self._tell(Reconnected(self._clock.monotonic() - lost_at))
                return result
        raise _Over

    async def _ask(self, call: Callable[[], T]) -> T:
        """Calls it on a thread. The answer to a call whose caller was cancelled is that of the next, same one."""
        if self._asked is None:
            self._asked = self._sync.reads.begin(call)
        asked = self._asked
        # Whoever is cancelled at the very moment of the answer leaves it there: it would be lost with the caller.
        await asyncio.wait((asked,))
        self._asked = None
        return cast(T, asked.result())

    def _opened(self) -> LogReader | ChosenHistory:
        """On a thread: opens the reader, where "latest" meant when this was first tried."""
        collections = self._sync.outbox.collections
        if self._query.pinned is None:
            self._query = pinned(collections, self._query)
        reader = self._patiently(lambda: open_history(collections, self._query, self._decode, self._head))
        reader.rest()
        return reader

    def _read(self, reader: LogReader | ChosenHistory) -> Sequence[Portions]:
        """On a thread: reads the next portion."""
        try:
            if self._head is not None:
                reader.follow(self._head)
            batches = self._patiently(reader.read_batches)
            if not batches and self._growth is None:
                self._patiently(reader.verify)
            return batches
        finally:
            reader.rest()

    def _patiently(self, call: Callable[[], T]) -> T:
        """One that is to end tries again for a few seconds; one that goes on for ever, for ever, in its own loop."""
        return patiently(call) if self._growth is None else call()
