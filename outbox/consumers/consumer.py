"""A consumer: handles the messages of an outbox in this process, and remembers where it is."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar, cast

from pymongo.client_session import ClientSession
from reactivex import Observable

from outbox.arguments import MOST_SHARES, check_function
from outbox.consumers.attempts import Attempts
from outbox.consumers.by_key import ByKey
from outbox.consumers.config import Asked, Deliveries, To
from outbox.consumers.decoding import Delivery
from outbox.consumers.in_transaction import InTransaction, one_by_one
from outbox.consumers.in_turn import InTurn, Terms
from outbox.consumers.observable import observable
from outbox.consumers.observed import Observed, Observer, ObserverFailed, Serial
from outbox.consumers.one_run import OneRun
from outbox.dead_letters.policy import OnPoison
from outbox.delivery.ports import Target
from outbox.errors import InvalidConsumer
from outbox.events import OnEvent, teller
from outbox.log.reader_id import reader_id
from outbox.log.record import Decode, Record
from outbox.monitoring.delivery_count import counted
from outbox.readers.query import Query
from outbox.tracing.tracing import handled

M = TypeVar("M")
F = TypeVar("F", bound=Callable[..., Any])

POLICIES = ("park-key", "dead-letter", "stop")
MOST_CONCURRENCY = 1000
MOST_BATCH = 1000


class Consumer(Generic[M]):
    """Handles the messages of an outbox, at least once and in order; made by Outbox.consumer.

    Cold until it is run. Of all the processes that run a consumer of this name one works, or one for each share, and
    the others stand by. What is not acknowledged is delivered again: after a crash, a takeover, or `reset`. While it
    has a position, also when nothing runs, the log rolls over nothing that it has not handled.

    A handler that raises is called again, after 0.05 s and then up to 5 s, by doubling; its key waits, and with a
    `concurrency` above 1 the others go on. After `attempts`, or at once for Reject, `on_poison` decides. An error of
    MongoDB that passes by itself counts for no attempt.

    Thread-safe; one `run`, `run_in_transaction` or subscription at a time.
    """

    def __init__(
        self,
        name: str,
        query: Query,
        decode: Decode,
        deliveries: Callable[[Asked], Deliveries],
        *,
        shares: int | None,
        concurrency: int,
        attempts: int | None,
        on_poison: OnPoison,
        on_event: OnEvent | None,
    ) -> None:
        self.name = name
        self.id = reader_id("consumer", name)
        """What its cursor and its lease are called, and `outbox readers`, `find` and `wait_for`."""
        _check_whole("shares", shares, MOST_SHARES, or_none=True)
        _check_whole("concurrency", concurrency, MOST_CONCURRENCY)
        _check_whole("attempts", attempts, None, or_none=True)
        if on_poison not in POLICIES:
            raise InvalidConsumer(f"on_poison={on_poison!r}: one of {', '.join(map(repr, POLICIES))}")
        if on_event is not None:
            check_function("on_event", on_event, "an event", InvalidConsumer)
        self._concurrency = concurrency
        self._most_attempts = attempts
        self._listens = on_event is not None
        self._tell = teller(on_event, decode)
        self._deliveries = deliveries(Asked(name, query, shares, on_poison, self._tell))
        self._runs = OneRun(self.id, InvalidConsumer)
        self._observed: list[Observed] = []

    def run(self, handle: Callable[[Record[M]], object], *, stop: threading.Event | None = None) -> None:
        """Calls `handle` with each record; the record is acknowledged when it returns. Blocks.

        It goes on until `stop` is set, `self.stop()` is called, the outbox is closed, or the program ends. Then nothing
        more is begun, what runs is waited for, and the position is saved.

        `handle` is called on this thread; with a `concurrency` above 1 on that many threads, and with several shares on
        one, or so many, for each that this process works on.

        Raises InvalidConsumer, what must be seen to by somebody (PoisonMessage with on_poison="stop", HistoryLost,
        LogReplaced, CursorMismatch, InvalidStart, OutboxNotCreated), and errors of the database that do not pass by
        themselves. Lost connections and elections are waited for.
        """
        _check_handler(handle, "a record", 1)
        handle = self.traced(handle)
        with self._runs.begin(stop) as stopping:
            terms = self._terms(stopping)
            if self._concurrency == 1:
                self._work(InTurn(handle, terms), stopping)
            else:
                self._work(ByKey(handle, self._concurrency, terms, self.name), stopping)

    def run_in_transaction(
        self,
        handle: Callable[[Record[M], ClientSession], object],
        *,
        batch: int = 1,
        stop: threading.Event | None = None,
    ) -> None:
        """Calls `handle` with each record and a session, in whose transaction the position moves, too. Blocks.

        What `handle` writes with the session, also into another outbox of the same replica set, is written exactly
        once. It may be called more than once for a record: each time but the last, its transaction was aborted.

        batch: the most records of one transaction, which are handled one after the other. All must be done within a
            minute, the server's limit for a transaction. Keys are not handled side by side.

        It ends and raises as `run`. Raises InvalidConsumer for a `concurrency` above 1, too: use shares.
        """
        _check_handler(handle, "a record and a session", 2)
        self.check_batch(batch)
        with self._runs.begin(stop) as stopping:
            self._work(InTransaction(one_by_one(self.traced(handle)), batch, self._terms(stopping)), stopping)

    def traced(self, handle: F) -> F:
        """Makes a handler that spans each call, in a program with OpenTelemetry."""
        return handled(handle, self._deliveries.log().where, self.name)

    def check_batch(self, batch: int) -> None:
        """Raises InvalidConsumer unless it may handle so many records in one transaction."""
        _check_whole("batch", batch, MOST_BATCH)
        if self._concurrency != 1:
            raise InvalidConsumer(
                f"concurrency={self._concurrency} and run_in_transaction do not go together: one position would be "
                "moved by several transactions. Give shares= instead"
            )

    def deliver_to(self, target: Callable[[Terms], Target[Delivery]], stop: threading.Event) -> None:
        """Runs it with the target that is made, until `stop` is set; as `run`, whose handlers are another target."""
        with self._runs.begin(stop) as stopping:
            self._work(target(self._terms(stopping)), stopping)

    def observe(self) -> Observable[Record[M]]:
        """Gives each record to the subscriber; it counts as handled when it is given to `ack`. Cold.

        A subscription runs the consumer on a thread of its own, which calls `on_next` serially, and reads no further
        while 1,000 records are not acknowledged. What `on_next` raises goes to `on_error`, as does what `run` raises;
        `attempts` and `on_poison` are for handlers, and play no part. It completes at `stop()`. Behind it `caught_up()`
        marks where all up to the head is acknowledged, with several shares that of each.
        """
        return observable(self.deliver_to_observer, self.name)

    def deliver_to_observer(self, observer: Observer, stop: threading.Event, marks: bool) -> None:
        """Runs it, and gives each record to the observer until `stop` is set. marks: and each CaughtUp. Blocks."""
        serial = Serial(observer)
        tell = serial.marked_by(self._tell) if marks else self._tell
        with self._runs.begin(stop) as stopping:
            self._observed = []
            try:
                self._work(Observed(serial, self._terms(stopping), self._observed), stopping, tell)
            except ObserverFailed as failed:
                raise cast(Exception, failed.__cause__) from None

    def ack(self, record: Record[Any]) -> None:
        """Counts a record that the Observable has given as handled. Thread-safe; in any order.

        The position moves up to the first record that is not acknowledged. An ack of a record that comes after the
        subscription has ended has no effect: the record is given again. Raises InvalidConsumer for what is no record.
        """
        untyped: object = record
        if not isinstance(untyped, Record):
            raise InvalidConsumer(f"ack({untyped!r:.100}): give a record that observe() has given")
        for observed in self._observed:
            observed.ack(record.seq)

    def stop(self) -> None:
        """Ends what runs, as the `stop` of `run`. Does not wait; does nothing when nothing runs."""
        self._runs.stop()

    @property
    def is_running(self) -> bool:
        """Tells whether it runs in this process, or waits for its turn."""
        return self._runs.is_running

    def join(self, seconds: float) -> None:
        """Waits until nothing runs any more, `seconds` at most; not at all on a thread that runs it."""
        self._runs.join(seconds)

    def wait_caught_up(self, timeout: float = 5.0) -> None:
        """Returns when all that was committed before the call is handled, or put aside.

        timeout: seconds. Raises WaitTimeout, which says how far it is, and errors that do not pass by themselves.
        """
        self._deliveries.wait_caught_up(timeout)

    def position(self) -> int | None:
        """Returns the seq up to which all is handled, of the share furthest behind; None before the first start.

        What was handled in the last tenth of a second may not be in it yet. Raises CursorMismatch and pymongo's errors.
        """
        return self._deliveries.position()

    def reset(self, to: To) -> int:
        """Sets the position, and returns it: seq `to` counts as handled, and the next one comes next.

        to: a seq; a date, whose first record comes next; "earliest" for all that the log keeps; "latest" for nothing of
            it. Raises CursorInUse while it is run anywhere, InvalidStart, and pymongo's errors.
        """
        if isinstance(to, bool) or (not isinstance(to, (int, datetime)) and to not in ("earliest", "latest")):
            raise InvalidConsumer(f"reset({to!r}): give a seq, a datetime, 'earliest' or 'latest'")
        return self._deliveries.reset(to)

    def forget(self) -> bool:
        """Removes the position, so that it holds the log no more; False when there was none.

        The next run begins where `start` says. Its dead letters stay. Raises CursorInUse while it is run anywhere.
        """
        return self._deliveries.forget()

    def _terms(self, stop: threading.Event) -> Terms:
        log, clock = self._deliveries.log(), self._deliveries.clock
        tally = self._deliveries.tally
        attempts = partial(Attempts, self._most_attempts, log, random.random, counted(tally, self._tell))
        return Terms(attempts, stop, self._tell if self._listens else None, clock, tally.handle_seconds)

    def _work(self, target: Target[Delivery], stop: threading.Event, tell: OnEvent | None = None) -> None:
        self._deliveries.run(target, stop, tell or self._tell)


def _check_handler(handle: object, of: str, takes: int) -> None:
    if not callable(handle):
        raise InvalidConsumer(f"{handle!r} is no handler: give a function of {of}")
    check_function("handle", handle, of, InvalidConsumer, takes=takes)


def _check_whole(name: str, value: object, most: int | None, *, or_none: bool = False) -> None:
    if value is None and or_none:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        limit = "1 or more" if most is None else f"1 to {most}"
        raise InvalidConsumer(f"{name}={value!r}: give a whole number, {limit}{', or None' if or_none else ''}")
