"""Where a durable reader is: the last record that was delivered with everything before it. Kept in `NAME.cursors`."""

from __future__ import annotations

from bson import Int64
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from outbox.errors import CursorMismatch, LeaseLost
from outbox.log.cursor_document import Layer, parse
from outbox.log.position import Position
from outbox.log.reader_id import described
from outbox.mongo.calls import Write, outside_bound_session, time_limit, transaction
from outbox.mongo.codec import Document
from outbox.mongo.holder_session import end_sessions
from outbox.mongo.lease import Lease


class CursorStore:
    """The cursor of one durable reader, or of one share of it. Thread-safe. Raises pymongo's errors.

    reader: the cursor's `_id`. name: the same without the kind. group: the `_id` of the document that all shares of the
        reader have in common, and the reader of their dead letters; the same as `reader` where there is one share.
    shares: how many shares there are. A cursor of another number of shares is another one.
    in_kafka: what is saved follows a cursor in Kafka, which is the one that counts; the document says so.
    """

    def __init__(
        self,
        cursors: Collection[Document],
        reader: str,
        *,
        name: str,
        group: str,
        shares: int = 1,
        in_kafka: bool = False,
    ) -> None:
        self.reader = reader
        self.name = name
        self.group = group
        self._kind = reader.partition(":")[0]
        self._shares = shares
        self._own = {"_id": reader, "shares": {"$exists": False} if shares == 1 else Int64(shares)}
        self.delivered: tuple[Layer, ...] = ()
        """See Share.delivered; as it was when the cursor was loaded."""
        self._cursors = cursors
        self._in_kafka = in_kafka

    @outside_bound_session
    def is_in_kafka(self) -> bool:
        """Whether the one in Kafka counts. Moving this one, or saving it without `in_kafka`, makes it count again."""
        with time_limit():
            return self._cursors.find_one({**self._own, "in_kafka": True}, {"_id": 1}) is not None

    @outside_bound_session
    def load(self, session: ClientSession | None = None) -> Position | None:
        """The saved position; None before the first start. `(0, None, None)`: nothing was delivered yet.

        Raises CursorMismatch for one that no reader has written.
        """
        with time_limit():
            found = self._cursors.find_one(self._own, session=session)
        parsed = None if found is None else parse(found, self._cursors.full_name)
        self.delivered = () if parsed is None else parsed.delivered
        return None if parsed is None else parsed.position

    @outside_bound_session
    def claim(self, fence: int, session: ClientSession | None = None) -> None:
        """Refuses every write of an older fence from here on; nothing before the first start.

        What is read in `session` afterwards is at least as new as all that any process had saved by then.

        Ends the sessions of earlier holders, whose open transactions would hold it up: see outbox.mongo.holder_session.

        Raises LeaseLost when another has worked since, also when there are more shares by now, or fewer: their cursors
        are made together. CursorMismatch for one that was removed alone, or that no reader has written.
        """
        end_sessions(self._cursors, {self.reader: fence})
        with time_limit():
            claimed = self._cursors.update_one(
                {**self._own, "fence": {"$lte": Int64(fence)}}, {"$set": {"fence": Int64(fence)}}, session=session
            )
            if claimed.matched_count:
                return
            found = {
                each["_id"]: each
                for each in self._cursors.find({"_id": {"$in": [self.reader, self.group]}}, session=session)
            }
        # Of a share that there was once the fence is kept, and no cursor.
        cursors = {id: each for id, each in found.items() if {"seq", "shares"} & each.keys()}
        known = {id: parse(each, self._cursors.full_name) for id, each in cursors.items()}
        if not known:
            return
        if self.reader not in known and known[self.group].shares == self._shares:
            raise CursorMismatch(
                f"the cursor of {described(self.reader)} was removed, and not those of the other shares"
            )
        raise self._fenced_off()

    def register(self, position: Position, lease: Lease) -> None:
        """Makes the cursor, as that of a reader which holds `lease` and begins; it counts, not one in Kafka.

        In one transaction with a look at the lease: a process that was frozen before its first record must not leave a
        cursor where one was made, worked with and forgotten meanwhile. Raises LeaseLost.
        """

        def work(session: ClientSession) -> None:
            lease.hold(session)
            self._write(position, lease.fence, upsert=True, in_kafka=False, session=session)

        try:
            transaction(self._cursors.database.client, work)
        except DuplicateKeyError as error:  # there is one, and the fence did not let the update match it
            raise self._fenced_off() from error

    def place(self, position: Position, fence: int) -> None:
        """Saves as `save`, and makes the cursor where there is none. Raises LeaseLost for a stale fence."""
        try:
            self._write(position, fence, upsert=True, in_kafka=False)
        except DuplicateKeyError as error:  # as above
            raise self._fenced_off() from error

    def save(self, position: Position, fence: int, session: ClientSession | None = None) -> None:
        """Saves with a majority of the servers. Raises LeaseLost for a stale fence: another has worked since."""
        if not self._write(position, fence, upsert=False, in_kafka=self._in_kafka, session=session):
            raise self._fenced_off()

    def saving(self, position: Position, fence: int) -> Write:
        """Describes `save` in a transaction."""
        change = _change(position, fence, self._in_kafka)
        return Write(self._cursors, {**self._own, "fence": {"$lte": Int64(fence)}}, change, self._fenced_off)

    def advance(self, position: Position, fence: int) -> None:
        """Saves as `save`, unless the cursor is there already, or further. Raises LeaseLost for a stale fence."""
        if not self._write(position, fence, upsert=False, in_kafka=False, only_before={"seq": {"$lt": position[0]}}):
            self.claim(fence)

    def conflict_with_others(self, fence: int, session: ClientSession) -> None:
        """Writes the cursor inside the session's transaction, so that it conflicts with any transaction under another
        fence. Raises LeaseLost.
        """
        self.conflicting(fence).send(session)

    def conflicting(self, fence: int) -> Write:
        """Describes `conflict_with_others`.

        The count always changes: the server passes over a write that changes nothing, and would see no conflict.
        """
        change = {"$set": {"fence": Int64(fence)}, "$inc": {"letters": Int64(1)}}
        return Write(self._cursors, {**self._own, "fence": {"$lte": Int64(fence)}}, change, self._fenced_off)

    @outside_bound_session
    def _write(
        self,
        position: Position,
        fence: int,
        *,
        upsert: bool,
        in_kafka: bool,
        session: ClientSession | None = None,
        only_before: Document | None = None,
    ) -> bool:
        with time_limit():
            written = self._cursors.update_one(
                {**self._own, "fence": {"$lte": Int64(fence)}, **(only_before or {})},
                _change(position, fence, in_kafka),
                upsert=upsert,
                session=session,
            )
        return written.matched_count + (written.upserted_id is not None) > 0

    def _fenced_off(self) -> LeaseLost:
        return LeaseLost(
            f"the cursor {self.reader!r} was not saved: another {self._kind} has taken over, or it was removed"
        )


def _change(position: Position, fence: int, in_kafka: bool) -> Document:
    """Describes a save. Not as a pipeline, with which a transaction of one record took 5 % longer (measured)."""
    seq, created, id = position
    values: Document = {"seq": Int64(seq), "created": created, "id": id, "fence": Int64(fence)}
    change: Document = {"$set": values, "$currentDate": {"updated": True}}
    if in_kafka:
        values["in_kafka"] = True
    else:
        change["$unset"] = {"in_kafka": 1}
    return change
