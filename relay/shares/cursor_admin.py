"""The relay's cursor: the last record that it, and everything before it, was delivered. Kept in `NAME.cursors`."""

from __future__ import annotations

from datetime import datetime

from bson import Int64
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from outbox import Outbox
from outbox.clock import Clock
from outbox.errors import HistoryLost, InvalidStart, LeaseLost
from outbox.log.log import Log
from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.codec import Document
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import patient
from relay.encoding.encoder import Position
from relay.errors import CursorInUse, CursorMismatch
from relay.shares.cursor_document import parse
from relay.shares.layout import relay_id
from relay.shares.lock import RelayLock
from relay.shares.share import ALL, Layer, Share


class CursorStore:
    """The cursor of one relay, or of one share of it. Thread-safe. Raises pymongo's errors.

    in_kafka: what is saved follows a cursor in Kafka, which is the one that counts; the document says so.
    """

    def __init__(self, cursors: Collection[Document], name: str, share: Share = ALL, *, in_kafka: bool = False) -> None:
        self.relay = relay_id(name)
        """What all shares have in common: their plan, and the reader of their dead letters."""
        self.share = share
        self.name = share.name(name)
        """As people are told."""
        self.reader = relay_id(self.name)
        """The cursor's `_id`."""
        # A cursor of when there were more shares, or fewer, is another one.
        self._own = {"_id": self.reader, "shares": {"$exists": False} if share.of == 1 else Int64(share.of)}
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

        Raises CursorMismatch for one that no relay has written.
        """
        with time_limit():
            found = self._cursors.find_one(self._own, session=session)
        parsed = None if found is None else parse(found, self._cursors.full_name)
        self.delivered = () if parsed is None else parsed.delivered
        return None if parsed is None else parsed.position

    @outside_bound_session
    def claim(self, fence: int, session: ClientSession | None = None) -> None:
        """Refuses every write of an older fence from here on; nothing before the first start.

        What is read in `session` afterwards is at least as new as all that any relay had saved by then.

        Raises LeaseLost when another has worked since, also when there are more shares by now, or fewer: their cursors
        are made together. CursorMismatch for one that was removed alone, or that no relay has written.
        """
        with time_limit():
            claimed = self._cursors.update_one(
                {**self._own, "fence": {"$lte": Int64(fence)}}, {"$set": {"fence": Int64(fence)}}, session=session
            )
            if claimed.matched_count:
                return
            found = {
                each["_id"]: each
                for each in self._cursors.find({"_id": {"$in": [self.reader, self.relay]}}, session=session)
            }
        # Of a share that there was once the fence is kept, and no cursor.
        cursors = {id: each for id, each in found.items() if {"seq", "shares"} & each.keys()}
        known = {id: parse(each, self._cursors.full_name) for id, each in cursors.items()}
        if not known:
            return
        if self.reader not in known and known[self.relay].shares == self.share.of:
            raise CursorMismatch(f"the cursor of relay {self.name!r} was removed, and not those of the other shares")
        raise self._fenced_off()

    def register(self, position: Position, lease: Lease) -> None:
        """Makes the cursor, as that of a relay which holds `lease` and begins; it counts, not one in Kafka.

        In one transaction with a look at the lease: a relay that was frozen before its first record must not leave a
        cursor where one was made, worked with and forgotten meanwhile. Raises LeaseLost.
        """

        def work(session: ClientSession) -> None:
            lease.hold(session)
            self._write(position, lease.fence, upsert=True, in_kafka=False, session=session)

        try:
            transaction(self._cursors.database.client, work)
        except DuplicateKeyError as error:  # there is one, and the fence did not let the update match it
            raise self._fenced_off() from error

    def save(self, position: Position, fence: int, session: ClientSession | None = None) -> None:
        """Saves with a majority of the servers. Raises LeaseLost for a stale fence: another relay has worked since."""
        if not self._write(position, fence, upsert=False, in_kafka=self._in_kafka, session=session):
            raise self._fenced_off()

    @outside_bound_session
    def conflict_with_others(self, fence: int, session: ClientSession) -> None:
        """Makes the session's transaction one that no relay of another fence can commit beside. Raises LeaseLost.

        The count always changes: the server passes over a write that changes nothing, and would see no conflict.
        """
        touched = self._cursors.update_one(
            {**self._own, "fence": {"$lte": Int64(fence)}},
            {"$set": {"fence": Int64(fence)}, "$inc": {"letters": Int64(1)}},
            session=session,
        )
        if not touched.matched_count:
            raise self._fenced_off()

    @outside_bound_session
    def _write(
        self, position: Position, fence: int, *, upsert: bool, in_kafka: bool, session: ClientSession | None = None
    ) -> bool:
        seq, created, id = position
        values: Document = {"seq": Int64(seq), "created": created, "id": id, "updated": "$$NOW", "fence": Int64(fence)}
        values["in_kafka"] = True if in_kafka else "$$REMOVE"
        with time_limit():
            written = self._cursors.update_one(
                {**self._own, "fence": {"$lte": Int64(fence)}},
                [{"$set": values}],
                upsert=upsert,
                session=session,
            )
        return written.matched_count + (written.upserted_id is not None) > 0

    def _fenced_off(self) -> LeaseLost:
        return LeaseLost(f"the cursor {self.reader!r} was not saved: another relay has taken over, or it was removed")


def position_at(seq: int, log: Log) -> Position:
    """The position just after record `seq`; without its date and id if the log does not hold it (0: nothing is)."""
    record = None if seq == 0 else log.record_at(seq)
    return (seq, None, None) if record is None else (seq, record.created, record.id)


def verify_position(cursor: Position, log: Log, name: str, session: ClientSession) -> None:
    """Checks that reading can go on after `cursor` in this very log.

    `session`: in which `claim` was called. A primary that was just elected may not know for a moment what is committed,
    and would show a log that ends before the cursor.

    Raises CursorMismatch when the log holds another record there or ends before it, HistoryLost when the next record
    was rolled over. A cursor whose own record is gone, and no more than that, is fine.
    """
    seq, _, id = cursor
    record = None if seq == 0 else log.record_at(seq, session)
    if record is not None:
        if id is not None and record.id != id:
            raise CursorMismatch(_mismatch(name, f"at seq {seq} the log holds {record.id}, the cursor {id}"))
        return
    head, oldest = log.head(session), log.earliest(session)  # what is there stays, now that there is a cursor
    if head < seq:
        raise CursorMismatch(_mismatch(name, f"the cursor is at seq {seq}, the log's newest record is {head}"))
    if oldest > seq + 1:
        raise HistoryLost(seq + 1, oldest)


@patient
def move(outbox: Outbox, name: str, to: int | datetime, clock: Clock) -> tuple[Position | None, Position]:
    """Sets the cursor of relay `name`: to seq `to` as the last delivered one, or so that a date's first record is next.

    With several shares, those of all of them. Returns where it was (the slowest share) and where it is now; None: there
    was none.

    Raises CursorInUse while a relay works with it, which takes up to a third of the lease time to see, and up to the
    lease time after a relay was killed; InvalidStart for a seq that the log does not hold.
    """
    log = outbox.log
    ensemble = RelayLock(outbox, name)
    try:
        plan = ensemble.acquire_if_idle(clock)
        seq = to if isinstance(to, int) else log.seq_at(to) - 1
        there = position_at(seq, log)
        oldest, head = log.oldest(), log.head()
        is_there = there[2] is not None or seq == oldest - 1  # just before the oldest nothing is skipped or lost
        if seq + 1 < oldest or not is_there:
            raise InvalidStart(f"seq {seq} is not in the log, which holds {oldest} to {head}")
        ensemble.write(plan.shares or 1, there, ())
        if log.oldest() > seq + 1:  # after the save: see outbox.log.edge
            before = "had none" if plan.slowest is None else f"was at seq {plan.slowest[0]}"
            raise InvalidStart(
                f"seq {seq + 1} was rolled over while the cursor was set to {seq} (it {before}); the log is full and "
                f"written to. Set it again, to a later one: {log.oldest() - 1} is the earliest that can be had"
            )
        return plan.slowest, there
    except LeaseLost as lost:  # this was frozen, say, and a relay has begun meanwhile: nothing has changed
        raise CursorInUse(f"the cursor was not moved: {lost}") from lost
    finally:
        ensemble.release()


@patient
def forget(outbox: Outbox, name: str, clock: Clock) -> bool:
    """Removes the cursor of relay `name`, so that it holds the sequencer back no more; False when there is none.

    With several shares, those of all of them, and how many they are. A relay of that name that starts later has to be
    told where, as at its first start. Raises CursorInUse as `move`.
    """
    ensemble = RelayLock(outbox, name)
    try:
        ensemble.acquire_if_idle(clock)
        return ensemble.remove()
    except LeaseLost as lost:  # as above
        raise CursorInUse(f"the cursor was not removed: {lost}") from lost
    finally:
        ensemble.release()


def _mismatch(name: str, finding: str) -> str:
    return (
        f"the cursor of relay {name!r} belongs to another log: {finding}. The log was restored from a backup or made "
        f"anew, or the cursor comes from another database"
    )
