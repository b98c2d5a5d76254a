"""The lock of a reader: its own lease and those of its shares in one hand, so that their cursors change together."""

from __future__ import annotations

from contextlib import ExitStack

from bson import Int64
from pymongo.client_session import ClientSession

from outbox.clock import Clock
from outbox.errors import CursorInUse, LeaseLost
from outbox.log.cursor_document import Layer
from outbox.log.position import Position
from outbox.log.reader_id import described
from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.holder_session import end_sessions
from outbox.mongo.lease import Lease, seconds_of
from outbox.shares.layout import ShareLayout, documents_of, survey
from outbox.shares.share import shares

_LOOK_SECONDS = 0.5


class ReaderLock:
    """Takes the reader's own lease, and then those of its shares. Not thread-safe; release it. Raises pymongo's errors.

    The reader's own is needed to change the number of shares. Holding every share's lease as well freezes all cursors,
    so their positions can be read.
    """

    def __init__(self, collections: Collections, reader: str, own_lease: Lease | None = None) -> None:
        """reader: its id. own_lease: the reader's own. Who tries again gives the same: it knows since when it has stood
        still."""
        self._reader = reader
        self._collections = collections
        self._own_lease = collections.lease(reader) if own_lease is None else own_lease
        self._leases: dict[str, Lease] = {reader: self._own_lease}
        self._wanted: int | None = None

    def lock(self) -> ShareLayout | None:
        """Takes the reader's own lease, if it can be had: then nobody else can change the number of shares. What is
        returned may be old; `claim` returns what is sure."""
        return survey(self._collections, self._reader) if self._own_lease.acquire() else None

    def lease(self, reader: str) -> Lease:
        """One of those that are held."""
        return self._leases[reader]

    def lock_shares(self, layout: ShareLayout, target: int = 1) -> str | None:
        """Tries to take the leases that are missing, of the shares there are and of `target` shares, and checks
        the others. Returns None, or one that cannot be had.

        Raises LeaseLost as `check`.
        """
        missing, own = None, self._own_lease
        for reader in self._needed(layout, target):
            lease = self._leases.setdefault(
                reader, self._collections.lease(reader, owner=own.owner, seconds=own.seconds)
            )
            if lease.fence:
                lease.check()
            elif not lease.acquire():
                missing = reader
        return missing

    def _needed(self, layout: ShareLayout, target: int) -> list[str]:
        of_shares = [share.name(self._reader) for share in shares(max(target, layout.total))]
        return list(dict.fromkeys([self._reader, *of_shares, *layout.strays]))

    def check(self) -> None:
        """Raises LeaseLost when one of them may be another's by now. No I/O."""
        for lease in self._leases.values():
            lease.check()

    @outside_bound_session
    def claim(self) -> ShareLayout:
        """Refuses what others write of the cursors from here on; `write` and `remove` make sure that it was so.

        Returns the layout, which can change no more. What was read of it before may have been old: a primary that was
        just elected may not know for a moment what is committed. Raises LeaseLost when not all of it was taken.
        """
        end_sessions(self._collections.cursors, {reader: lease.fence for reader, lease in self._leases.items()})
        with self._collections.client.start_session(causal_consistency=True) as session:
            for reader, lease in self._leases.items():
                fence = Int64(lease.fence)
                with time_limit():
                    self._collections.cursors.update_one(
                        {"_id": reader, "fence": {"$lte": fence}}, {"$set": {"fence": fence}}, session=session
                    )
            found = survey(self._collections, self._reader, session)
        if not self._leases.keys() >= set(self._needed(found, 1)):
            raise LeaseLost(f"{described(self._reader)} has {found.shares} shares, and not all of them were taken")
        self._wanted = found.wanted
        return found

    @outside_bound_session
    def write(self, count: int, position: Position, delivered: tuple[Layer, ...]) -> None:
        """Writes the cursors of `count` shares that all go on after `position`; all of them or none.

        Raises LeaseLost when another has worked since, or yet another number is wanted by now: nothing has changed.
        """
        cursors: dict[str, Document] = {reader: {} for reader in self._leases}  # what is no share, keeps its fence
        cursors |= {each.name(self._reader): _cursor(position, delivered, count) for each in shares(count)}
        if count > 1:
            cursors[self._reader] = {"shares": Int64(count)}

        def work(session: ClientSession) -> None:
            self._hold(session)
            for reader, cursor in cursors.items():
                self._put(reader, cursor, session)
            wanted: Document = {"_id": self._reader, "wanted": self._wanted}
            done: Document = {"$unset": {"wanted": 1}} if count == self._wanted else {"$inc": {"plans": Int64(1)}}
            if not self._collections.leases.update_one(wanted, done, session=session).matched_count:
                raise LeaseLost(f"another number of shares of {described(self._reader)} is wanted by now")

        transaction(self._collections.client, work)
        if count == self._wanted:
            self._wanted = None

    def _hold(self, session: ClientSession) -> None:
        """Makes sure, as the first thing in a transaction, that all leases are still held. So what the cursors hold by
        then need not be looked at."""
        for lease in self._leases.values():
            lease.hold(session)

    def _put(self, reader: str, cursor: Document, session: ClientSession) -> None:
        values: Document = {**cursor, "_id": {"$literal": reader}, "updated": "$$NOW"}
        # A pause lasts, and which types a client asked for, and what the states of a projection are made of.
        values |= {"types": "$types"}
        values |= {"paused": "$paused", "projection": "$projection", "fence": Int64(self._leases[reader].fence)}
        self._collections.cursors.update_one({"_id": reader}, [{"$replaceWith": values}], upsert=True, session=session)

    @outside_bound_session
    def remove(self) -> bool:
        """Removes all cursors, and the layout with them; False when there were none. Raises LeaseLost as `write`."""

        def work(session: ClientSession) -> bool:
            self._hold(session)
            self._collections.leases.update_one({"_id": self._reader}, {"$unset": {"wanted": 1}}, session=session)
            removed = self._collections.cursors.delete_many(documents_of(self._reader), session=session)
            return removed.deleted_count > 0

        return transaction(self._collections.client, work)

    def acquire_if_idle(self, clock: Clock) -> ShareLayout:
        """Takes everything while nobody works for the reader. Raises CursorInUse when somebody does: it beats within a
        third of the lease time. A killed one is waited for, the lease time and a second."""
        began = clock.monotonic()
        first: dict[str, object] = {}
        while True:
            found = self.lock() if not self._own_lease.fence else survey(self._collections, self._reader)
            missing = self._reader if found is None else self.lock_shares(found)
            if found is not None and missing is None:
                return self.claim()
            with time_limit():
                held = self._collections.leases.find_one({"_id": missing}) or {}
            beat = (held.get("fence"), held.get("beat"))
            patience = seconds_of(held, self._own_lease.seconds) + 2 * _LOOK_SECONDS
            if first.setdefault(str(missing), beat) != beat or clock.monotonic() > began + patience:
                raise CursorInUse(f"{described(self._reader)} is running ({held.get('owner')}): stop it first")
            clock.wait(_LOOK_SECONDS)

    def release(self) -> None:
        """Gives all of it back."""
        with ExitStack() as every:
            for lease in self._leases.values():
                every.callback(lease.release)


def _cursor(position: Position, delivered: tuple[Layer, ...], count: int) -> Document:
    seq, created, id = position
    cursor: Document = {"seq": Int64(seq), "created": created, "id": id}
    if count > 1:
        cursor["shares"] = Int64(count)
    if delivered:
        cursor["delivered"] = [[Int64(seq) for seq in layer] for layer in delivered]
    return cursor
