"""The tail: the process's one tailable cursor on the log, which wakes all its readers and shows them nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bson import Timestamp
from pymongo import CursorType
from pymongo.client_session import ClientSession
from pymongo.cursor import Cursor
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox.errors import OutboxNotCreated
from outbox.log.batch import Batch
from outbox.log.log import Log
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.patience import CALL_SECONDS
from outbox.mongo.server_errors import is_closed, short_message
from outbox.readers.append_cache import AppendCache
from outbox.readers.fetch_cache import FetchCache

logger = logging.getLogger("outbox")

AWAIT_MS = 200  # closing a cursor does not interrupt its await (measured), so this is how long stopping may take
_REOPEN_SECONDS = 0.1
_UNFORESEEN_SECONDS = 1.0
_REST_SECONDS = 5.0  # between two looks while this process is the one that appends
_OPEN_SECONDS = 600.0  # a log of 1 TiB
_STOP_SECONDS = 0.2
_BLIND_SECONDS = 0.05  # how often readers look for themselves while the cursor is being opened


class Tail:
    """Wakes readers when the log grows. Thread-safe; `run` is one thread's work.

    It reads with local concern, because a majority tailable wakes late (p50 55 ms, measured); a reader then reads by
    index, with majority, causally after what woke it. So nothing that a rollback could take back is ever shown.
    """

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._log = Log(collections)
        self._woken = threading.Condition()
        self.rings = 0
        """Grows with every wake-up; a reader that read at n sleeps until it is no longer n."""
        self.breaks = 0
        """Grows whenever the cursor ends or is opened: between the two the log may have become another."""
        self.open = False
        self.head = 0
        """The newest seq it has seen, perhaps ahead of what the majority has; 0 while it sees nothing."""
        self.appended = AppendCache()
        """What this process's own sequencer has appended."""
        self.fetched = FetchCache()
        """What this process's readers have got from the server."""
        self._operation_time: Timestamp | None = None
        self._cluster_time: Mapping[str, Any] | None = None

    def wait(self, rings: int, seconds: float, stop: threading.Event | None = None) -> bool:
        """Until the log has grown since `rings` (True), `stop` is set, or `seconds` have passed."""
        with self._woken:
            return self._woken.wait_for(
                lambda: self.rings != rings or (stop is not None and stop.is_set()),
                timeout=seconds if self.open else min(seconds, _BLIND_SECONDS),
            )

    def wake(self) -> None:
        """Makes every waiting reader look, as a growing log does."""
        with self._woken:
            self.rings += 1
            self._woken.notify_all()

    def announce(self, batches: Sequence[Batch], session: ClientSession) -> None:
        """Wakes the readers for what this process's sequencer has appended in `session`, and the majority has."""
        self.appended.add(batches)
        self._ring(session, batches[-1].last)

    def advance(self, session: ClientSession) -> None:
        """Makes the session's next read happen after what the tail has seen."""
        with self._woken:
            if self._operation_time is not None and self._cluster_time is not None:
                session.advance_cluster_time(self._cluster_time)  # without it the server refuses with code 72
                session.advance_operation_time(self._operation_time)

    def run(self, stop: threading.Event) -> None:
        """Follows the log until `stop` is set, opening the cursor anew whatever happens to it. Blocks."""
        while not stop.is_set():
            pause = _REOPEN_SECONDS
            try:
                with self._collections.client.start_session() as session, self._opened(session) as cursor:
                    self._follow(cursor, session, stop)
            except (PyMongoError, OutboxNotCreated) as error:
                if is_closed(error):  # a subscriber is told so
                    return
                logger.info("the tail of %s is opened anew: %s", self._collections.log.full_name, short_message(error))
            except Exception:
                pause = _UNFORESEEN_SECONDS
                logger.exception("the tail of %s is opened anew: unforeseen", self._collections.log.full_name)
            self._break(is_open=False)
            stop.wait(pause)

    def _break(self, *, is_open: bool) -> None:
        self.open = is_open
        self.head = 0
        self.fetched.forget()
        self.breaks += 1
        self.wake()

    def _opened(self, session: ClientSession) -> Cursor[Document]:
        """Opening scans the whole log (0.4 to 0.5 s a GiB, measured); without a filter it would also be sent."""
        head = self._log.newest().first
        cursor = self._collections.log.with_options(read_concern=ReadConcern("local")).find(
            {"_id": {"$gte": head}}, {"last": 1, "fence": 1}, cursor_type=CursorType.TAILABLE_AWAIT, session=session
        )
        return cursor.max_await_time_ms(AWAIT_MS)

    def _follow(self, cursor: Cursor[Document], session: ClientSession, stop: threading.Event) -> None:
        while not stop.is_set():
            with time_limit(CALL_SECONDS if self.open else _OPEN_SECONDS):  # not by the client's own socketTimeoutMS
                grown = next(cursor, None)
            if not self.open:
                self._break(is_open=True)
            if grown is not None:
                self._heed(grown, session)
            elif not cursor.alive or self._moved(cursor):
                return
            if self.appended.fence and (grown is None or grown["last"] >= self.head):
                self._rest(stop)

    def _heed(self, grown: Document, session: ClientSession) -> None:
        """Rings for what others append: what this process's own does is announced, once the majority has it."""
        own = self.appended.fence
        if own and grown["fence"] > own:
            self.appended.end()
        if grown["fence"] != own:
            self._ring(session, grown["last"])

    def _rest(self, stop: threading.Event) -> None:
        """The cursor has nobody to wake, but must not be lost: with it goes the news that the log is another one."""
        until = time.monotonic() + _REST_SECONDS
        while self.appended.fence and time.monotonic() < until and not stop.wait(_STOP_SECONDS):
            pass

    def _moved(self, cursor: Cursor[Document]) -> bool:
        """After a step-down the cursor lives on at the old primary, where it may never wake anybody again."""
        primary = self._collections.client.primary
        return primary is not None and cursor.address != primary

    def _ring(self, session: ClientSession, head: int) -> None:
        with self._woken:
            self.head = head
            self._operation_time = session.operation_time
            self._cluster_time = session.cluster_time
            self.rings += 1
            self._woken.notify_all()
