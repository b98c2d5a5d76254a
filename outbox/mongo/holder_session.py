"""Ends what a killed holder has left open: the server keeps its transaction for a minute, and what that has written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bson import Int64
from bson.binary import Binary
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError

from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.server_errors import short_message

logger = logging.getLogger("outbox")


@dataclass(frozen=True)
class Sessions:
    """Starts and ends sessions, of whichever client."""

    start: Callable[[], Any]
    end: Callable[[Any], None]


class HolderSession:
    """The session for the transactions of a cursor's holder, noted in the cursor's document. Not thread-safe.

    Whoever claims the cursor next ends the session that it finds there, see `end_sessions`.
    """

    def __init__(self, cursors: Collection[Document], reader: str, sessions: Sessions | None = None) -> None:
        """reader: the `_id` of the cursor. sessions: None for those of the collection's client."""
        client = cursors.database.client
        self._sessions = Sessions(client.start_session, ClientSession.end_session) if sessions is None else sessions
        self._cursors = cursors
        self._reader = reader
        self._session: Any = None
        self._fence = 0

    @outside_bound_session
    def begun(self, fence: int) -> Any:
        """Returns the session, which is noted under this fence: the same one until `end`. Raises pymongo's errors.

        It is not noted for a holder whose time is over. Neither is its position: nothing that it does is committed.
        """
        session = self._session
        if session is not None and self._fence == fence and not session.has_ended:
            return session
        self.end()
        session = self._sessions.start()
        self._fence = fence
        noted = {"id": session.session_id["id"], "fence": Int64(fence)}
        with time_limit():
            self._cursors.update_one(
                {"_id": self._reader, "fence": {"$lte": Int64(fence)}}, {"$set": {"session": noted}}
            )
        self._session = session
        return session

    @outside_bound_session
    def end(self) -> None:
        """Ends the session, and removes the note first: the driver may use the session for others from then on."""
        session, fence = self._session, self._fence
        self._session, self._fence = None, 0
        if not fence:
            return
        try:
            with time_limit():
                noted = {"_id": self._reader, "session.fence": Int64(fence)}
                self._cursors.update_one(noted, {"$unset": {"session": ""}})
        except PyMongoError as error:
            name = self._cursors.full_name
            about = {"outbox": name.removesuffix(".cursors"), "reader": self._reader}
            logger.info("%s: the session of %s stays noted: %s", name, self._reader, short_message(error), extra=about)
        if session is not None:
            self._sessions.end(session)


@outside_bound_session
def end_sessions(cursors: Collection[Document], fences: dict[str, int]) -> None:
    """Ends the sessions of earlier holders of these cursors, and so their open transactions, which hold up every write
    to what they have written. Raises pymongo's errors of finding them.

    fences: of each cursor, by its `_id`, the fence of who claims it; sessions noted under lower ones are ended. A user
        may end its own sessions; another user's transaction is ended by the server within a minute.
    """
    earlier = [{"_id": reader, "session.fence": {"$lt": Int64(fence)}} for reader, fence in fences.items()]
    with time_limit():
        found = cursors.find({"$or": earlier}, {"session": 1})
        ids = [each["session"].get("id") for each in found]
        sessions = [{"id": Binary.from_uuid(id)} for id in ids if isinstance(id, UUID)]
        if not sessions:
            return
        try:
            cursors.database.client.admin.command("killSessions", sessions)
        except OperationFailure as error:
            about = {"outbox": cursors.full_name.removesuffix(".cursors")}
            said = "%s: a session of an earlier holder stays open: %s"
            logger.info(said, cursors.full_name, short_message(error), extra=about)
