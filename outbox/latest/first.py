"""What a subscriber of the latest gets before the live records: what the view has, as of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect, OperationFailure

from outbox.errors import InvalidSelector
from outbox.latest.view import LatestView, deployed_compactions, id_of
from outbox.log.record import Decode, Record
from outbox.messages.message_types import MessageTypes
from outbox.mongo.collections import Collections
from outbox.readers.query import Query, asked

_SNAPSHOT_GONE = (239, 246)  # SnapshotTooOld, SnapshotUnavailable


def asked_latest(known: MessageTypes, types: object, collections: Collections) -> Query:
    """Checks what a subscriber of the latest asks for. Raises InvalidSelector and UnknownMessage."""
    query = asked(known, 1, types, None)
    return replace(query, first=partial(LatestFirst, collections, query.types, known.decode))


class LatestFirst:
    """Gives the entries of the view up to its position, by seq; the live records go on after it. Not thread-safe.

    A snapshot lasts five minutes. When a slow subscriber outlives it, another one is taken: what has changed since is
    left out there, for it comes among the live records.
    """

    def __init__(self, collections: Collections, types: frozenset[str] | None, decode: Decode) -> None:
        self._collections = collections
        self._view = LatestView(collections)
        self._asked = types
        self._decode = decode
        self._compactions: dict[str, str] = {}
        self._session: ClientSession | None = None
        self._position = 0
        self._given = 0

    def begin(self) -> int | None:
        """Takes a snapshot, and returns the seq of the first live record; None while the view is not there yet.

        Raises InvalidSelector for a type that is not compacted, and pymongo's errors.
        """
        compactions = deployed_compactions(self._collections)
        wanted = self._asked if self._asked is not None else frozenset(compactions)
        if not_compacted := sorted(wanted.difference(compactions)):
            raise InvalidSelector(
                f"{', '.join(map(repr, not_compacted))}: nothing keeps the latest of a type that is not compacted: "
                "declare its class with compact=…, and run create()"
            )
        if not wanted:
            raise InvalidSelector("no type of this outbox is compacted: declare one with compact=…, and run create()")
        session = self._open()
        covered, position = self._view.covered(session), self._view.position(session)
        if position is None or not wanted <= covered.keys():
            return None
        self._compactions = {type: compactions[type] for type in wanted}
        self._position = position
        return position + 1

    def wants(self, record: Record[Any]) -> bool:
        """Tells whether a live record has an entry in the view of these types."""
        return id_of(record, self._compactions) is not None

    def read(self) -> Sequence[Record[Any]]:
        """Reads some more entries; none when all are read. Raises pymongo's errors; may be called again then, and after
        `close`, which gives the snapshot back."""
        session = self._session or self._reopened()
        try:
            entries = self._view.entries(self._given, self._position, self._compactions, self._decode, session)
        except OperationFailure as error:
            if error.code not in _SNAPSHOT_GONE:
                raise
            session = self._reopened()
            entries = self._view.entries(self._given, self._position, self._compactions, self._decode, session)
        if entries:
            self._given = entries[-1].seq
        return entries

    def _open(self) -> ClientSession:
        self.close()
        self._session = self._collections.client.start_session(snapshot=True)
        return self._session

    def _reopened(self) -> ClientSession:
        """Takes another snapshot. Raises AutoReconnect while the view is made anew: it lacks what it had."""
        session = self._open()
        position = self._view.position(session)
        if position is None or position < self._position:
            self.close()
            raise AutoReconnect(f"{self._collections.latest.full_name} is being made anew, up to seq {self._position}")
        return session

    def close(self) -> None:
        """Ends the snapshot. Closing twice does nothing."""
        if self._session is not None:
            self._session.end_session()
            self._session = None
