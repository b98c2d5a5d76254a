"""The tail: the process's one tailable cursor on the log. It tells the head that the log has grown, and by whom."""

from __future__ import annotations

import logging
import threading

from pymongo import CursorType
from pymongo.client_session import ClientSession
from pymongo.cursor import Cursor
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox.clock import SystemClock, seconds_in_step
from outbox.errors import OutboxNotCreated
from outbox.log.log import Log
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.patience import CALL_SECONDS
from outbox.mongo.server_errors import is_closed, short_message
from outbox.readers.head import Head
from outbox.threads.stop_watch import watching

logger = logging.getLogger("outbox")

CLOCK = SystemClock()
AWAIT_MS = 200  # closing a cursor does not interrupt its await (measured), so this is how long stopping may take
_REOPEN_SECONDS = 0.1
_UNFORESEEN_SECONDS = 1.0
_REST_SECONDS = 5.0  # between two looks while this process is the one that appends
_OPEN_SECONDS = 600.0  # a log of 1 TiB


class Tail:
    """Follows the log with one cursor, on one thread, and tells `head` what it sees.

    It reads with local concern, because a majority tailable wakes late (p50 55 ms, measured); a reader then reads by
    index, with majority, causally after what woke it. So nothing that a rollback could take back is ever shown.
    """

    def __init__(self, collections: Collections, head: Head, pause: float = 0.0) -> None:
        """pause: seconds between two looks at the log that find nothing; 0: the server is asked to wait."""
        self._pause = pause
        self._collections = collections
        self._log = Log(collections)
        self._head = head

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
                name = self._collections.log.full_name
                logger.info("the tail of %s is opened anew: %s", name, short_message(error), extra={"outbox": name})
            except Exception:
                pause = _UNFORESEEN_SECONDS
                name = self._collections.log.full_name
                logger.exception("the tail of %s is opened anew: unforeseen", name, extra={"outbox": name})
            self._head.broken(is_followed=False)
            stop.wait(pause)

    def _opened(self, session: ClientSession) -> Cursor[Document]:
        """Opening scans the whole log (0.4 to 0.5 s a GiB, measured); without a filter it would also be sent."""
        head = self._log.newest().first
        cursor = self._collections.log.with_options(read_concern=ReadConcern("local")).find(
            {"_id": {"$gte": head}}, {"last": 1, "fence": 1}, cursor_type=CursorType.TAILABLE_AWAIT, session=session
        )
        return cursor.max_await_time_ms(1 if self._pause else AWAIT_MS)

    def _follow(self, cursor: Cursor[Document], session: ClientSession, stop: threading.Event) -> None:
        while not stop.is_set():
            limit = CALL_SECONDS if self._head.is_followed else _OPEN_SECONDS
            with time_limit(limit):  # not by the client's own socketTimeoutMS
                grown = next(cursor, None)
            if not self._head.is_followed:
                self._head.broken(is_followed=True)
            if grown is not None:
                self._heed(grown, session)
            elif not cursor.alive or self._moved(cursor):
                return
            if self._head.append_cache.fence and (grown is None or grown["last"] >= self._head.seq):
                self._rest(stop)
            elif grown is None and self._pause:
                stop.wait(self._pause)

    def _heed(self, grown: Document, session: ClientSession) -> None:
        """Rings for what others append: what this process's own does is announced, once the majority has it."""
        own = self._head.append_cache.fence
        if own and grown["fence"] > own:
            self._head.ended()
        if grown["fence"] != own:
            self._head.grown(grown["last"], session)

    def _rest(self, stop: threading.Event) -> None:
        """The cursor has nobody to wake, but must not be lost: without it nobody learns that the log is another one."""
        rested = threading.Event()
        with watching(lambda: stop.is_set() or not self._head.append_cache.fence, rested.set):
            rested.wait(seconds_in_step(CLOCK, _REST_SECONDS))

    def _moved(self, cursor: Cursor[Document]) -> bool:
        """After a step-down the cursor lives on at the old primary, where it may never wake anybody again."""
        primary = self._collections.client.primary
        return primary is not None and cursor.address != primary
