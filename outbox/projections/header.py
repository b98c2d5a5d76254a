"""Which version a projection's states are of, and since which record: kept with its cursor in NAME.cursors."""

from __future__ import annotations

from typing import NamedTuple

from bson import Int64
from pymongo.client_session import ClientSession

from outbox.errors import CursorMismatch
from outbox.log.cursor_document import whole
from outbox.log.reader_id import described, forget_command
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import HIGHEST_SEQ, Collections
from outbox.shares.layout import load


class Header(NamedTuple):
    """What is said of the states of a projection."""

    version: int
    since: int
    """The first record that they are made of, if it was wanted."""


class HeaderStore:
    """The header of one projection, in the document that has the reader's id. Thread-safe. Raises pymongo's errors."""

    def __init__(self, collections: Collections, reader: str) -> None:
        self.reader = reader
        self._collections = collections

    @outside_bound_session
    def load(self, session: ClientSession | None = None) -> Header | None:
        """Returns the header; None while there is none. Raises CursorMismatch for one that nobody has written so."""
        with time_limit():
            found = self._collections.cursors.find_one({"_id": self.reader}, {"projection": 1}, session=session) or {}
        if "projection" not in found:
            return None
        stored = found["projection"] if isinstance(found["projection"], dict) else {}
        version, since = whole(stored.get("version"), 1, 1 << 31), whole(stored.get("since"), 1, HIGHEST_SEQ)
        if version is None or since is None:
            raise CursorMismatch(
                f"the field 'projection' of {self.reader!r} in {self._collections.cursors.full_name} is "
                f"{found['projection']!r:.100}, which no projection has written. `{forget_command(self.reader)}` lets "
                f"{described(self.reader)} begin anew"
            )
        return Header(version, since)

    def ensure(self, version: int) -> Header | None:
        """Returns the header, and writes one for a cursor that has none: its process died between the two. None: there
        is no cursor."""
        header = self.load()
        slowest = None if header is not None else load(self._collections, self.reader).slowest
        if slowest is None:
            return header
        self.begin(Header(version, slowest[0] + 1))
        return self.load()

    @outside_bound_session
    def begin(self, header: Header) -> None:
        """Writes the header of a cursor that was made just now, unless somebody was quicker."""
        with time_limit():
            self._collections.cursors.update_one(
                {"_id": self.reader, "projection": {"$exists": False}}, {"$set": {"projection": _stored(header)}}
            )

    @outside_bound_session
    def replace(self, header: Header, session: ClientSession) -> None:
        """Writes another header, in the session's transaction."""
        self._collections.cursors.update_one(
            {"_id": self.reader}, {"$set": {"projection": _stored(header)}}, session=session
        )


def _stored(header: Header) -> Document:
    return {"version": Int64(header.version), "since": Int64(header.since)}
