"""Handles records in transactions that move the reader's position, too: their effects and the position, or neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Protocol

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from outbox.consumers.in_turn import Terms
from outbox.consumers.waiting import WaitingRecords, interrupted
from outbox.dead_letters.requeued import RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.at_least_once import AtLeastOnce, Restart
from outbox.delivery.ports import OpenOutbox
from outbox.errors import CursorMismatch, DeliveryFailed, InvalidConsumer, LeaseLost, Superseded, Verdict
from outbox.events import Handled
from outbox.log.cursors import CursorStore
from outbox.log.position import Position
from outbox.log.record import Record
from outbox.mongo.calls import Write, transact
from outbox.mongo.holder_session import HolderSession, Sessions
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import is_transient, short_message

HandleInTransaction = Callable[[Record[Any], ClientSession], object]
Effect = Callable[[Sequence[Record[Any]], ClientSession], object]
"""Writes, inside a transaction, what these records come to; called again for a transaction that is tried again."""
Writes = Callable[[Sequence[Record[Any]]], list[Write]]
"""Describes what says, inside a transaction, that these records are handled, with all before them."""


class Effects(Protocol):
    """Keeps the position of a reader whose effects commit together with it; see WithEffects, which is one."""

    def session(self) -> Any: ...
    def writes(self, records: Sequence[Record[Any]]) -> list[Write]: ...
    def commit(self, records: Sequence[Record[Any]], session: ClientSession) -> None: ...
    def committed(self) -> None: ...


class WithEffects(AtLeastOnce):
    """Keeps the cursor of a reader whose effects commit together with it. Not thread-safe, but for `save`."""

    def __init__(self, outbox: OpenOutbox, cursors: CursorStore, sessions: Sessions | None = None) -> None:
        """sessions: of another client than the outbox's."""
        super().__init__(outbox, cursors)
        self.progress = cursors
        """What the transactions move."""
        self._writes: Writes | None = None
        self._holder = HolderSession(outbox.collections.cursors, cursors.reader, sessions)
        self._fence = 0
        self._reached = self._committed = 0
        """The seq that the open transaction moves the position to, 0 for none; the one that a committed one did."""

    def session(self) -> Any:
        """Returns the session for the transactions, which whoever takes over ends. Raises pymongo's errors."""
        assert self._fence, "restart() or restart_letters() comes first"
        return self._holder.begun(self._fence)

    def end(self) -> None:
        """See AtLeastOnce."""
        self._holder.end()

    def commit(self, records: Sequence[Record[Any]], session: ClientSession) -> None:
        """Sends `writes`. Raises LeaseLost when another has taken over, and pymongo's errors."""
        for write in self.writes(records):
            write.send(session)

    def writes(self, records: Sequence[Record[Any]]) -> list[Write]:
        """See Writes. No I/O."""
        assert self._writes is not None, "restart() or restart_letters() comes first"
        return self._writes(records)

    def committed(self) -> None:
        """Notes that the transaction is committed that `writes` was asked for last."""
        self._committed = max(self._committed, self._reached)

    def hold(self, session: ClientSession) -> None:
        """Makes the session's transaction conflict with those of another holder. Raises LeaseLost, pymongo's errors."""
        self.progress.conflict_with_others(self._fence, session)

    def save(self, position: Position, fence: int) -> None:
        """See AtLeastOnce. Only moves on: what a transaction has committed meanwhile stays, and is not written again.
        That would conflict with the next transaction, whose handlers would be called once more."""
        if position[0] <= self._committed:
            return
        self.cursors.advance(position, fence)

    def restart(self, lease: Lease) -> Restart:
        """See AtLeastOnce: asks for the cursor, for the last transaction may be committed or not."""
        fence = self._fence = lease.fence

        def writes(records: Sequence[Record[Any]]) -> list[Write]:
            record = records[-1]
            self._reached = record.seq
            return [self.progress.saving((record.seq, record.created, record.id), fence)]

        def restart(prefix: Position) -> Position:
            self.progress.claim(fence)  # waits for a transaction that is still being committed
            saved = self.progress.load()
            if saved is None:
                raise CursorMismatch(f"the cursor {self.progress.reader!r} was removed while its reader was running")
            return max(saved, prefix, key=lambda position: position[0])

        self._writes = writes
        return restart

    def rest(self, lease: Lease, letters: DeadLetterStore) -> bool:
        """See AtLeastOnce: False when a crash has left letters of messages that the log comes to again.

        If such a letter were handled and removed by then, the message would be handled twice; as it is, the position
        passes it by, for its key is parked.
        """
        position = self.position(lease, letters)
        return position is not None and not letters.any_after(position[0], self._outbox.log)

    def restart_letters(self, lease: Lease, requeued: RequeuedLetters) -> Restart:
        """See AtLeastOnce. From here on transactions remove the letters that they handled."""
        fence = self._fence = lease.fence

        def writes(records: Sequence[Record[Any]]) -> list[Write]:
            self._reached = 0
            return [self.cursors.conflicting(fence), requeued.removal(records)]

        def restart(prefix: Position) -> Position:
            self.cursors.claim(fence)
            return requeued.after_those_gone(prefix)

        self._writes = writes
        return restart


def one_by_one(handle: HandleInTransaction) -> Effect:
    """Makes the effect of records whose handler takes them one at a time."""

    def effect(records: Sequence[Record[Any]], session: ClientSession) -> None:
        for record in records:
            handle(record, session)
            check_open(session)

    return effect


def check_open(session: ClientSession | AsyncClientSession) -> None:
    """Raises InvalidConsumer when a handler has ended the transaction: the position would move apart from its writes.

    One that has begun another instead is not seen.
    """
    if not session.in_transaction:
        raise InvalidConsumer(
            "the handler ended the transaction that it was given, in which the position moves, too: return, and it is "
            "committed; raise, and it is aborted"
        )


class InTransaction(WaitingRecords):
    """Is a Target, and Interruptible: `poll` has an effect of up to `batch` records in one transaction. In order.

    A transaction that fails is tried again; one of several records then record by record, to find the one to blame.
    """

    def __init__(self, effect: Effect, batch: int, terms: Terms) -> None:
        super().__init__()
        self.delivery: Effects | None = None
        """How the position is kept; to be set before `open`."""
        self.sessions: Sessions | None = None
        """Where its sessions come from; None: from the outbox's client."""
        self._effect = effect
        self._batch = batch
        self._terms = terms
        self._attempts = terms.attempts()
        self._again_at = 0.0
        self._singly_to = 0

    def another(self) -> InTransaction:
        return InTransaction(self._effect, self._batch, self._terms)

    def poll(self, seconds: float) -> None:
        """Handles what waits, in one transaction. Raises LeaseLost when another has taken over, and Superseded when the
        effect does."""
        if self._interrupted:
            raise interrupted()
        now = self._terms.clock.monotonic()
        if not self._waiting or self._terms.stop.is_set():
            return
        if now < self._again_at:
            self._terms.clock.wait(min(seconds, self._again_at - now))
            return
        size = 1 if self._waiting[0][0] <= self._singly_to else self._batch
        records = [record for _, record in islice(self._waiting, size)]
        try:
            self._transact(records)
        except (LeaseLost, Superseded):
            raise
        except PyMongoError as error:
            if not is_transient(error):
                self._failed(error, records)
                return
            raise DeliveryFailed(None, Verdict.RETRY, short_message(error)) from error
        except Exception as error:  # noqa: BLE001  # it is counted, told and logged there
            self._failed(error, records)
            return
        self._done(records, self._terms.clock.monotonic() - now)

    def _transact(self, records: Sequence[Record[Any]]) -> None:
        delivery = self.delivery
        assert delivery is not None, "the reader's configuration sets it"

        def work(session: ClientSession) -> None:
            self._effect(records, session)
            delivery.commit(records, session)

        transact(delivery.session(), work)
        delivery.committed()

    def _failed(self, error: Exception, records: Sequence[Record[Any]]) -> None:
        if len(records) > 1:
            self._singly_to = records[-1].seq  # nothing of it was kept; alone it is tried at once
            return
        self._again_at = self._terms.clock.monotonic() + self._attempts.failed(records[0], error)

    def _done(self, records: Sequence[Record[Any]], seconds: float) -> None:
        self._terms.seconds.add(seconds / len(records), len(records))
        for record in records:
            self._waiting.popleft()
            self._acknowledged(record.seq)
            self._attempts.done(record.seq)
            if self._terms.tell is not None:
                self._terms.tell(Handled(record, seconds / len(records)))

    def close(self) -> None:
        super().close()
        self._again_at = 0.0
