"""Takes records from the log to a target, and saves the cursor behind what was delivered, one step at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection
from typing import Generic

from pymongo.errors import PyMongoError

from outbox.clock import Clock
from outbox.counting.tally import ReaderTally
from outbox.delivery.cursor_saver import EVERY_RECORDS, CursorSaver
from outbox.delivery.in_flight import InFlight
from outbox.delivery.intake import Intake
from outbox.delivery.outcome import Failed, Idle, Moved, Outcome, Poisoned, Unavailable, Unsaved, Waiting
from outbox.delivery.ports import BatchReader, Encoder, Interruptible, Item, LeaseHold, Parking, Target, Wanted
from outbox.errors import DeliveryFailed, PoisonMessage, Unreachable
from outbox.events import OnEvent, teller
from outbox.log.position import Mark, Position
from outbox.mongo.server_errors import is_transient
from outbox.monitoring.delivery_count import DeliveryCount
from outbox.shares.share import ALL, Share

_BUSY_SECONDS = 0.02


def _there(position: Position) -> Position:
    return position


class Pump(Generic[Item]):
    """Delivers the `wanted` records of `share` after `start`, the position delivered last. Not thread-safe; close it.

    `save` saves a position under the lease's fence. It is called on another thread, never twice at the same time.
    `restart` is called after a failure, when the target is closed, with the position of what was acknowledged last; it
    returns the position to go on from. When it raises DeliveryFailed, it is called again.
    """

    def __init__(
        self,
        reader: BatchReader,
        target: Target[Item],
        encoder: Encoder[Item],
        lease: LeaseHold,
        *,
        start: Position,
        save: Callable[[Position], None],
        parking: Parking,
        clock: Clock,
        restart: Callable[[Position], Position] = _there,
        share: Share = ALL,
        wanted: Wanted | None = None,
        tell: OnEvent = teller(None),  # noqa: B008  # immutable
        count: DeliveryCount | None = None,
    ) -> None:
        self._intake = Intake(reader, encoder, parking, clock, share, wanted, tell)
        self._target = target
        self._lease = lease
        self._clock = clock
        self._restart = restart
        self._count = DeliveryCount(ReaderTally(), clock) if count is None else count
        self._saver = CursorSaver(
            save, start, clock, EVERY_RECORDS * share.total
        )  # of the log, so about EVERY_RECORDS of the share
        self._begin(start)

    def _begin(self, start: Position, done: Collection[int] = ()) -> None:
        self._inflight = InFlight(start)
        self._done = set(done)
        self._outgoing: list[Item] = []
        self._marks: list[Mark] = []
        self._failed: DeliveryFailed | None = None
        self._is_moving = False
        self._target.open(self._inflight.acknowledged)

    @property
    def position(self) -> Position:
        """Returns the position up to which everything is delivered."""
        return self._inflight.prefix

    @property
    def pending(self) -> int:
        """Counts the records sent and not yet acknowledged."""
        return len(self._inflight)

    @property
    def failed(self) -> DeliveryFailed | None:
        """Returns why the target delivers nothing more; None while it works."""
        return self._failed

    def step(self) -> Outcome:
        """Takes acknowledgements, saves the cursor if that is due, reads and sends up to CHUNK records.

        Raises what must stop the reader. DeliveryRefused, TopicMissing, HistoryLost and LogReplaced are raised when all
        before them is delivered and saved; LeaseLost, and the server's errors that do not pass, at once.
        """
        acknowledged = len(self._inflight.beyond)
        self._lease.check()
        self._acknowledge(0)
        self._is_moving = len(self._inflight.beyond) > acknowledged
        if self._failed is not None:
            return Failed(self._failed)
        position, halt = self._advance(), self._intake.halt
        try:
            self._saver.save_if_due(position, now=halt is not None)
        except PyMongoError as error:
            _stop_unless_transient(error)
            return Unsaved(error)
        settled = not self._inflight and not self._outgoing and self._saver.saved[0] == position[0]
        if halt is not None and settled:
            if isinstance(halt, PoisonMessage):
                return Poisoned(self._intake.offender, halt)
            raise halt
        if self._saver.failing or (halt is not None and not self._outgoing):
            return Waiting()
        return self._produce(settled)

    def _advance(self) -> Position:
        position = self._inflight.advance()
        self._count.delivered(position[0])
        return position

    def _produce(self, settled: bool) -> Outcome:
        if not self._outgoing:
            try:
                portion = self._intake.take()
            except PyMongoError as error:
                _stop_unless_transient(error)
                return Unavailable(error)
            except Unreachable as error:
                return Unavailable(error)
            if portion is None:
                return Idle(settled) if self._intake.halt is None else Waiting()
            self._outgoing, self._marks, passed = portion
            for seq in passed:
                self._inflight.acknowledged(seq)
            if self._done:
                self._pass_done()
        try:
            taken = self._target.send(self._outgoing)
        except DeliveryFailed as error:
            self._failed = error
            return Failed(error)
        items = self._outgoing[:taken]
        del self._outgoing[:taken]
        # There may be more marks than records: those of records that are not sent.
        end = bisect_left(self._marks, self._outgoing[0][0], key=_seq) if self._outgoing else len(self._marks)
        marks = self._marks[:end]
        self._inflight.sent(marks)
        self._count.sent(items, marks)
        del self._marks[:end]
        return Waiting() if self._outgoing or not end else Moved()

    def _pass_done(self) -> None:
        """Acknowledges what was done before a failure of an earlier record, instead of doing it again."""
        for item in [item for item in self._outgoing if item[0] in self._done]:
            self._outgoing.remove(item)
            self._done.remove(item[0])
            self._inflight.acknowledged(item[0])

    def _acknowledge(self, seconds: float) -> None:
        if self._failed is not None:  # a failed target is not asked again: the next answer would be another
            return
        try:
            self._target.poll(seconds)
        except DeliveryFailed as error:
            self._failed = error

    def rebuild(self) -> None:
        """Gives up what is in flight, and begins again after the contiguous prefix with the target opened anew.

        Call it after Failed. A record that was refused for good stops the pump when it comes again: so everything
        before it is delivered first, also what is given up here.
        """
        if self._failed is not None:
            self._intake.refuse(self._failed)
        self._target.close()
        try:
            prefix = self._restart(self._advance())
            done = self._inflight.beyond if isinstance(self._target, Interruptible) else ()
        except DeliveryFailed as error:
            self._failed = error
            return
        self._count.delivered(prefix[0])
        self._count.dropped()
        self._intake.restart(prefix[0] + 1)
        self._begin(prefix, {*done, *self._done})

    def skip(self) -> None:
        """Goes on with the next record. Call it after Poisoned, when the message is put aside."""
        record = self._intake.skip()
        self._inflight.prefix = self._saver.saved = record.seq, record.created, record.id

    def wait(self) -> None:
        """Waits until something is acknowledged, for a moment at most. Call it after Waiting."""
        if self._inflight:
            self._acknowledge(_BUSY_SECONDS)
        else:
            self._saver.wait(_BUSY_SECONDS)

    def rest(self, seconds: float) -> None:
        """Waits until the log grows, `seconds` at most; only for a moment if not all is acknowledged and saved. Call it
        after Idle."""
        if self._is_moving and self._inflight:  # a target that works when it is polled has more to do
            return
        unsettled = self._inflight or self._saver.saved[0] != self._inflight.prefix[0]
        self._intake.wait(_BUSY_SECONDS if unsettled else seconds)

    def drain(self, seconds: float, save_seconds: float) -> None:
        """Sends nothing more, waits up to `seconds` for what is in flight, and saves within `save_seconds`.

        Raises what saving raises, and TimeoutError.
        """
        if isinstance(self._target, Interruptible):
            self._target.interrupt()
        deadline = self._clock.monotonic() + seconds
        while self._inflight and self._failed is None and self._clock.monotonic() < deadline:
            self._acknowledge(_BUSY_SECONDS)
            self._advance()
            self._lease.check()
        self._saver.finish(self._advance(), save_seconds)

    def close(self) -> None:
        """Drops what is in flight and ends the saving thread. Saves nothing."""
        self._target.close()
        self._count.dropped()
        self._saver.close()


def _seq(mark: Mark) -> int:
    return mark[0]


def _stop_unless_transient(error: PyMongoError) -> None:
    if not is_transient(error):
        raise error
